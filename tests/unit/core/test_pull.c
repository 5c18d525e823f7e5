#include "core/round.h"
#include "fixture.h"

static int setup_job(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    f->nodes[W].expected = 2;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static struct rig_reply *pull(struct fixture *f, const struct pull_offer *ask)
{
    rig_forget(&f->rig);
    rig_pull(&f->rig, 3, ask);
    return f->rig.n_replies == 0 ? NULL : rig_last(&f->rig);
}

static void a_pull_waits_for_the_close(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .wait_ms = 500};
    push_w(f, 0, 0, 1, true);
    assert_null(pull(f, &ask));
    rig_push(&f->rig, 1, offer_empty(1, 0, true), NULL);
    struct rig_reply *r = &f->rig.replies[1];
    assert_int_equal(r->request, REQUEST_PULL);
    assert_code(r, CODE_OK);
    assert_int_equal(r->state, ROUND_CLOSED);
    assert_float_equal(sum_w(r), 1, 0);
    assert_int_equal(r->n_gradients, NODES);
    assert_true(f->rig.wake_at_ms > f->rig.now_ms + 500); /* its deadline is forgotten */
}

static void a_pull_that_waits_too_long_is_told(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .wait_ms = 500};
    assert_null(pull(f, &ask));
    assert_int_equal(f->rig.wake_at_ms, 500);
    rig_advance(&f->rig, 499);
    assert_int_equal(f->rig.n_replies, 0);
    rig_advance(&f->rig, 1);
    assert_code(rig_last(&f->rig), CODE_DEADLINE_EXCEEDED);
    ask.wait_ms = 0;
    assert_code(pull(f, &ask), CODE_DEADLINE_EXCEEDED);
}

static void a_node_with_all_it_expects_can_be_pulled_in_the_open_round(void **state)
{
    struct fixture *f = *state;
    const uint64_t nodes[] = {W, FROZEN, W};
    struct pull_offer ask = {
        .job = "job", .has_round = true, .nodes = nodes, .n_nodes = 3, .wait_ms = 500};
    push_w(f, 0, 0, 1, false);
    assert_null(pull(f, &ask));
    const float body[4] = {2, 2, 2, 2};
    rig_push(&f->rig, 1, offer_w(1, 0, false), body);
    struct rig_reply *r = rig_last(&f->rig);
    assert_int_equal(r->request, REQUEST_PULL);
    assert_int_equal(r->state, ROUND_OPEN);
    assert_int_equal(r->n_gradients, 3);
    assert_int_equal(r->contributions[0], 2);
    assert_int_equal(r->contributions[1], 0);
    assert_float_equal(sum_w(r), 3, 0);
    assert_memory_equal(r->sums, r->sums + 16 + 12, 16);
    ask.n_nodes = 0;
    ask.wait_ms = 0;
    assert_code(pull(f, &ask), CODE_DEADLINE_EXCEEDED); /* "b" is not complete */
    rig_close(&f->rig, 0, "job", 0);
    assert_float_equal(sum_w(pull_round(f, 0)), 3, 0);
}

static void frozen_nodes_are_zero_at_any_time(void **state)
{
    struct fixture *f = *state;
    const uint64_t nodes[] = {FROZEN};
    struct pull_offer ask = {.job = "job", .nodes = nodes, .n_nodes = 1};
    struct rig_reply *r = pull(f, &ask);
    assert_code(r, CODE_OK);
    assert_int_equal(r->state, ROUND_OPEN);
    assert_int_equal(r->contributions[0], 0);
}

static void unknown_nodes_and_jobs(void **state)
{
    struct fixture *f = *state;
    const uint64_t nodes[] = {W, NODES};
    struct pull_offer ask = {.job = "job", .nodes = nodes, .n_nodes = 2, .wait_ms = 500};
    assert_code(pull(f, &ask), CODE_UNKNOWN_NODE);
    ask.job = "none";
    assert_code(pull(f, &ask), CODE_NOT_FOUND);
}

static void an_absent_round_is_the_newest_closed_one(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .wait_ms = 500};
    push_w(f, 0, 0, 1, false);
    rig_close(&f->rig, 0, "job", 0);
    push_w(f, 0, 0, 2, false);
    assert_int_equal(pull(f, &ask)->round, 0);
    rig_close(&f->rig, 0, "job", 1);
    assert_int_equal(pull(f, &ask)->round, 1);
}

static void a_sum_out_of_range_is_refused_and_the_others_can_be_had(void **state)
{
    struct fixture *f = *state;
    static const uint64_t two[] = {2};
    struct contribution c = {B, DTYPE_I32, two, 1};
    struct push_offer o = {
        .job = "job", .contributions = &c, .n_contributions = 1, .body_bytes = 8};
    const int32_t body[2] = {INT32_MAX, 1};
    push_w(f, 0, 9, 1, false);
    for (o.sequence = 0; o.sequence < 2; o.sequence++)
        rig_push(&f->rig, 0, &o, body);
    rig_close(&f->rig, 0, "job", 0);
    struct rig_reply *r = pull_round(f, 0);
    assert_code(r, CODE_OUT_OF_RANGE);
    assert_non_null(strstr(r->error.message, "node 1"));
    const uint64_t nodes[] = {W};
    struct pull_offer ask = {.job = "job", .nodes = nodes, .n_nodes = 1};
    r = pull(f, &ask);
    assert_code(r, CODE_OK);
    assert_float_equal(sum_w(r), 1, 0);
}

static void a_lost_connection_takes_its_pulls_along(void **state)
{
    struct fixture *f = *state;
    struct core_stats stats;
    struct pull_offer ask = {.job = "job", .wait_ms = 500};
    for (int i = 0; i < 3; i++)
        assert_null(pull(f, &ask));
    f->rig.now_ms += 500; /* they would expire in the same step */
    rig_lose(&f->rig, 3);
    assert_int_equal(f->rig.n_replies, 0);
    core_stats(f->rig.core, &stats);
    assert_int_equal(stats.pulls_waiting, 0);
}

static void a_connection_may_not_pile_up_pulls(void **state)
{
    struct fixture *f = *state;
    struct pull_offer ask = {.job = "job", .wait_ms = 500};
    for (int i = 0; i < LIMIT_WAITING_PULLS; i++)
        assert_null(pull(f, &ask));
    assert_code(pull(f, &ask), CODE_RESOURCE_EXHAUSTED);
    rig_lose(&f->rig, 3);
    assert_null(pull(f, &ask));
}

static void waiting_pulls_list_a_bounded_number_of_nodes(void **state)
{
    struct fixture *f = *state;
    static uint64_t nodes[LIMIT_WAITING_PULL_IDS / 2 + 1];
    struct pull_offer ask = {
        .job = "job", .nodes = nodes, .wait_ms = 500, .n_nodes = LIMIT_WAITING_PULL_IDS / 2};
    assert_null(pull(f, &ask));
    assert_null(pull(f, &ask));
    ask.n_nodes = 1;
    assert_code(pull(f, &ask), CODE_RESOURCE_EXHAUSTED);
    ask.n_nodes = 0; /* all: no list */
    assert_null(pull(f, &ask));
    rig_advance(&f->rig, 500); /* they are answered, and the next may wait */
    ask.n_nodes = LIMIT_WAITING_PULL_IDS / 2 + 1;
    assert_null(pull(f, &ask));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_job, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pull_waits_for_the_close),
        TEST(a_pull_that_waits_too_long_is_told),
        TEST(a_node_with_all_it_expects_can_be_pulled_in_the_open_round),
        TEST(frozen_nodes_are_zero_at_any_time),
        TEST(unknown_nodes_and_jobs),
        TEST(an_absent_round_is_the_newest_closed_one),
        TEST(a_sum_out_of_range_is_refused_and_the_others_can_be_had),
        TEST(a_lost_connection_takes_its_pulls_along),
        TEST(a_connection_may_not_pile_up_pulls),
        TEST(waiting_pulls_list_a_bounded_number_of_nodes),
    };
    return cmocka_run_group_tests_name("core: pull", tests, NULL, NULL);
}
