/* fold_find_non_finite: the first one, wherever it is, in every dtype and by every instruction
 * set. */

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "fold/fold.h"
#include "oracle.h"
#include "random.h"
#include "trial.h"

static const char *const names[KERNELS_MAX] = {"scalar", "avx2", "avx512"};

/* The finite bits nearest to an infinity, and others. */
static uint64_t draw_finite(struct random *r, struct format f)
{
    uint64_t sign = (uint64_t)1 << (f.exponent_bits + f.fraction_bits);
    if (random_one_in(r, 2))
        return (format_infinity(f) - 1) | (random_one_in(r, 2) ? sign : 0);
    return random_below(r, format_infinity(f)) | (random_one_in(r, 2) ? sign : 0);
}

static uint64_t draw_non_finite(struct random *r, struct format f)
{
    uint64_t sign = (uint64_t)1 << (f.exponent_bits + f.fraction_bits);
    uint64_t fraction = random_one_in(r, 2) ? 0 : random_below(r, (uint64_t)1 << f.fraction_bits);
    return format_infinity(f) | fraction | (random_one_in(r, 2) ? sign : 0);
}

static void find_in(struct random *r, enum dtype dtype, size_t n)
{
    struct format f = format_of(dtype);
    unsigned char *memory = malloc(n * dtype_size(dtype) + 1);
    unsigned char *data = memory + 1; /* unaligned */
    for (size_t i = 0; i < n; i++)
        bits_store(dtype, data, i, draw_finite(r, f));
    assert_int_equal(fold_find_non_finite(dtype, data, n), FOLD_ALL_FINITE);
    for (int round = 0; round < 3 && n > 0; round++) {
        size_t last = random_below(r, n);
        size_t first = random_below(r, last + 1);
        uint64_t finite = bits_load(dtype, data, first);
        uint64_t finite_last = bits_load(dtype, data, last);
        bits_store(dtype, data, last, draw_non_finite(r, f));
        bits_store(dtype, data, first, draw_non_finite(r, f));
        assert_int_equal(fold_find_non_finite(dtype, data, n), first);
        bits_store(dtype, data, last, finite_last);
        bits_store(dtype, data, first, finite);
    }
    free(memory);
}

static void the_first_non_finite_value_is_found(void **state)
{
    (void)state;
    static const enum dtype floats[] = {DTYPE_F32, DTYPE_F64, DTYPE_F16, DTYPE_BF16};
    struct random r = random_seeded(run_seed());
    for (int k = 0; k < KERNELS_MAX; k++) {
        if (fold_kernels_choose(names[k]) == NULL)
            continue;
        for (int d = 0; d < 4; d++)
            for (size_t n = 0; n < 300; n++)
                find_in(&r, floats[d], n < 70 ? n : n * 31);
    }
    fold_kernels_choose(NULL);
}

static void integers_are_always_finite(void **state)
{
    (void)state;
    uint64_t ones[4];
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(fold_find_non_finite(DTYPE_I64, ones, 4), FOLD_ALL_FINITE);
    assert_int_equal(fold_find_non_finite(DTYPE_I32, ones, 8), FOLD_ALL_FINITE);
    assert_int_equal(fold_find_non_finite(DTYPE_F32, NULL, 0), FOLD_ALL_FINITE);
}

static void kernels_are_chosen_by_name(void **state)
{
    (void)state;
    assert_null(fold_kernels_choose("abacus"));
    assert_string_equal(fold_kernels_choose("scalar"), "scalar");
    assert_non_null(fold_kernels_choose(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_non_finite_value_is_found),
        cmocka_unit_test(integers_are_always_finite),
        cmocka_unit_test(kernels_are_chosen_by_name),
    };
    return cmocka_run_group_tests_name("finite", tests, NULL, NULL);
}
