#include <stdlib.h>

#include "fixture.h"

enum {
    BIG = 12 * 1024
}; /* elements of node w: 48 KiB; the staging of 128 KiB holds two */

static const uint64_t big[] = {BIG};
static const struct contribution big_w = {.node = W, .dtype = DTYPE_F32, .shape = big, .ndim = 1};

static int setup_with(void **state, uint64_t accumulator_bytes)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_free(&f->rig);
    struct core_config config = rig_config();
    config.staging_bytes = 128 * 1024;
    config.accumulator_bytes = accumulator_bytes;
    f->nodes[W].shape = big;
    if (!rig_init(&f->rig, &config))
        return -1;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static int setup_small(void **state)
{
    return setup_with(state, 1 << 20);
}

static int setup_no_accumulators(void **state)
{
    return setup_with(state, 1000);
}

static struct push_offer offer_big(uint64_t sequence, bool final)
{
    return (struct push_offer){.job = "job",
                               .sequence = sequence,
                               .final = final,
                               .contributions = &big_w,
                               .n_contributions = 1,
                               .body_bytes = sizeof(float) * BIG};
}

static struct push_offer offer_small(uint32_t worker)
{
    static const uint64_t two[] = {2};
    static const struct contribution b = {.node = B, .dtype = DTYPE_I32, .shape = two, .ndim = 1};
    return (struct push_offer){
        .job = "job", .worker = worker, .contributions = &b, .n_contributions = 1, .body_bytes = 8};
}

static const float *body(float v)
{
    static float values[BIG];
    for (size_t i = 0; i < BIG; i++)
        values[i] = v;
    return values;
}

static enum intake_state intake(struct fixture *f, int p)
{
    return f->rig.peers[p].intake.state;
}

static void more_pushes_than_staging_holds_are_folded_early(void **state)
{
    struct fixture *f = *state;
    struct core_stats stats;
    for (uint64_t s = 0; s < 10; s++) {
        struct push_offer o = offer_big(s, false);
        rig_forget(&f->rig);
        rig_push(&f->rig, 0, &o, body((float)s));
        assert_code(rig_last(&f->rig), CODE_OK);
    }
    core_stats(f->rig.core, &stats);
    assert_true(stats.folds_early >= 4);
    rig_close(&f->rig, 0, "job", 0);
    struct rig_reply *r = pull_round(f, 0);
    assert_int_equal(r->contributions[W], 10);
    core_stats(f->rig.core, &stats);
    assert_int_equal(stats.staging_used, 0);
    assert_int_equal(stats.accumulators_used, 0);
}

static void a_push_waits_for_staging_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct push_offer o;
    for (int p = 0; p < 3; p++) {
        o = offer_big((uint64_t)p, false);
        rig_offer(&f->rig, p, &o);
    }
    assert_int_equal(intake(f, 1), INTAKE_GRANTED);
    assert_int_equal(intake(f, 2), INTAKE_WAITING);
    rig_body(&f->rig, 0, body(1)); /* is folded early, which makes room */
    assert_int_equal(intake(f, 2), INTAKE_GRANTED);
    rig_body(&f->rig, 2, body(1));
    rig_body(&f->rig, 1, body(1));
    rig_close(&f->rig, 0, "job", 0);
    assert_int_equal(pull_round(f, 0)->contributions[W], 3);
}

static void small_pushes_do_not_overtake_a_waiting_large_one(void **state)
{
    struct fixture *f = *state;
    struct push_offer o;
    for (int p = 0; p < 3; p++) {
        o = offer_big((uint64_t)p, false);
        rig_offer(&f->rig, p, &o);
    }
    o = offer_small(1);
    rig_offer(&f->rig, 3, &o);
    assert_int_equal(intake(f, 3), INTAKE_WAITING);
    rig_lose(&f->rig, 2);
    assert_int_equal(intake(f, 3), INTAKE_GRANTED);
}

static void a_push_without_a_body_waits_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct push_offer o;
    for (int p = 0; p < 3; p++) {
        o = offer_big((uint64_t)p, false);
        rig_offer(&f->rig, p, &o);
    }
    rig_forget(&f->rig);
    rig_push(&f->rig, 3, offer_empty(1, 0, true), NULL);
    assert_code(rig_last(&f->rig), CODE_OK);
    assert_int_equal(intake(f, 2), INTAKE_WAITING);
}

static void what_can_never_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {big_w, big_w, big_w};
    struct push_offer o = offer_big(0, false);
    o.contributions = c;
    o.n_contributions = 3;
    o.body_bytes *= 3;
    rig_offer(&f->rig, 0, &o);
    assert_code(rig_last(&f->rig), CODE_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "--staging-bytes"));
}

static void nothing_hangs_when_nothing_can_free_memory(void **state)
{
    struct fixture *f = *state;
    struct push_offer o;
    for (uint64_t s = 0; s < 2; s++) {
        o = offer_big(s, false);
        rig_push(&f->rig, 0, &o, body(1));
    }
    o = offer_big(2, false);
    rig_forget(&f->rig);
    rig_offer(&f->rig, 0, &o);
    assert_code(rig_last(&f->rig), CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(intake(f, 0), INTAKE_NONE);
    rig_close(&f->rig, 0, "job", 0); /* needs scratch only */
    assert_int_equal(pull_round(f, 0)->contributions[W], 2);
}

static void a_deleted_job_gives_its_staging_to_who_waits(void **state)
{
    struct fixture *f = *state;
    struct push_offer o;
    for (int p = 0; p < 2; p++) {
        o = offer_big((uint64_t)p, false);
        rig_offer(&f->rig, p, &o);
    }
    f->spec.name = "other";
    rig_create(&f->rig, 3, &f->spec);
    o = offer_big(0, false);
    o.job = "other";
    rig_offer(&f->rig, 3, &o);
    assert_int_equal(intake(f, 3), INTAKE_WAITING);
    rig_delete(&f->rig, 4, "job");
    assert_int_equal(intake(f, 3), INTAKE_GRANTED);
}

static int setup_grace(void **state)
{
    if (setup_small(state) != 0)
        return -1;
    struct fixture *f = *state;
    f->spec.name = "graced";
    f->spec.quorum = 1;
    f->spec.grace_ms = 100;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static void a_grace_ends_with_its_job_though_a_fold_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct push_offer o = offer_big(0, true);
    o.job = "graced";
    rig_push(&f->rig, 0, &o, body(1)); /* the quorum: the grace begins */
    f->rig.hold_folds = true;
    for (uint32_t p = 1; p <= 2; p++) { /* the second finds the staging full: an early fold */
        o = offer_big(p, false);
        o.job = "graced";
        o.worker = 1;
        rig_push(&f->rig, (int)p, &o, body(1));
    }
    assert_int_equal(intake(f, 2), INTAKE_WAITING);
    assert_false(list_empty(&f->rig.folds));
    rig_delete(&f->rig, 3, "graced");
    rig_advance(&f->rig, 100);
    rig_run_folds(&f->rig);
    assert_true(core_idle(f->rig.core));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_pushes_than_staging_holds_are_folded_early),
        TEST(a_push_waits_for_staging_and_goes_on),
        TEST(small_pushes_do_not_overtake_a_waiting_large_one),
        TEST(a_push_without_a_body_waits_for_nobody),
        TEST(what_can_never_fit_is_refused),
        TEST(a_deleted_job_gives_its_staging_to_who_waits),
        cmocka_unit_test_setup_teardown(nothing_hangs_when_nothing_can_free_memory,
                                        setup_no_accumulators, teardown),
        cmocka_unit_test_setup_teardown(a_grace_ends_with_its_job_though_a_fold_is_under_way,
                                        setup_grace, teardown),
    };
    return cmocka_run_group_tests_name("core: staging", tests, NULL, NULL);
}
