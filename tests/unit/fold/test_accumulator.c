/* What an accumulator promises beside its sums: repetition, floors, budgets, and the edges of
 * counts. */

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "fold/fold.h"
#include "fold/slow.h"
#include "fold/state.h"

enum {
    ELEMENTS = 2 * FOLD_BLOCK + 5,
    BLOCKS = 3
};

static const struct fold_rule f32_sum = {DTYPE_F32, ACCUMULATION_EXACT, REDUCTION_SUM};

struct fixture {
    struct fold_budget budget;
    struct accumulator *acc;
    float ones[ELEMENTS];
    float tiny[ELEMENTS];
    float huge[ELEMENTS];
    float out[ELEMENTS];
    struct tensor tensors[3];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return 1;
    *state = f;
    fold_budget_init(&f->budget, UINT64_MAX);
    f->acc = accumulator_new(&f32_sum, ELEMENTS, &f->budget);
    for (size_t i = 0; i < ELEMENTS; i++) {
        f->ones[i] = 1;
        f->tiny[i] = 0x1p-60F;
        f->huge[i] = 0x1p+80F;
    }
    f->tensors[0] = (struct tensor){f->ones, DTYPE_F32};
    f->tensors[1] = (struct tensor){f->tiny, DTYPE_F32};
    f->tensors[2] = (struct tensor){f->huge, DTYPE_F32};
    return f->acc == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    accumulator_free(f->acc);
    int lost = f->budget.bytes_used != 0;
    free(f);
    return lost;
}

static struct terms terms_of(const struct fixture *f, uint64_t first, size_t count)
{
    return (struct terms){.tensors = f->tensors + first, .count = count, .first = first};
}

static void a_repeated_call_adds_nothing(void **state)
{
    struct fixture *f = *state;
    struct terms one = terms_of(f, 0, 1);
    for (int i = 0; i < 3; i++)
        assert_true(accumulator_add(f->acc, &one, 0, BLOCKS));
    assert_int_equal(accumulator_floor(f->acc), 1);
    struct terms none = terms_of(f, 1, 0);
    assert_true(fold_read(&f32_sum, f->acc, &none, 1, ELEMENTS, f->out, 0, BLOCKS));
    assert_memory_equal(f->out, f->ones, sizeof f->out);
}

static void the_floor_is_the_least_that_a_block_holds(void **state)
{
    struct fixture *f = *state;
    struct terms both = terms_of(f, 0, 2);
    assert_int_equal(accumulator_floor(f->acc), 0);
    assert_true(accumulator_add(f->acc, &both, 1, 1));
    assert_int_equal(accumulator_floor(f->acc), 0);
    struct terms one = terms_of(f, 0, 1);
    assert_true(accumulator_add(f->acc, &one, 0, BLOCKS));
    assert_int_equal(accumulator_floor(f->acc), 1);
    struct terms rest = terms_of(f, 1, 1);
    assert_true(accumulator_add(f->acc, &rest, 0, BLOCKS));
    assert_int_equal(accumulator_floor(f->acc), 2);
}

/* 1 needs tier 0, 2^-60 more tier 1, 2^80 more tier 2: each refused while there is no memory. */
static void promotions_wait_for_memory(void **state)
{
    struct fixture *f = *state;
    struct terms all = terms_of(f, 0, 3);
    for (uint64_t held = 0; held < 3; held++) {
        f->budget.bytes_max = f->budget.bytes_used;
        struct terms next = terms_of(f, held, 1);
        bool added = accumulator_add(f->acc, &next, 0, BLOCKS);
        assert_int_equal(added, held == 0);
        assert_int_equal(accumulator_floor(f->acc), added ? 1 : held);
        struct terms rest = terms_of(f, held, 3 - held);
        assert_true(fold_read(&f32_sum, f->acc, &rest, 3, ELEMENTS, f->out, 0, BLOCKS));
        assert_memory_equal(f->out, f->huge, sizeof f->out);
        f->budget.bytes_max = UINT64_MAX;
        assert_true(accumulator_add(f->acc, &next, 0, BLOCKS));
        assert_int_equal(f->acc->blocks[1].tier, held);
    }
    struct terms none = {.tensors = NULL, .count = 0, .first = all.count};
    assert_true(fold_read(&f32_sum, f->acc, &none, 3, ELEMENTS, f->out, 0, BLOCKS));
    assert_memory_equal(f->out, f->huge, sizeof f->out);
}

static void a_budget_too_small_gives_no_accumulator(void **state)
{
    struct fixture *f = *state;
    uint64_t cost = f->budget.bytes_used;
    struct fold_budget budget;
    fold_budget_init(&budget, cost - 1);
    assert_null(accumulator_new(&f32_sum, ELEMENTS, &budget));
    assert_int_equal(budget.bytes_used, 0);
    fold_budget_init(&budget, cost);
    struct accumulator *acc = accumulator_new(&f32_sum, ELEMENTS, &budget);
    assert_non_null(acc);
    assert_int_equal(budget.bytes_used, cost);
    accumulator_free(acc);
    accumulator_free(NULL);
    fold_budget_init(&budget, UINT64_MAX);
    assert_null(accumulator_new(&f32_sum, UINT64_MAX, &budget));
    assert_null(accumulator_new(&f32_sum, UINT64_MAX / 8 + 1, &budget));
    assert_int_equal(budget.bytes_used, 0);
}

static void no_contributions_read_as_zero(void **state)
{
    struct fixture *f = *state;
    static const float zero[ELEMENTS];
    struct fold_rule mean = {DTYPE_F32, ACCUMULATION_EXACT, REDUCTION_MEAN};
    struct terms none = {.tensors = NULL, .count = 0, .first = 0};
    memset(f->out, 1, sizeof f->out);
    assert_true(fold_read(&mean, NULL, &none, 0, ELEMENTS, f->out, 0, BLOCKS));
    assert_memory_equal(f->out, zero, sizeof zero);
    memset(f->out, 1, sizeof f->out);
    assert_true(fold_read(&mean, f->acc, &none, 0, ELEMENTS, f->out, 0, BLOCKS));
    assert_memory_equal(f->out, zero, sizeof zero);
}

/* More contributions than tier 1 may hold of f64, and more than f64 divides exactly: one
 * element, added many times by repeating one tensor. */
static void counts_beyond_the_fast_arithmetic_are_exact(void **state)
{
    (void)state;
    enum {
        MANY = 1 << 16
    };
    static struct tensor same[MANY];
    static const double x = 0x1.8p+900;
    struct fold_rule rule = {DTYPE_F64, ACCUMULATION_EXACT, REDUCTION_SUM};
    struct fold_budget budget;
    fold_budget_init(&budget, UINT64_MAX);
    for (size_t k = 0; k < MANY; k++)
        same[k] = (struct tensor){&x, DTYPE_F64};
    struct accumulator *acc = accumulator_new(&rule, 1, &budget);
    uint64_t n = 0;
    for (; n < (uint64_t)TIER1_F64_MAX + MANY; n += MANY) {
        struct terms terms = {.tensors = same, .count = MANY, .first = n};
        assert_true(accumulator_add(acc, &terms, 0, 1));
        assert_int_equal(acc->blocks[0].tier, n + MANY > TIER1_F64_MAX ? 2 : 1);
    }
    double out;
    struct terms none = {.tensors = NULL, .count = 0, .first = n};
    assert_true(fold_read(&rule, acc, &none, n, 1, &out, 0, 1));
    double expected = x * (double)n; /* n has few bits */
    assert_memory_equal(&out, &expected, sizeof out);
    accumulator_free(acc);
    /* 2^53 / (2^27 + 1), rounded to odd: 2^26 - 1 + something. */
    double odd = slow_odd_quotient(DTYPE_F32, 0x1p53, ((uint64_t)1 << 27) + 1);
    assert_true(odd > 67108863.5 && odd < 67108863.51);
}

/* A plane takes 256 of the largest values, and no more: 2^24 - 1 shifted by 31, all of one sign.
 * Two tiny values make the sum need tier 2. */
static void planes_are_carried_before_they_overflow(void **state)
{
    (void)state;
    enum {
        MANY = 600
    };
    static const float large = 0x1.fffffep+33F; /* in units of 2^(-149 + 159); 159 % 32 = 31 */
    static const float tiny[2] = {0x1p-149F, 0x1p-60F};
    struct tensor tensors[MANY + 4];
    struct tensor opposite[MANY + 4];
    const float minus = -large;
    for (size_t k = 0; k < MANY; k++) {
        tensors[k] = (struct tensor){&large, DTYPE_F32};
        opposite[k] = (struct tensor){&minus, DTYPE_F32};
    }
    for (size_t n = 100; n <= MANY; n += 4) {
        float out;
        float expected = (float)(0x1.fffffep+33 * (double)n);
        for (size_t k = 0; k < 2; k++)
            tensors[n + k] = opposite[n + k] = (struct tensor){&tiny[k], DTYPE_F32};
        struct terms terms = {.tensors = tensors, .count = n + 2, .first = 0};
        assert_true(fold_read(&f32_sum, NULL, &terms, n + 2, 1, &out, 0, 1));
        assert_memory_equal(&out, &expected, sizeof out);
        terms.tensors = opposite;
        expected = -expected;
        assert_true(fold_read(&f32_sum, NULL, &terms, n + 2, 1, &out, 0, 1));
        assert_memory_equal(&out, &expected, sizeof out);
        for (size_t k = 0; k < 2; k++) {
            tensors[n + k] = tensors[0];
            opposite[n + k] = opposite[0];
        }
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_repeated_call_adds_nothing),
        WITH_FIXTURE(the_floor_is_the_least_that_a_block_holds),
        WITH_FIXTURE(promotions_wait_for_memory),
        WITH_FIXTURE(a_budget_too_small_gives_no_accumulator),
        WITH_FIXTURE(no_contributions_read_as_zero),
        cmocka_unit_test(planes_are_carried_before_they_overflow),
        cmocka_unit_test(counts_beyond_the_fast_arithmetic_are_exact),
    };
    return cmocka_run_group_tests_name("accumulator", tests, NULL, NULL);
}
