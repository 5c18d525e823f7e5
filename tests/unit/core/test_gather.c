/* Final pushes that are folded where they lie. */
#include <math.h>

#include "gathering.h"

static void finals_of_all_workers_are_folded_where_they_lie(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    assert_int_equal(intake(f, 0), INTAKE_WAITING);
    assert_int_equal(stats(f).pushes_waiting, 1);
    assert_int_equal(f->rig.n_replies, 0);
    offer_final(f, 1, 1);
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_ACCEPTED);
    assert_int_equal(reply_of(f, 1)->verdict, VERDICT_ACCEPTED);
    assert_int_equal(f->rig.n_granted, 0);
    assert_int_equal(f->rig.rounds_closed, 1);
    assert_int_equal(stats(f).rounds_in_place, 1);
    assert_int_equal(stats(f).pushes_waiting, 0);
    assert_int_equal(stats(f).staging_used, 0);
    assert_float_equal(sum_of(f, 0), 3, 0);
    assert_int_equal(rig_last(&f->rig)->contributions[W], 2);
}

static void what_is_staged_counts_too(void **state)
{
    struct fixture *f = *state;
    struct push_offer big = *offer_w(1, 7, false);
    push_w(f, 0, 5, 10, false);
    push_w(f, 1, 5, 20, false);
    offer_final(f, 0, 6);
    /* Another push of worker 1 by a body, then its final one. */
    rig_push(&f->rig, 1, &big, (const float[]){100, 0, 0, 0});
    offer_final(f, 1, 8);
    assert_int_equal(stats(f).rounds_in_place, 1);
    assert_float_equal(sum_of(f, 0), 133, 0);
    assert_int_equal(rig_last(&f->rig)->contributions[W], 5);
}

static void the_memory_is_the_workers_with_the_verdict(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_persist = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    assert_int_equal(f->rig.n_replies, 0);
    assert_int_equal(shared_held(&memory[0]), 0);
    shared_fill(&memory[0], NAN); /* before it, even */
    shared_fill(&memory[1], NAN);
    f->rig.hold_persist = false;
    rig_run_persists(&f->rig);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void only_the_push_that_is_not_finite_is_refused(void **state)
{
    struct fixture *f = *state;
    memory[1].values[3] = NAN;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    assert_int_equal(stats(f).trials, 1);
    assert_int_equal(f->rig.n_replies, 0);
    rig_copy(&f->rig, 1);
    assert_code(reply_of(f, 1), CODE_NON_FINITE);
    rig_copy(&f->rig, 0);
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_ACCEPTED);
    memory[1].values[3] = 2;
    rig_forget(&f->rig);
    offer_final(f, 1, 1);
    rig_copy(&f->rig, 1); /* one trial a round */
    assert_int_equal(reply_of(f, 1)->verdict, VERDICT_ACCEPTED);
    assert_int_equal(stats(f).trials, 1);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

/* Written to while the trial reads: what was added is what was looked at. */
static void what_is_not_finite_for_a_moment_is_not_in_the_sum(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    shared_fill(&memory[0], INFINITY);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    shared_fill(&memory[0], 5);
    rig_copy(&f->rig, 0);
    rig_copy(&f->rig, 1);
    assert_float_equal(sum_of(f, 0), 7, 0);
    assert_int_equal(stats(f).rounds_in_place, 0);
}

static void a_job_that_propagates_gets_what_is_not_finite(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "special";
    f->spec.non_finite = NON_FINITE_PROPAGATE;
    rig_create(&f->rig, 0, &f->spec);
    memory[0].values[0] = INFINITY;
    for (uint32_t w = 0; w < 2; w++) {
        struct push_offer *offer = offer_shared(&memory[w], w, 1, true);
        offer->job = "special";
        rig_offer(&f->rig, (int)w, offer);
    }
    assert_int_equal(stats(f).rounds_in_place, 1);
    struct pull_offer ask = {.job = "special", .has_round = true};
    rig_pull(&f->rig, 0, &ask);
    assert_true(isinf(sum_w(rig_last(&f->rig))));
}

static void a_peer_that_gathers_may_be_lost(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    rig_lose(&f->rig, 0);
    assert_int_equal(shared_held(&memory[0]), 0);
    offer_final(f, 1, 1);
    assert_int_equal(intake(f, 1), INTAKE_WAITING);
    offer_final(f, 0, 1);
    assert_int_equal(stats(f).rounds_in_place, 1);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void nobody_gathers_longer_than_its_time(void **state)
{
    struct fixture *f = *state;
    f->rig.now_ms = 1000;
    offer_final(f, 0, 1);
    assert_int_equal(f->rig.wake_at_ms, 1000 + GATHER_MS);
    rig_advance(&f->rig, GATHER_MS - 1);
    assert_int_equal(intake(f, 0), INTAKE_WAITING);
    rig_advance(&f->rig, 1);
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
    rig_copy(&f->rig, 0);
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_ACCEPTED);
    offer_final(f, 1, 1);
    assert_float_equal(sum_of(f, 0), 3, 0);
}

static void a_trial_waits_for_the_round_before_it(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 10, false);
    f->rig.hold_folds = true;
    rig_close(&f->rig, 2, "job", 0);
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    assert_int_equal(stats(f).trials, 0);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    rig_step(&f->rig, (struct event){.kind = EVENT_TICK});
    assert_int_equal(stats(f).rounds_in_place, 1);
    assert_float_equal(sum_of(f, 0), 10, 0);
    assert_float_equal(sum_of(f, 1), 3, 0);
}

static void not_every_push_gathers(void **state)
{
    struct fixture *f = *state;
    struct push_offer *offer = offer_shared(&memory[0], 0, 1, false);
    rig_offer(&f->rig, 0, offer); /* not final */
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
    rig_copy(&f->rig, 0);
    offer = offer_shared(&memory[0], 0, 2, true);
    offer->has_checksum = true; /* somebody wants it to be looked at */
    rig_offer(&f->rig, 0, offer);
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
    rig_copy(&f->rig, 0);
    assert_code(reply_of(f, 0), CODE_CHECKSUM_MISMATCH);
    f->spec.name = "quorum";
    f->spec.quorum = 1;
    f->spec.grace_ms = 1000;
    rig_create(&f->rig, 0, &f->spec);
    offer = offer_shared(&memory[0], 0, 2, true);
    offer->job = "quorum";
    rig_offer(&f->rig, 0, offer);
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
}

static void what_is_small_is_copied(void **state)
{
    struct fixture *f = *state;
    rig_free(&f->rig);
    struct core_config config = rig_config();
    config.share_bytes_min = 17;
    assert_true(rig_init(&f->rig, &config));
    rig_create(&f->rig, 0, &f->spec);
    offer_final(f, 0, 1);
    assert_int_equal(intake(f, 0), INTAKE_GRANTED);
}

static void a_retry_by_a_body_is_a_duplicate(void **state)
{
    struct fixture *f = *state;
    offer_final(f, 0, 1);
    offer_final(f, 1, 1);
    assert_int_equal(stats(f).rounds_in_place, 1);
    struct push_offer *offer = offer_w(0, 1, true);
    offer->has_round = true;
    rig_push(&f->rig, 0, offer, (const float[]){1, 1, 1, 1});
    assert_int_equal(reply_of(f, 0)->verdict, VERDICT_DUPLICATE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gathering, teardown_gathering)
    const struct CMUnitTest tests[] = {
        TEST(finals_of_all_workers_are_folded_where_they_lie),
        TEST(what_is_staged_counts_too),
        TEST(the_memory_is_the_workers_with_the_verdict),
        TEST(only_the_push_that_is_not_finite_is_refused),
        TEST(what_is_not_finite_for_a_moment_is_not_in_the_sum),
        TEST(a_job_that_propagates_gets_what_is_not_finite),
        TEST(a_peer_that_gathers_may_be_lost),
        TEST(nobody_gathers_longer_than_its_time),
        TEST(a_trial_waits_for_the_round_before_it),
        TEST(not_every_push_gathers),
        TEST(what_is_small_is_copied),
        TEST(a_retry_by_a_body_is_a_duplicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
