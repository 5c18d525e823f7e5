#include <stdlib.h>

#include "core/round.h"
#include "fixture.h"

/* The linker takes the core's calls of calloc() here. */
void *__wrap_calloc(size_t n, size_t size);
void *__real_calloc(size_t n, size_t size);

static bool out_of_memory;

void *__wrap_calloc(size_t n, size_t size)
{
    return out_of_memory ? NULL : __real_calloc(n, size);
}

/* Three workers, two are enough, 100 ms of grace. */
static int setup_quorum(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    f->spec.world_size = 3;
    f->spec.quorum = 2;
    f->spec.grace_ms = 100;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static void the_round_closes_after_the_quorum_and_its_grace(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 1, true);
    rig_advance(&f->rig, 1000);
    push_w(f, 1, 0, 2, true);
    assert_int_equal(f->rig.wake_at_ms, 1100);
    rig_advance(&f->rig, 99);
    assert_int_equal(f->rig.rounds_closed, 0);
    rig_advance(&f->rig, 1);
    assert_int_equal(f->rig.rounds_closed, 1);
    assert_float_equal(sum_w(pull_round(f, 0)), 3, 0);
}

static void who_comes_within_the_grace_is_in(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 1, true);
    push_w(f, 1, 0, 2, true);
    rig_advance(&f->rig, 50);
    push_w(f, 2, 0, 4, true);
    assert_int_equal(f->rig.rounds_closed, 1); /* all are final: no need to wait */
    assert_float_equal(sum_w(pull_round(f, 0)), 7, 0);
}

static void pushes_of_workers_that_are_not_final_are_discarded(void **state)
{
    struct fixture *f = *state;
    struct core_stats stats;
    push_w(f, 2, 0, 4, false);
    push_w(f, 2, 1, 4, false);
    push_w(f, 0, 0, 1, false);
    push_w(f, 0, 1, 1, true);
    push_w(f, 1, 0, 2, true);
    rig_advance(&f->rig, 100);
    struct rig_reply *r = pull_round(f, 0);
    assert_float_equal(sum_w(r), 4, 0);
    assert_int_equal(r->contributions[W], 3);
    core_stats(f->rig.core, &stats);
    assert_int_equal(stats.pushes_discarded, 2);
    assert_int_equal(push_w(f, 2, 2, 4, true)->round, 1); /* late: it belongs to the next */
}

static void a_retry_of_a_discarded_push_is_still_a_duplicate(void **state)
{
    struct fixture *f = *state;
    push_w(f, 2, 0, 4, false);
    rig_close(&f->rig, 0, "job", 0);
    struct push_offer o = *offer_w(2, 0, false);
    o.has_round = true;
    rig_forget(&f->rig);
    rig_push(&f->rig, 2, &o, NULL);
    assert_int_equal(rig_last(&f->rig)->verdict, VERDICT_DUPLICATE);
    assert_int_equal(pull_round(f, 0)->contributions[W], 0);
}

static void without_a_grace_the_quorum_closes_at_once(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "hasty";
    f->spec.grace_ms = 0;
    rig_create(&f->rig, 0, &f->spec);
    for (uint32_t w = 0; w < 2; w++) {
        struct push_offer o = *offer_empty(w, 0, true);
        o.job = "hasty";
        rig_push(&f->rig, 0, &o, NULL);
    }
    rig_advance(&f->rig, 0);
    assert_int_equal(f->rig.rounds_closed, 1);
}

static void a_grace_that_ran_out_beats_the_push_that_comes_with_it(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 1, true);
    push_w(f, 1, 0, 2, true);
    f->rig.now_ms += 100; /* no tick: the push is the next that the core hears of */
    assert_int_equal(push_w(f, 2, 0, 4, true)->round, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quorum, teardown)

/* The close tries again by itself, before the grace is over. */
static void the_quorum_may_come_while_a_close_waits_for_memory(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 1, true);
    out_of_memory = true;
    rig_close(&f->rig, 0, "job", 0);
    out_of_memory = false;
    assert_code(rig_last(&f->rig), CODE_RESOURCE_EXHAUSTED);
    push_w(f, 1, 0, 2, true);
    assert_int_equal(f->rig.rounds_closed, 0);
    rig_advance(&f->rig, 99);
    assert_int_equal(f->rig.rounds_closed, 1);
    assert_float_equal(sum_w(pull_round(f, 0)), 3, 0);
    rig_advance(&f->rig, 100);
    assert_int_equal(f->rig.rounds_closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_round_closes_after_the_quorum_and_its_grace),
        TEST(who_comes_within_the_grace_is_in),
        TEST(pushes_of_workers_that_are_not_final_are_discarded),
        TEST(a_retry_of_a_discarded_push_is_still_a_duplicate),
        TEST(without_a_grace_the_quorum_closes_at_once),
        TEST(a_grace_that_ran_out_beats_the_push_that_comes_with_it),
        TEST(the_quorum_may_come_while_a_close_waits_for_memory),
    };
    return cmocka_run_group_tests_name("core: quorum", tests, NULL, NULL);
}
