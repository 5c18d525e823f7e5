/* Final pushes that could not be folded where they lie: something came between. */
#include "gathering.h"

static void a_push_that_is_accepted_meanwhile_spoils_the_trial(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_push(&f->rig, 2, offer_w(1, 50, false), (const float[]){100, 0, 0, 0});
    assert_int_equal(reply_of(f, 2)->verdict, VERDICT_ACCEPTED);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
    rig_copy(&f->rig, 0);
    rig_copy(&f->rig, 1);
    assert_float_equal(sum_of(f, 0), 103, 0);
    assert_int_equal(rig_last(&f->rig)->contributions[W], 3);
}

/* Another push under the key of one that gathers: neither is counted twice. */
static void a_key_that_is_used_meanwhile_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_push(&f->rig, 2, offer_w(0, 1, false), (const float[]){100, 0, 0, 0});
    offer_final(f, 1, 1);
    assert_int_equal(stats(f).trials, 0);
    rig_copy(&f->rig, 0);
    assert_code(reply_of(f, 0), CODE_CONFLICT);
    rig_copy(&f->rig, 1);
    push_final(f, 0);
    assert_float_equal(sum_of(f, 0), 102, 0);
}

static void a_worker_that_becomes_final_meanwhile_is_refused(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_push(&f->rig, 2, offer_w(0, 9, true), (const float[]){100, 0, 0, 0});
    rig_advance(&f->rig, 1);
    assert_int_equal(stats(f).trials, 0); /* worker 1 has not been heard of */
    rig_copy(&f->rig, 0);
    assert_code(reply_of(f, 0), CODE_INVALID_ARGUMENT);
    offer_final(f, 1, 1);
    assert_float_equal(sum_of(f, 0), 102, 0);
}

static void the_second_of_the_same_worker_does_not_gather(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_offer(&f->rig, 2, offer_shared(&memory[0], 0, 1, true));
    assert_int_equal(intake(f, 2), INTAKE_GRANTED);
    rig_copy(&f->rig, 2);
    assert_int_equal(reply_of(f, 2)->verdict, VERDICT_ACCEPTED);
    rig_copy(&f->rig, 0); /* worker 0 is final now: nobody is waited for */
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_DUPLICATE);
    offer_final(f, 1, 1);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void what_cannot_be_accepted_together_is_decided_one_by_one(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "expects";
    f->nodes[W].expected = 1;
    rig_create(&f->rig, 0, &f->spec);
    rig_forget(&f->rig);
    for (uint32_t w = 0; w < 2; w++) {
        struct push_offer *offer = offer_shared(&memory[w], w, 1, true);
        offer->job = "expects";
        rig_offer(&f->rig, (int)w, offer);
    }
    assert_int_equal(stats(f).trials, 0);
    rig_copy(&f->rig, 1);
    rig_copy(&f->rig, 0);
    assert_int_equal(reply_of(f, 1)->verdict, VERDICT_ACCEPTED);
    assert_code(reply_of(f, 0), CODE_INVALID_ARGUMENT);
}

static void a_lost_peer_leaves_the_others(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_lose(&f->rig, 1);
    assert_int_equal(shared_held(&memory[1]), 1); /* the trial still reads it */
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(shared_held(&memory[1]), 0);
    rig_copy(&f->rig, 0);
    assert_int_equal(f->rig.rounds_closed, 0);
    offer_final(f, 1, 1);
    rig_copy(&f->rig, 1);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void a_retry_of_who_was_lost_does_not_take_its_place(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_lose(&f->rig, 1);
    offer_final(f, 1, 1);
    assert_int_equal(intake(f, 1), INTAKE_GRANTED);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    rig_copy(&f->rig, 0);
    rig_copy(&f->rig, 1);
    assert_int_equal(stats(f).rounds_in_place, 0);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void the_job_may_be_deleted_under_its_trial(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_delete(&f->rig, 2, "job");
    assert_code(reply_of(f, 0), CODE_NOT_FOUND);
    assert_code(reply_of(f, 1), CODE_NOT_FOUND);
    assert_int_equal(shared_held(&memory[0]), 1);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(shared_held(&memory[0]), 0);
    assert_int_equal(stats(f).results_used, 0);
}

static void the_job_may_be_deleted_before_the_pushes_are_durable(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_persist = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_delete(&f->rig, 2, "job");
    f->rig.hold_persist = false;
    rig_run_persists(&f->rig);
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_ACCEPTED);
    assert_int_equal(stats(f).results_used + stats(f).staging_used, 0);
}

static void a_closed_round_takes_no_push_that_gathers(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_close(&f->rig, 2, "job", 0);
    rig_copy(&f->rig, 0);
    assert_code(reply_of(f, 0), CODE_STALE_ROUND);
    assert_int_equal(f->rig.rounds_closed, 1);
}

static void a_round_that_closes_under_its_trial_takes_no_push(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 10, false);
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_close(&f->rig, 2, "job", 0);
    assert_int_equal(f->rig.rounds_closed, 0);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    rig_step(&f->rig, (struct event){.kind = EVENT_TICK});
    assert_int_equal(f->rig.rounds_closed, 1);
    rig_copy(&f->rig, 0);
    rig_copy(&f->rig, 1);
    assert_code(reply_of(f, 0), CODE_STALE_ROUND);
    assert_float_equal(sum_of(f, 0), 10, 0);
}

static void a_stopping_server_refuses_who_gathers(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_step(&f->rig, (struct event){.kind = EVENT_STOP});
    assert_code(reply_of(f, 0), CODE_UNAVAILABLE);
    assert_true(core_idle(f->rig.core));
}

static void a_stopping_server_refuses_what_is_tried(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    rig_step(&f->rig, (struct event){.kind = EVENT_STOP});
    assert_code(reply_of(f, 0), CODE_UNAVAILABLE);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(f->rig.rounds_closed, 0);
    assert_true(core_idle(f->rig.core));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gathering, teardown_gathering)
    const struct CMUnitTest tests[] = {
        TEST(a_push_that_is_accepted_meanwhile_spoils_the_trial),
        TEST(a_key_that_is_used_meanwhile_is_a_conflict),
        TEST(a_worker_that_becomes_final_meanwhile_is_refused),
        TEST(the_second_of_the_same_worker_does_not_gather),
        TEST(what_cannot_be_accepted_together_is_decided_one_by_one),
        TEST(a_lost_peer_leaves_the_others),
        TEST(a_retry_of_who_was_lost_does_not_take_its_place),
        TEST(the_job_may_be_deleted_under_its_trial),
        TEST(the_job_may_be_deleted_before_the_pushes_are_durable),
        TEST(a_closed_round_takes_no_push_that_gathers),
        TEST(a_round_that_closes_under_its_trial_takes_no_push),
        TEST(a_stopping_server_refuses_who_gathers),
        TEST(a_stopping_server_refuses_what_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
