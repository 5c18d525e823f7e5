/* Rounds: how they close, and what is pulled of them. */
#include "scenario.h"

static const struct model small = {.name = "job", .n_nodes = 3, .elements = 16, .world = 2};
static const struct model expecting = {
    .name = "job", .n_nodes = 3, .elements = 16, .world = 2, .expected = 1};
static const struct model quorate = {
    .name = "job", .n_nodes = 3, .elements = 16, .world = 3, .quorum = 2, .grace_ms = 5};
static const struct model tight = {.name = "job", .n_nodes = 2, .elements = 4096, .world = 4};
static const struct model in_order = {
    .name = "job", .n_nodes = 2, .elements = 4096, .world = 4, .in_order = true};
static const struct model mean = {
    .name = "job", .n_nodes = 2, .elements = 16, .world = 4, .mean = true};
static const struct model forgetful = {
    .name = "job", .n_nodes = 2, .elements = 16, .world = 1, .retain = 1};
static const struct model many = {.name = "job", .n_nodes = 600, .elements = 16, .world = 1};

static void with(struct rig *rig, const struct model *model)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, model);
}

static void pushed(struct rig *rig)
{
    with(rig, &small);
    rig_push(rig, 0, 0, 0, 1, true);
    rig_push(rig, 0, 0, 1, 1, true);
}

static void two_clients(struct rig *rig)
{
    with(rig, &small);
    rig_connect(rig, 1, NULL);
}

static void expecting_created(struct rig *rig)
{
    with(rig, &expecting);
}

static void quorate_created(struct rig *rig)
{
    rig->may_discard = true;
    with(rig, &quorate);
}

static void tight_created(struct rig *rig)
{
    with(rig, &tight);
}

static void in_order_created(struct rig *rig)
{
    with(rig, &in_order);
}

static void mean_created(struct rig *rig)
{
    with(rig, &mean);
}

static void forgetful_created(struct rig *rig)
{
    with(rig, &forgetful);
}

static void many_created(struct rig *rig)
{
    with(rig, &many);
}

static void small_created(struct rig *rig)
{
    with(rig, &small);
}

static void little_staging(struct rig *rig)
{
    rig->options.staging_bytes = 160 << 10;
}

/* -- Pulls -- */

static void pull_all(struct rig *rig)
{
    rig_pull(rig, 0, 0, 0, 3);
    rig_pull(rig, 0, 0, 0, 3);
}

static void pull_selection(struct rig *rig)
{
    gf_pull_args args = rig_pull_args(rig, 0, 0, 0, 3);
    args.gradients[0].node = args.gradients[2].node = 1;
    args.gradients[1].node = 2;
    rig_check(rig, "pull", gf_pull(rig->client[0], &args, NULL, &rig->error), GF_OK);
    args.gradients[1].node = 9;
    rig_check(rig, "pull", gf_pull(rig->client[0], &args, NULL, &rig->error), GF_UNKNOWN_NODE);
}

static void pull_many(struct rig *rig)
{
    rig_push(rig, 0, 0, 0, 1, true);
    rig_pull(rig, 0, 0, 0, rig->model.n_nodes);
}

static gf_op *submit_pull(struct rig *rig, int i, int which, uint64_t round, size_t n)
{
    gf_op *op = NULL;
    gf_pull_args args = rig_pull_args(rig, which, round, 0, n);
    if (!rig->strict)
        args.timeout_ms = rig->forever ? 30 : 400;
    rig_check(rig, "submit", gf_pull_submit(rig->client[i], &args, &op, &rig->error), GF_OK);
    return op;
}

static void finish_pull(struct rig *rig, gf_op *op)
{
    if (op == NULL)
        return;
    gf_code code = gf_op_wait(op, &rig->error);
    if (code != GF_DEADLINE_EXCEEDED || rig->strict)
        rig_check(rig, "waiting pull", code, GF_OK);
    gf_op_free(op);
}

/* Two connections wait for what a third party pushes. */
static void pull_waiting(struct rig *rig)
{
    gf_op *first = submit_pull(rig, 0, 0, 0, 3);
    gf_op *second = submit_pull(rig, 1, 1, 0, 2);
    rig_wait(rig, 2, 0);
    rig_push(rig, 0, 0, 0, 1, true);
    rig_push(rig, 1, 0, 1, 1, true);
    finish_pull(rig, first);
    finish_pull(rig, second);
}

/* Both finals have come and every wait of the pull was in vain: the loser is a lost wake-up. */
static void pull_must_come(struct rig *rig)
{
    gf_code one = rig_push(rig, 0, 0, 0, 1, true);
    gf_code other = rig_push(rig, 1, 0, 1, 1, true);
    gf_pull_args args = rig_pull_args(rig, 0, 0, 0, 3);
    if (one == GF_OK && other == GF_OK)
        rig_check(rig, "pull", gf_pull(rig->client[0], &args, NULL, &rig->error), GF_OK);
}

static void pull_expected(struct rig *rig)
{
    gf_op *op = submit_pull(rig, 0, 0, 0, 3);
    rig_push(rig, 0, 0, 0, 1, false);
    finish_pull(rig, op);
}

/* -- Closing -- */

static void quorum(struct rig *rig)
{
    rig_push(rig, 0, 0, 2, 1, false); /* never final: discarded */
    gf_op *op = submit_pull(rig, 0, 0, 0, 3);
    rig_push(rig, 0, 0, 0, 1, true);
    rig_push(rig, 0, 0, 1, 1, true);
    finish_pull(rig, op);
}

static void close_round(struct rig *rig)
{
    gf_round_state state;
    rig_push(rig, 0, 0, 0, 1, false);
    rig_check(rig, "close",
              gf_round_close(rig->client[0], "job", 0, rig->timeout_ms, &state, &rig->error),
              GF_OK);
    rig_pull(rig, 0, 0, 0, 3);
}

/* Three times as much as fits into the staging at once. */
static void push_much(struct rig *rig)
{
    for (uint32_t i = 0; i < 12; i++)
        rig_push(rig, 0, 0, i % 4, 1 + i / 4, i >= 8);
    rig_pull(rig, 0, 0, 0, 2);
}

static void push_four(struct rig *rig)
{
    for (uint32_t i = 0; i < 4; i++)
        rig_push(rig, 0, 0, i, 1, true);
    rig_pull(rig, 0, 0, 0, 2);
}

static void many_rounds(struct rig *rig)
{
    for (uint64_t round = 0; round < 5; round++) {
        gf_code code = rig_push(rig, 0, round, 0, 1, true);
        if (code == GF_OK)
            rig_pull(rig, 0, round, 0, 2);
    }
}

const struct scenario round_scenarios[] = {
    {"pull-all", NULL, pushed, pull_all, false},
    {"pull-selection", NULL, pushed, pull_selection, false},
    {"pull-many", NULL, many_created, pull_many, false},
    {"pull-waiting", NULL, two_clients, pull_waiting, false},
    {"pull-must-come", NULL, two_clients, pull_must_come, false},
    {"pull-expected", NULL, expecting_created, pull_expected, false},
    {"quorum-grace", NULL, quorate_created, quorum, false},
    {"close-round", NULL, small_created, close_round, false},
    {"early-fold", little_staging, tight_created, push_much, false},
    {"early-fold-in-order", little_staging, in_order_created, push_much, false},
    {"in-order", NULL, in_order_created, push_four, false},
    {"mean", NULL, mean_created, push_four, false},
    {"many-rounds", NULL, forgetful_created, many_rounds, false},
};
const size_t n_round_scenarios = sizeof round_scenarios / sizeof *round_scenarios;
