/* The simulation as a test: ten thousand histories. GRADFOLD_TEST_SCALE (sanitizers, quick runs)
 * makes it so many times fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "series.h"

enum {
    HISTORIES = 10000
};

static uint64_t scale(void)
{
    const char *text = getenv("GRADFOLD_TEST_SCALE");
    uint64_t n = text == NULL ? 1 : strtoull(text, NULL, 10);
    return n == 0 ? 1 : n;
}

static void every_history_keeps_the_promises(void **state)
{
    struct series series;
    (void)state;
    bool good = series_run(&series, 1, HISTORIES / scale(), false);
    series_print(&series);
    assert_true(good);
    assert_true(series.duplicates > 0 && series.deaths > 0 && series.rounds > series.seeds);
}

static void a_seed_replays(void **state)
{
    static struct sim first;
    static struct sim second;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_run(&first, seed, false);
        sim_run(&second, seed, false);
        assert_int_equal(first.events, second.events);
        assert_int_equal(first.now_ms, second.now_ms);
        assert_int_equal(first.random.state, second.random.state);
        sim_free(&first);
        sim_free(&second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_keeps_the_promises),
        cmocka_unit_test(a_seed_replays),
    };
    return cmocka_run_group_tests_name("simulation", tests, NULL, NULL);
}
