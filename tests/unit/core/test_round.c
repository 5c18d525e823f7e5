#include "core/round.h"
#include "fixture.h"

static int setup_job(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static void a_round_closes_when_all_workers_are_final(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 1, true);
    assert_int_equal(f->rig.rounds_closed, 0);
    push_w(f, 1, 0, 2, false);
    assert_int_equal(f->rig.rounds_closed, 0);
    push_final(f, 1);
    assert_int_equal(f->rig.rounds_closed, 1);
    struct rig_reply *r = pull_round(f, 0);
    assert_float_equal(sum_w(r), 3, 0);
    assert_int_equal(r->contributions[W], 2);
    assert_int_equal(r->contributions[B], 0);
    assert_int_equal(r->state, ROUND_CLOSED);
}

static void the_next_round_opens_when_one_starts_to_close(void **state)
{
    struct fixture *f = *state;
    f->rig.hold_folds = true;
    push_w(f, 0, 0, 1, true);
    push_w(f, 1, 0, 2, true);
    struct rig_reply *r = push_w(f, 0, 0, 5, true);
    assert_code(r, CODE_OK);
    assert_int_equal(r->round, 1);
    push_w(f, 1, 0, 6, true);
    assert_int_equal(f->rig.rounds_closed, 0);
    rig_run_folds(&f->rig);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(f->rig.rounds_closed, 2);
    assert_float_equal(sum_w(pull_round(f, 0)), 3, 0);
    assert_float_equal(sum_w(pull_round(f, 1)), 11, 0);
}

static void a_worker_is_final_once(void **state)
{
    struct fixture *f = *state;
    push_final(f, 0);
    assert_code(push_w(f, 0, 1, 1, false), CODE_INVALID_ARGUMENT);
    assert_int_equal(push_final(f, 0)->verdict, VERDICT_DUPLICATE);
}

static enum code close_round(struct fixture *f, uint64_t round)
{
    rig_forget(&f->rig);
    rig_close(&f->rig, 0, "job", round);
    return rig_last(&f->rig)->error.code;
}

static void closing_on_request(void **state)
{
    struct fixture *f = *state;
    push_w(f, 0, 0, 4, false);
    assert_int_equal(close_round(f, 1), CODE_FUTURE_ROUND);
    assert_int_equal(close_round(f, 0), CODE_OK);
    assert_int_equal(close_round(f, 0), CODE_OK);
    assert_float_equal(sum_w(pull_round(f, 0)), 4, 0);
    assert_int_equal(close_round(f, 1), CODE_OK);
    assert_int_equal(close_round(f, 2), CODE_OK);
    assert_int_equal(close_round(f, 0), CODE_NOT_FOUND);
    struct close_offer unnamed = {.job = "job"};
    rig_step(&f->rig, (struct event){.kind = EVENT_CLOSE_ROUND,
                                     .peer = &f->rig.peers[0],
                                     .request_id = 9,
                                     .close = &unnamed});
    assert_code(rig_last(&f->rig), CODE_INVALID_ARGUMENT);
}

static void rounds_are_retained_until_enough_newer_ones_closed(void **state)
{
    struct fixture *f = *state;
    for (uint64_t round = 0; round < 5; round++) {
        push_w(f, 0, 0, (float)round, true);
        push_w(f, 1, 0, 0, true);
        assert_float_equal(sum_w(pull_round(f, round)), (float)round, 0);
        if (round >= 1)
            assert_code(pull_round(f, round - 1), CODE_OK);
        if (round >= 2)
            assert_code(pull_round(f, round - 2), CODE_NOT_FOUND);
    }
    assert_code(push_w(f, 0, 0, 1, false), CODE_OK);
    assert_code(pull_round(f, 6), CODE_FUTURE_ROUND);
}

static void empty_rounds_close_behind_a_slow_one_and_retire_it(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "short";
    f->spec.retain_rounds = 1;
    rig_create(&f->rig, 0, &f->spec);
    f->rig.hold_folds = true;
    struct push_offer o = *offer_w(0, 0, false);
    o.job = "short";
    const float body[4] = {1, 1, 1, 1};
    rig_push(&f->rig, 0, &o, body);
    for (uint64_t round = 0; round < 3; round++)
        rig_close(&f->rig, 0, "short", round);
    assert_int_equal(f->rig.rounds_closed, 0);
    f->rig.hold_folds = false;
    rig_run_folds(&f->rig);
    assert_int_equal(f->rig.rounds_closed, 3);
}

static void a_mean_divides_by_what_came(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "mean";
    f->spec.reduction = REDUCTION_MEAN;
    rig_create(&f->rig, 0, &f->spec);
    struct push_offer o = *offer_w(0, 0, false);
    o.job = "mean";
    for (o.sequence = 0; o.sequence < 3; o.sequence++) {
        float v = (float)o.sequence;
        float body[4] = {v, v, v, v + 1};
        rig_push(&f->rig, 0, &o, body);
    }
    rig_close(&f->rig, 0, "mean", 0);
    struct pull_offer ask = {.job = "mean"};
    rig_pull(&f->rig, 0, &ask);
    assert_float_equal(sum_w(rig_last(&f->rig)), 1, 0);
    assert_int_equal(rig_last(&f->rig)->contributions[W], 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_job, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_round_closes_when_all_workers_are_final),
        TEST(the_next_round_opens_when_one_starts_to_close),
        TEST(a_worker_is_final_once),
        TEST(closing_on_request),
        TEST(rounds_are_retained_until_enough_newer_ones_closed),
        TEST(empty_rounds_close_behind_a_slow_one_and_retire_it),
        TEST(a_mean_divides_by_what_came),
    };
    return cmocka_run_group_tests_name("core: round", tests, NULL, NULL);
}
