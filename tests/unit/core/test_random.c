/* Random workers against the core, from a seed that is printed: pushes of random nodes, retries,
 * lost connections, closes, slow folds and slow persistence, too little memory. Integer sums, so
 * that every round has one right answer, kept here in the plainest way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/round.h"
#include "fixture.h"

enum {
    ELEMENTS = 40,
    STEPS = 400,
    WORLD = 4,
    MODEL_ROUNDS = STEPS
};

static const uint64_t shape[] = {ELEMENTS};

/* What must come out: for each round, the sum of the values of accepted pushes. */
struct model {
    int64_t sum[MODEL_ROUNDS];
    uint32_t contributions[MODEL_ROUNDS];
    uint64_t sequence;
};

static uint64_t rng;
static uint64_t printing; /* the seed at hand, told when a check fails */

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(void)
{
    uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
    return next_random() % n;
}

/* The verdict of the push with that request id, if it came. */
static struct rig_reply *reply_of(struct rig *rig, uint64_t id)
{
    for (size_t i = 0; i < rig->n_replies; i++)
        if (rig->replies[i].request_id == id && rig->replies[i].request == REQUEST_PUSH)
            return &rig->replies[i];
    return NULL;
}

static void expect(struct model *model, const struct rig_reply *r, int32_t value)
{
    if (r == NULL || r->error.code != CODE_OK || r->verdict != VERDICT_ACCEPTED)
        return;
    model->sum[r->round] += value;
    model->contributions[r->round]++;
}

static void random_push(struct fixture *f, struct model *model)
{
    static const struct contribution c = {.node = 0, .dtype = DTYPE_I32, .shape = shape, .ndim = 1};
    int p = (int)below(WORLD);
    int32_t value = (int32_t)below(1000) - 500;
    int32_t bytes[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        bytes[i] = value;
    struct push_offer o = {.job = "job",
                           .worker = (uint32_t)p,
                           .sequence = ++model->sequence,
                           .final = below(8) == 0,
                           .contributions = &c,
                           .n_contributions = 1,
                           .body_bytes = sizeof bytes};
    if (f->rig.peers[p].intake.state != INTAKE_NONE) {
        rig_lose(&f->rig, p);
        return;
    }
    rig_offer(&f->rig, p, &o);
    uint64_t id = f->rig.next_id;
    if (f->rig.peers[p].intake.state != INTAKE_GRANTED)
        return; /* refused, or waiting; then a later push loses the connection */
    if (below(10) == 0)
        return; /* half-sent */
    rig_body(&f->rig, p, bytes);
    if (f->rig.hold_persist)
        rig_run_persists(&f->rig);
    struct rig_reply *r = reply_of(&f->rig, id);
    assert_non_null(r);
    expect(model, r, value);
    if (r->error.code != CODE_OK || below(3) != 0)
        return;
    o.has_round = true; /* a retry: never a second time */
    o.round = r->round;
    rig_offer(&f->rig, p, &o);
    r = reply_of(&f->rig, f->rig.next_id);
    assert_true(r != NULL && (r->error.code != CODE_OK || r->verdict == VERDICT_DUPLICATE));
}

static void check_round(struct fixture *f, const struct model *model, uint64_t round)
{
    struct rig_reply *r = pull_round(f, round);
    if (r->error.code != CODE_OK)
        return;
    int32_t sums[ELEMENTS];
    memcpy(sums, r->sums, sizeof sums);
    for (int i = 0; i < ELEMENTS; i++)
        assert_int_equal(sums[i], model->sum[round]);
    assert_int_equal(r->contributions[0], model->contributions[round]);
}

static void random_step(struct fixture *f, struct model *model, uint64_t *open)
{
    rig_forget(&f->rig);
    f->rig.hold_folds = below(4) != 0;
    f->rig.hold_persist = below(4) == 0;
    switch (below(12)) {
    case 0:
        rig_close(&f->rig, WORLD, "job", *open);
        break;
    case 1:
        rig_lose(&f->rig, (int)below(WORLD));
        break;
    case 2:
        rig_advance(&f->rig, below(50));
        break;
    default:
        random_push(f, model);
    }
    *open = round_open(core_find_job(f->rig.core, "job"))->number;
    for (uint64_t round = *open < 4 ? 0 : *open - 4; round < *open; round++)
        check_round(f, model, round);
}

static void one_seed(struct fixture *f, uint64_t seed)
{
    static struct model model;
    uint64_t open = 0;
    rng = seed;
    model = (struct model){.sequence = 0};
    struct core_config config = rig_config();
    config.staging_bytes = 512 + below(8192);
    config.accumulator_bytes = below(3) == 0 ? 64 : 1 << 20;
    f->nodes[0] = (struct node_spec){"n", DTYPE_I32, shape, 1, true, 0};
    f->spec.n_nodes = 1;
    f->spec.world_size = WORLD;
    assert_true(rig_init(&f->rig, &config));
    rig_create(&f->rig, WORLD, &f->spec);
    assert_code(rig_last(&f->rig), CODE_OK);
    for (int i = 0; i < STEPS; i++)
        random_step(f, &model, &open);
    rig_free(&f->rig);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void accepted_counts_once_and_refused_never(void **state)
{
    struct fixture *f = *state;
    uint64_t first = number("GRADFOLD_TEST_SEED", 1);
    uint64_t seeds = number("GRADFOLD_TEST_SEEDS", 300);
    rig_free(&f->rig);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        printing = seed;
        one_seed(f, seed);
    }
    printf("seeds %" PRIu64 " to %" PRIu64 ", %d steps each\n", first, first + seeds - 1, STEPS);
    struct core_config config = rig_config();
    assert_true(rig_init(&f->rig, &config));
}

static int tell_seed(void **state)
{
    if (printing != 0)
        printf("last seed: GRADFOLD_TEST_SEED=%" PRIu64 " GRADFOLD_TEST_SEEDS=1\n", printing);
    return teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepted_counts_once_and_refused_never, setup, tell_seed),
    };
    return cmocka_run_group_tests_name("core: random workers", tests, NULL, NULL);
}
