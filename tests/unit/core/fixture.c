#include "fixture.h"

static const uint64_t shape4[] = {4};
static const uint64_t shape2[] = {2};
static const uint64_t shape3[] = {3};

int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.nodes = {{"w", DTYPE_F32, shape4, 1, true, 0},
                                   {"b", DTYPE_I32, shape2, 1, true, 0},
                                   {"frozen", DTYPE_F32, shape3, 1, false, 0}},
                         .spec = {.name = "job",
                                  .n_nodes = NODES,
                                  .world_size = 2,
                                  .reduction = REDUCTION_SUM,
                                  .accumulation = ACCUMULATION_EXACT,
                                  .non_finite = NON_FINITE_REJECT,
                                  .retain_rounds = 2}};
    f.spec.nodes = f.nodes;
    struct core_config config = rig_config();
    *state = &f;
    return rig_init(&f.rig, &config) ? 0 : -1;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    rig_free(&f->rig);
    return 0;
}

struct push_offer *offer_w(uint32_t worker, uint64_t sequence, bool final)
{
    static const struct contribution w = {
        .node = W, .dtype = DTYPE_F32, .shape = shape4, .ndim = 1};
    static struct push_offer offer;
    offer = (struct push_offer){.job = "job",
                                .worker = worker,
                                .sequence = sequence,
                                .final = final,
                                .contributions = &w,
                                .n_contributions = 1,
                                .body_bytes = 16};
    return &offer;
}

struct push_offer *offer_empty(uint32_t worker, uint64_t sequence, bool final)
{
    struct push_offer *offer = offer_w(worker, sequence, final);
    offer->n_contributions = 0;
    offer->body_bytes = 0;
    return offer;
}

struct rig_reply *push_w(struct fixture *f, uint32_t worker, uint64_t sequence, float v, bool final)
{
    float body[4] = {v, v, v, v};
    rig_forget(&f->rig);
    rig_push(&f->rig, (int)worker, offer_w(worker, sequence, final), body);
    return &f->rig.replies[0];
}

struct rig_reply *push_final(struct fixture *f, uint32_t worker)
{
    rig_forget(&f->rig);
    rig_push(&f->rig, (int)worker, offer_empty(worker, UINT64_MAX, true), NULL);
    return &f->rig.replies[0];
}

struct rig_reply *pull_round(struct fixture *f, uint64_t round)
{
    struct pull_offer ask = {.job = "job", .has_round = true, .round = round};
    rig_forget(&f->rig);
    rig_pull(&f->rig, 0, &ask);
    return rig_last(&f->rig);
}

float sum_w(const struct rig_reply *reply)
{
    float v;
    memcpy(&v, reply->sums, sizeof v);
    return v;
}
