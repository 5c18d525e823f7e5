/* Pushes of every kind. */
#include <math.h>

#include "scenario.h"

static const struct model small = {.name = "job", .n_nodes = 3, .elements = 16, .world = 2};
static const struct model large = {.name = "job", .n_nodes = 1, .elements = 1 << 18, .world = 2};
static const struct model many = {.name = "job", .n_nodes = 600, .elements = 16, .world = 2};
static const struct model frozen = {
    .name = "job", .n_nodes = 3, .elements = 16, .world = 2, .first_frozen = true};
static const struct model doubles = {
    .name = "job", .n_nodes = 2, .elements = 16, .dtype = GF_F64, .world = 3};
static const struct model integers = {
    .name = "job", .n_nodes = 2, .elements = 16, .dtype = GF_I64, .world = 2};

static void with(struct rig *rig, const struct model *model)
{
    rig_connect(rig, 0, NULL);
    rig_create(rig, 0, model);
}

static void small_created(struct rig *rig)
{
    with(rig, &small);
}

static void large_created(struct rig *rig)
{
    with(rig, &large);
}

static void many_created(struct rig *rig)
{
    with(rig, &many);
}

static void frozen_created(struct rig *rig)
{
    with(rig, &frozen);
}

static void doubles_created(struct rig *rig)
{
    with(rig, &doubles);
}

static void integers_created(struct rig *rig)
{
    with(rig, &integers);
}

static void push_and_pull(struct rig *rig)
{
    rig_push(rig, 0, 0, 0, 1, true);
    rig_push(rig, 0, 0, 1, 1, true);
    rig_pull(rig, 0, 0, 0, rig->model.n_nodes);
}

static void push_checked(struct rig *rig)
{
    struct entry *entry = rig_entry(rig, 0, 0, 1, true, 0, 3);
    gf_push_args args = rig_push_args(rig, entry);
    args.checksum = true;
    gf_code code = gf_push(rig->client[0], &args, NULL, &rig->error);
    rig_check(rig, "push", code, GF_OK);
    rig_settle(rig, entry, code);
}

static void push_widening(struct rig *rig)
{
    static const gf_dtype dtypes[] = {GF_F16, GF_F32, GF_F64};
    for (uint32_t i = 0; i < 3; i++) {
        struct entry *entry = rig_entry(rig, 0, i, 1, true, 0, 2);
        entry->dtype = dtypes[i];
        gf_push_args args = rig_push_args(rig, entry);
        gf_code code = gf_push(rig->client[0], &args, NULL, &rig->error);
        rig_check(rig, "push", code, GF_OK);
        rig_settle(rig, entry, code);
    }
    rig_pull(rig, 0, 0, 0, 2);
}

static void push_empty(struct rig *rig)
{
    for (uint32_t worker = 0; worker < 2; worker++) {
        struct entry *entry = rig_entry(rig, 0, worker, 1, true, 0, 0);
        gf_push_args args = rig_push_args(rig, entry);
        gf_code code = gf_push(rig->client[0], &args, NULL, &rig->error);
        rig_check(rig, "push", code, GF_OK);
        rig_settle(rig, entry, code);
    }
    rig_pull(rig, 0, 0, 0, 3);
}

/* The same push three times: it counts once. What became of the first is what is true. */
static void push_again(struct rig *rig)
{
    struct entry *entry = rig_entry(rig, 0, 0, 1, false, 0, 3);
    gf_push_args args = rig_push_args(rig, entry);
    for (int i = 0; i < 3; i++) {
        gf_push_result result = {0};
        gf_code code = gf_push(rig->client[0], &args, &result, &rig->error);
        rig_check(rig, "push", code, GF_OK);
        if (entry->fate != FATE_ACCEPTED)
            rig_settle(rig, entry, code);
        if (rig->strict && (result.verdict == GF_DUPLICATE) != (i > 0))
            rig_fail(rig, "push %d has verdict %d", i, (int)result.verdict);
    }
}

static void push_conflict(struct rig *rig)
{
    gf_code first = rig_push(rig, 0, 0, 0, 1, false);
    struct entry *entry = rig_entry(rig, 0, 0, 1, false, 1, 2);
    gf_push_args args = rig_push_args(rig, entry);
    gf_code code = gf_push(rig->client[0], &args, NULL, &rig->error);
    if (first == GF_OK || code != GF_OK)
        rig_check(rig, "push", code, GF_CONFLICT);
    if (first == GF_OK && code == GF_OK)
        rig_fail(rig, "one key for two pushes");
    rig_settle(rig, entry, code);
}

static void push_refused(struct rig *rig)
{
    static const float bad[16] = {[5] = NAN};
    uint64_t shape[] = {4, 4};
    struct entry *entry = rig_entry(rig, 0, 0, 1, false, 0, 3);
    gf_push_args args = rig_push_args(rig, entry);
    const gf_tensor good = entry->tensors[2];
    entry->tensors[2].shape = shape;
    entry->tensors[2].ndim = 2;
    rig_check(rig, "push", gf_push(rig->client[0], &args, NULL, &rig->error), GF_SHAPE_MISMATCH);
    entry->tensors[2] = good;
    entry->tensors[2].node = 77;
    rig_check(rig, "push", gf_push(rig->client[0], &args, NULL, &rig->error), GF_UNKNOWN_NODE);
    entry->tensors[2] = good;
    entry->tensors[2].data = bad;
    rig_check(rig, "push", gf_push(rig->client[0], &args, NULL, &rig->error), GF_NON_FINITE);
    entry->fate = FATE_REFUSED;
}

static void push_pull(struct rig *rig)
{
    rig_push(rig, 0, 0, 1, 1, true);
    struct entry *entry = rig_entry(rig, 0, 0, 1, true, 0, rig->model.n_nodes);
    gf_push_args push = rig_push_args(rig, entry);
    gf_pull_args pull = rig_pull_args(rig, 0, 0, 0, rig->model.n_nodes);
    pull.timeout_ms = rig->strict ? RIG_PATIENCE_MS : rig->forever ? 20 : 400;
    gf_push_result pushed = {0};
    gf_code code = gf_push_pull(rig->client[0], &push, &pull, &pushed, NULL, &rig->error);
    if (code != GF_DEADLINE_EXCEEDED)
        rig_check(rig, "push_pull", code, GF_OK);
    /* A failed pull says nothing about the push. */
    rig_settle(rig, entry, code == GF_OK ? GF_OK : GF_CLIENT_CANCELLED);
}

/* Several on their way at once, waited for in the order in which they end. */
static void asynchronous(struct rig *rig)
{
    gf_op *ops[5] = {NULL};
    struct entry *entries[4];
    for (uint32_t i = 0; i < 4; i++) {
        entries[i] = rig_entry(rig, 0, i % 2, 1 + i / 2, i >= 2, 0, rig->model.n_nodes);
        gf_push_args args = rig_push_args(rig, entries[i]);
        gf_code code = gf_push_submit(rig->client[0], &args, &ops[i], &rig->error);
        rig_check(rig, "submit", code, GF_OK);
    }
    gf_pull_args pull = rig_pull_args(rig, 0, 0, 0, rig->model.n_nodes);
    pull.timeout_ms = rig->strict ? RIG_PATIENCE_MS : rig->forever ? 20 : 400;
    rig_check(rig, "submit", gf_pull_submit(rig->client[0], &pull, &ops[4], &rig->error), GF_OK);
    size_t i;
    while (gf_op_wait_any(ops, 5, &i, NULL) == GF_OK) {
        gf_code code = gf_op_wait(ops[i], &rig->error);
        if (i < 4)
            rig_settle(rig, entries[i], code);
        if (i < 4 || code != GF_DEADLINE_EXCEEDED)
            rig_check(rig, "operation", code, GF_OK);
        gf_op_free(ops[i]);
        ops[i] = NULL;
    }
}

/* Given up half-way, and the handle closed with the rest in flight. */
static void cancelled(struct rig *rig)
{
    gf_op *ops[3] = {NULL};
    gf_push_args push = rig_push_args(rig, rig_entry(rig, 0, 0, 1, false, 0, 1));
    gf_push_args other = rig_push_args(rig, rig_entry(rig, 0, 1, 1, false, 0, 1));
    gf_pull_args pull = rig_pull_args(rig, 0, 0, 0, 1);
    rig_check(rig, "submit", gf_push_submit(rig->client[0], &push, &ops[0], &rig->error), GF_OK);
    rig_check(rig, "submit", gf_pull_submit(rig->client[0], &pull, &ops[1], &rig->error), GF_OK);
    gf_op_free(ops[0]);
    rig_check(rig, "submit", gf_push_submit(rig->client[0], &other, &ops[2], &rig->error), GF_OK);
    gf_close(rig->client[0]);
    rig->client[0] = NULL;
    gf_op_free(ops[1]);
    gf_op_free(ops[2]);
}

const struct scenario push_scenarios[] = {
    {"push-small", NULL, small_created, push_and_pull, false},
    {"push-large", NULL, large_created, push_and_pull, false},
    {"push-many-tensors", NULL, many_created, push_and_pull, false},
    {"push-checksum", NULL, small_created, push_checked, false},
    {"push-frozen", NULL, frozen_created, push_and_pull, false},
    {"push-widening", NULL, doubles_created, push_widening, false},
    {"push-integers", NULL, integers_created, push_and_pull, false},
    {"push-empty", NULL, small_created, push_empty, false},
    {"push-duplicate", NULL, small_created, push_again, false},
    {"push-conflict", NULL, small_created, push_conflict, false},
    {"push-refused", NULL, small_created, push_refused, false},
    {"push-pull", NULL, small_created, push_pull, false},
    {"push-pull-large", NULL, large_created, push_pull, false},
    {"asynchronous", NULL, small_created, asynchronous, false},
    {"asynchronous-large", NULL, large_created, asynchronous, false},
    {"cancelled", NULL, large_created, cancelled, false},
};
const size_t n_push_scenarios = sizeof push_scenarios / sizeof *push_scenarios;
