/* EXACT against the oracle: random sets, in random orders and batchings, over random ranges, with
 * an accumulator or without, with too little memory, by every instruction set. */

#include <inttypes.h>
#include <stdio.h>

#include "cmocka_all.h"
#include "oracle.h"
#include "trial.h"

#define EXACT(d, D, checks)                                                       \
    static void exact_##d##_is_the_correctly_rounded_sum_of_the_set(void **state) \
    {                                                                             \
        (void)state;                                                              \
        assert_true(trials_run(DTYPE_##D, ACCUMULATION_EXACT, checks));           \
    }

EXACT(f32, F32, 4500000)
EXACT(f64, F64, 2500000)
EXACT(f16, F16, 1500000)
EXACT(bf16, BF16, 1500000)
EXACT(i32, I32, 600000)
EXACT(i64, I64, 600000)

enum {
    MEANS = FOLD_BLOCK,
    PARTS = 3,
    CONTRIBUTIONS = 299
};

/* A block of n contributions, of which all but three are zero. */
static void check_means(struct random *r, struct oracle *o, unsigned n)
{
    static double values[PARTS][MEANS];
    static const double zeros[MEANS];
    enum dtype from[CONTRIBUTIONS];
    uint64_t bits[CONTRIBUTIONS];
    struct tensor tensors[CONTRIBUTIONS];
    double out[MEANS];
    bool in_range;
    for (unsigned k = 0; k < n; k++) {
        from[k] = DTYPE_F64;
        tensors[k] = (struct tensor){k < PARTS ? values[k] : zeros, DTYPE_F64};
    }
    for (unsigned i = 0; i < MEANS; i++) {
        values_fill(r, VALUES_NEAR_MEAN_TIE, DTYPE_F64, from, bits, n);
        for (unsigned k = 0; k < PARTS; k++)
            bits_store(DTYPE_F64, (unsigned char *)values[k], i, bits[k]);
    }
    struct fold_rule mean = {DTYPE_F64, ACCUMULATION_EXACT, REDUCTION_MEAN};
    struct terms terms = {.tensors = tensors, .count = n, .first = 0};
    assert_true(fold_read(&mean, NULL, &terms, n, MEANS, out, 0, 1));
    for (unsigned i = 0; i < MEANS; i++) {
        oracle_reset(o);
        for (unsigned k = 0; k < PARTS; k++)
            oracle_add(o, DTYPE_F64, bits_load(DTYPE_F64, (unsigned char *)values[k], i));
        assert_int_equal(bits_load(DTYPE_F64, (unsigned char *)out, i),
                         oracle_round(o, n, &in_range));
    }
}

/* Closer than a quotient of two doubles can tell. */
static void f64_means_next_to_ties_are_exact(void **state)
{
    (void)state;
    struct random r = random_seeded(run_seed());
    struct oracle o;
    uint64_t checked = 0;
    oracle_init(&o, DTYPE_F64);
    for (unsigned n = PARTS; n <= CONTRIBUTIONS; n += 2) {
        check_means(&r, &o, n);
        checked += MEANS;
    }
    oracle_clear(&o);
    printf("f64  means next to ties: %" PRIu64 " compared with the oracle\n", checked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_f32_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_f64_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(f64_means_next_to_ties_are_exact),
        cmocka_unit_test(exact_f16_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_bf16_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_i32_is_the_correctly_rounded_sum_of_the_set),
        cmocka_unit_test(exact_i64_is_the_correctly_rounded_sum_of_the_set),
    };
    return cmocka_run_group_tests_name("fold exact", tests, NULL, NULL);
}
