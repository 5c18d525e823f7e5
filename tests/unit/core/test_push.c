#include <math.h>

#include "fixture.h"

static const uint64_t four[] = {4};
static const uint64_t three[] = {3};
static const uint64_t two[] = {2};

static int setup_job(void **state)
{
    if (setup(state) != 0)
        return -1;
    struct fixture *f = *state;
    rig_create(&f->rig, 0, &f->spec);
    return 0;
}

static struct rig_reply *push(struct fixture *f, const struct push_offer *offer, const void *body)
{
    rig_forget(&f->rig);
    rig_push(&f->rig, 0, offer, body);
    return rig_last(&f->rig);
}

/* Breaks rule after rule, from the last to be checked to the first: each hides those behind it. */
static void rules_are_checked_in_the_order_of_the_wire(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {{W, DTYPE_F32, four, 1}, {B, DTYPE_I32, two, 1}};
    struct push_offer o = {
        .job = "job", .contributions = c, .n_contributions = 2, .body_bytes = 25};
    assert_code(push(f, &o, NULL), CODE_MALFORMED);
    c[1].dtype = DTYPE_F32;
    assert_code(push(f, &o, NULL), CODE_DTYPE_MISMATCH);
    c[1].shape = three;
    assert_code(push(f, &o, NULL), CODE_SHAPE_MISMATCH);
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "[3]"));
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "[2]"));
    c[0].node = NODES;
    assert_code(push(f, &o, NULL), CODE_UNKNOWN_NODE);
    push_final(f, 0);
    assert_code(push(f, &o, NULL), CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "final"));
    o.has_round = true;
    o.round = 1;
    assert_code(push(f, &o, NULL), CODE_FUTURE_ROUND);
    o.sequence = UINT64_MAX; /* the key of the final push */
    o.round = 0;
    assert_code(push(f, &o, NULL), CODE_CONFLICT);
    o.worker = 2;
    assert_code(push(f, &o, NULL), CODE_INVALID_ARGUMENT);
    o.job = "none";
    assert_code(push(f, &o, NULL), CODE_NOT_FOUND);
}

static void frozen_nodes_are_ignored_and_counted_even_with_a_wrong_shape(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {{FROZEN, DTYPE_F64, two, 1}, {W, DTYPE_F32, four, 1}};
    struct push_offer o = {
        .job = "job", .contributions = c, .n_contributions = 2, .body_bytes = 32};
    unsigned char body[32];
    const float ones[4] = {1, 1, 1, 1};
    memset(body, 0xff, 16); /* NaN, not looked at */
    memcpy(body + 16, ones, sizeof ones);
    struct rig_reply *r = push(f, &o, body);
    assert_code(r, CODE_OK);
    assert_int_equal(r->ignored, 1);
    rig_close(&f->rig, 0, "job", 0);
    r = pull_round(f, 0);
    assert_float_equal(sum_w(r), 1, 0);
    assert_int_equal(r->contributions[W], 1);
    assert_int_equal(r->contributions[FROZEN], 0);
}

static void one_bad_value_discards_the_whole_push(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {{W, DTYPE_F32, four, 1}, {W, DTYPE_F32, four, 1}};
    struct push_offer o = {
        .job = "job", .contributions = c, .n_contributions = 2, .body_bytes = 32};
    for (int bad = 0; bad < 8; bad++) {
        float body[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        body[bad] = bad % 2 == 0 ? NAN : -INFINITY;
        assert_code(push(f, &o, body), CODE_NON_FINITE);
    }
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "node 0: element 3"));
    rig_close(&f->rig, 0, "job", 0);
    assert_int_equal(pull_round(f, 0)->contributions[W], 0);
}

static void integers_are_never_non_finite(void **state)
{
    struct fixture *f = *state;
    struct contribution c = {B, DTYPE_I32, two, 1};
    struct push_offer o = {
        .job = "job", .contributions = &c, .n_contributions = 1, .body_bytes = 8};
    const int32_t body[2] = {-1, 0x7f800000};
    assert_code(push(f, &o, body), CODE_OK);
}

static void a_wrong_checksum_discards_the_push(void **state)
{
    struct fixture *f = *state;
    struct push_offer o = *offer_w(0, 0, false);
    const float zeros[4] = {0};
    o.has_checksum = true;
    o.checksum = 1;
    assert_code(push(f, &o, zeros), CODE_CHECKSUM_MISMATCH);
    o.checksum = UINT64_C(0xd0a66a65c7528968); /* XXH3-64 of 16 zero bytes */
    assert_code(push(f, &o, zeros), CODE_OK);
}

static void a_round_that_closes_under_a_body_makes_the_push_stale(void **state)
{
    struct fixture *f = *state;
    const float body[4] = {1, 1, 1, 1};
    rig_offer(&f->rig, 0, offer_w(0, 0, false));
    rig_close(&f->rig, 1, "job", 0);
    assert_int_equal(f->rig.rounds_closed, 1); /* closing never waits for bodies */
    rig_body(&f->rig, 0, body);
    assert_code(rig_last(&f->rig), CODE_STALE_ROUND);
}

static void a_connection_lost_in_mid_body_applies_nothing(void **state)
{
    struct fixture *f = *state;
    struct core_stats stats;
    rig_offer(&f->rig, 0, offer_w(0, 0, false));
    core_stats(f->rig.core, &stats);
    assert_int_not_equal(stats.staging_used, 0);
    rig_lose(&f->rig, 0);
    core_stats(f->rig.core, &stats);
    assert_int_equal(stats.staging_used, 0);
    rig_close(&f->rig, 0, "job", 0);
    assert_int_equal(pull_round(f, 0)->contributions[W], 0);
}

static void a_node_may_occur_more_than_once_in_a_push(void **state)
{
    struct fixture *f = *state;
    struct contribution c[] = {
        {W, DTYPE_F32, four, 1}, {B, DTYPE_I32, two, 1}, {W, DTYPE_F16, four, 1}};
    struct push_offer o = {
        .job = "job", .contributions = c, .n_contributions = 3, .body_bytes = 32};
    const float w[4] = {1, 1, 1, 1};
    const int32_t b[2] = {7, -7};
    const uint16_t half[4] = {0x3800, 0x3800, 0x3800, 0x3800}; /* 0.5 */
    unsigned char body[32];
    memcpy(body, w, 16);
    memcpy(body + 16, b, 8);
    memcpy(body + 24, half, 8);
    assert_code(push(f, &o, body), CODE_OK);
    rig_close(&f->rig, 0, "job", 0);
    struct rig_reply *r = pull_round(f, 0);
    assert_int_equal(r->contributions[W], 2);
    assert_float_equal(sum_w(r), 1.5F, 0);
    assert_memory_equal(r->sums + 16, b, 8);
}

static void no_more_contributions_than_a_node_expects(void **state)
{
    struct fixture *f = *state;
    const float body[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    f->spec.name = "expecting";
    f->nodes[W].expected = 1;
    rig_create(&f->rig, 0, &f->spec);
    struct contribution c[] = {{W, DTYPE_F32, four, 1}, {W, DTYPE_F32, four, 1}};
    struct push_offer o = {
        .job = "expecting", .contributions = c, .n_contributions = 2, .body_bytes = 32};
    assert_code(push(f, &o, body), CODE_INVALID_ARGUMENT);
    o.n_contributions = 1;
    o.body_bytes = 16;
    rig_offer(&f->rig, 1, &o); /* both are admitted, one is in time */
    o.sequence = 1;
    assert_code(push(f, &o, body), CODE_OK);
    rig_body(&f->rig, 1, body);
    assert_code(rig_last(&f->rig), CODE_INVALID_ARGUMENT);
}

/* What a contribution is by itself and whether its node has room are looked at together. */
static void the_first_bad_contribution_decides_whatever_is_wrong_with_it(void **state)
{
    struct fixture *f = *state;
    f->spec.name = "expecting";
    f->nodes[W].expected = 1;
    rig_create(&f->rig, 0, &f->spec);
    struct contribution one_too_many[] = {
        {W, DTYPE_F32, four, 1}, {W, DTYPE_F32, four, 1}, {W, DTYPE_F32, three, 1}};
    struct push_offer o = {.job = "expecting", .contributions = one_too_many, .n_contributions = 3};
    assert_code(push(f, &o, NULL), CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(rig_last(&f->rig)->error.message, "expected contributions"));
    o.contributions = one_too_many + 1;
    o.n_contributions = 2;
    assert_code(push(f, &o, NULL), CODE_SHAPE_MISMATCH);
    struct contribution wrong_shape_first[] = {
        {W, DTYPE_F32, three, 1}, {W, DTYPE_F32, four, 1}, {W, DTYPE_F32, four, 1}};
    o.contributions = wrong_shape_first;
    o.n_contributions = 3;
    assert_code(push(f, &o, NULL), CODE_SHAPE_MISMATCH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_job, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_are_checked_in_the_order_of_the_wire),
        TEST(frozen_nodes_are_ignored_and_counted_even_with_a_wrong_shape),
        TEST(one_bad_value_discards_the_whole_push),
        TEST(integers_are_never_non_finite),
        TEST(a_wrong_checksum_discards_the_push),
        TEST(a_round_that_closes_under_a_body_makes_the_push_stale),
        TEST(a_connection_lost_in_mid_body_applies_nothing),
        TEST(a_node_may_occur_more_than_once_in_a_push),
        TEST(no_more_contributions_than_a_node_expects),
        TEST(the_first_bad_contribution_decides_whatever_is_wrong_with_it),
    };
    return cmocka_run_group_tests_name("core: push", tests, NULL, NULL);
}
