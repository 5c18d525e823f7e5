#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"

static void buffers_cost_what_pool_cost_says_and_come_back(void **state)
{
    (void)state;
    struct pool *pool = pool_new(UINT64_C(64) << 20);
    const uint64_t sizes[] = {0, 1, 64, 65, 1000, 65535, 65536, 65537, 3 << 20, (3 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *b = pool_take(pool, sizes[i]);
        assert_non_null(b);
        assert_int_equal((uintptr_t)b % 64, 0);
        assert_int_equal(pool_used(pool), pool_cost(sizes[i]));
        assert_true(pool_cost(sizes[i]) >= sizes[i]);
        memset(b, 0xa5, sizes[i]);
        pool_give(pool, b, sizes[i]);
        assert_int_equal(pool_used(pool), 0);
    }
    pool_free(pool);
}

static void at_most_a_quarter_is_wasted(void **state)
{
    (void)state;
    for (uint64_t n = 128 * 1024; n < UINT64_C(1) << 40; n += n / 7 + 1)
        assert_true(pool_cost(n) <= n + n / 4 + 4096);
    assert_true(pool_cost(UINT64_MAX) >= UINT64_MAX / 2); /* nobody will get it */
}

static void the_budget_holds_for_used_and_kept_together(void **state)
{
    (void)state;
    const uint64_t max = UINT64_C(1) << 20;
    struct pool *pool = pool_new(max);
    for (uint64_t round = 0; round < 50; round++) {
        void *held[64];
        uint64_t size = 1000 + round * 3777;
        size_t n = 0;
        while (n < 64 && (held[n] = pool_take(pool, size)) != NULL) {
            n++;
            assert_true(pool_used(pool) + pool_kept(pool) <= max);
        }
        assert_true(n == 64 || !pool_fits(pool, size));
        assert_true(n > 0);
        while (n > 0)
            pool_give(pool, held[--n], size);
    }
    assert_null(pool_take(pool, max + 1));
    pool_free(pool);
}

static void what_was_given_back_is_used_again(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__)
    struct pool *pool = pool_new(UINT64_C(8) << 20);
    void *first = pool_take(pool, 1 << 20);
    pool_give(pool, first, 1 << 20);
    assert_true(pool_kept(pool) > 0);
    assert_ptr_equal(pool_take(pool, (1 << 20) - 5), first); /* the same size class */
    pool_give(pool, first, 1 << 20);
    pool_free(pool);
#else
    skip();
#endif
}

static void a_charge_takes_from_the_budget(void **state)
{
    (void)state;
    struct pool *pool = pool_new(1000);
    pool_charge(pool, 990);
    assert_false(pool_fits(pool, 64));
    assert_null(pool_take(pool, 64));
    pool_discharge(pool, 990);
    assert_true(pool_fits(pool, 64));
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_cost_what_pool_cost_says_and_come_back),
        cmocka_unit_test(at_most_a_quarter_is_wasted),
        cmocka_unit_test(the_budget_holds_for_used_and_kept_together),
        cmocka_unit_test(what_was_given_back_is_used_again),
        cmocka_unit_test(a_charge_takes_from_the_budget),
    };
    return cmocka_run_group_tests_name("base: pool", tests, NULL, NULL);
}
