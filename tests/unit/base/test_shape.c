#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/shape.h"

static void sizes_are_products_and_overflow_is_told(void **state)
{
    (void)state;
    const uint64_t s[] = {3, 5};
    const uint64_t overflow[] = {UINT64_C(1) << 32, UINT64_C(1) << 31};
    const uint64_t just[] = {(UINT64_C(1) << 60) - 1};
    const uint64_t empty[] = {UINT64_MAX, 0, UINT64_MAX};
    uint64_t n = 7;
    uint64_t bytes = 7;
    assert_true(shape_size(DTYPE_F64, s, 2, &n, &bytes));
    assert_int_equal(n, 15);
    assert_int_equal(bytes, 120);
    assert_true(shape_size(DTYPE_BF16, NULL, 0, &n, &bytes));
    assert_int_equal(n, 1);
    assert_int_equal(bytes, 2);
    assert_false(shape_size(DTYPE_F16, overflow, 2, &n, &bytes));
    assert_int_equal(n, 1); /* untouched */
    assert_true(shape_size(DTYPE_I64, just, 1, &n, &bytes));
    assert_true(shape_size(DTYPE_I32, empty, 3, &n, &bytes));
    assert_int_equal(n, 0);
    assert_int_equal(bytes, 0);
}

static void shapes_are_compared_with_their_rank(void **state)
{
    (void)state;
    const uint64_t a[] = {3, 1};
    assert_true(shape_equal(a, 2, a, 2));
    assert_false(shape_equal(a, 2, a, 1));
    assert_true(shape_equal(NULL, 0, a, 0));
}

static void long_shapes_are_cut_in_messages(void **state)
{
    (void)state;
    char text[SHAPE_TEXT_MAX];
    uint64_t s[64];
    for (int i = 0; i < 64; i++)
        s[i] = UINT64_MAX;
    assert_string_equal(shape_text(text, s, 0), "[]");
    assert_string_equal(shape_text(text, s, 1), "[18446744073709551615]");
    const char *cut = shape_text(text, s, 64);
    assert_true(strlen(cut) < SHAPE_TEXT_MAX);
    assert_string_equal(cut + strlen(cut) - 5, ",...]");
}

static void widenings_are_the_exact_ones(void **state)
{
    (void)state;
    int widens = 0;
    for (int from = 1; from <= 6; from++)
        for (int to = 1; to <= 6; to++)
            widens += from != to && dtype_widens((enum dtype)from, (enum dtype)to);
    assert_int_equal(widens, 6);
    assert_true(dtype_widens(DTYPE_BF16, DTYPE_F32));
    assert_false(dtype_widens(DTYPE_F16, DTYPE_BF16));
    assert_false(dtype_widens(DTYPE_I32, DTYPE_F64));
    assert_false(dtype_valid(0));
    assert_false(dtype_valid(7));
}

static void prefixes_go_in_front_and_never_overflow(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(error_set(&e, CODE_NOT_FOUND, "node %d", 17), CODE_NOT_FOUND);
    error_prefix(&e, "push from worker %d: ", 3);
    assert_string_equal(e.message, "push from worker 3: node 17");
    for (int i = 0; i < 100; i++)
        error_prefix(&e, "0123456789");
    assert_int_equal(strlen(e.message), ERROR_MESSAGE_MAX - 1);
    assert_string_equal(code_name(e.code), "NOT_FOUND");
    assert_string_equal(code_name(99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_products_and_overflow_is_told),
        cmocka_unit_test(shapes_are_compared_with_their_rank),
        cmocka_unit_test(long_shapes_are_cut_in_messages),
        cmocka_unit_test(widenings_are_the_exact_ones),
        cmocka_unit_test(prefixes_go_in_front_and_never_overflow),
    };
    return cmocka_run_group_tests_name("base: shape, dtype, error", tests, NULL, NULL);
}
