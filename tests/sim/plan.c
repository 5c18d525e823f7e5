#include "plan.h"

#include <stdio.h>

#include "core/push.h"

static enum dtype any_dtype(struct random *r)
{
    return (enum dtype)random_from(r, DTYPE_F32, DTYPE_I64);
}

/* Mostly a few elements; now and then more than a block, or more than a thread gets at once. */
static void make_shape(struct plan_job *job, size_t node, struct random *r)
{
    uint64_t *shape = job->shapes[node];
    job->nodes[node].shape = shape;
    job->nodes[node].ndim = 1;
    shape[0] = random_below(r, 9);
    if (random_one_in(r, 4)) {
        job->nodes[node].ndim = 2;
        shape[1] = 1 + random_below(r, 4);
    } else if (random_one_in(r, 30)) {
        shape[0] = 1000 + random_below(r, 1100);
    } else if (random_one_in(r, 3000)) {
        shape[0] = 40000;
    }
    job->elements[node] = shape[0] * (job->nodes[node].ndim == 2 ? shape[1] : 1);
}

static void make_node(struct plan_job *job, size_t node, struct random *r)
{
    struct node_spec *n = &job->nodes[node];
    bool everybody = job->spec.quorum == job->spec.world_size;
    *n = (struct node_spec){.name = "", .dtype = (int)any_dtype(r), .requires_grad = true};
    make_shape(job, node, r);
    if (node == AUDIT_NODE) {
        job->shapes[node][0] = AUDIT_ELEMENTS;
        job->elements[node] = AUDIT_ELEMENTS;
        n->ndim = 1;
    } else if (random_one_in(r, 5)) {
        n->requires_grad = false;
    } else if (everybody && random_one_in(r, 3)) {
        n->expected = job->spec.world_size;
    }
}

static void make_job(struct plan_job *job, unsigned number, struct random *r)
{
    *job = (struct plan_job){.pushes = 1 + (unsigned)random_below(r, PLAN_PUSHES),
                             .rounds = 1 + (unsigned)random_below(r, 4),
                             .checksums = random_one_in(r, 2),
                             .values = (enum values)random_below(r, VALUES_SPECIAL)};
    snprintf(job->name, sizeof job->name, "job-%u", number);
    uint32_t world = 1 + (uint32_t)random_below(r, PLAN_WORKERS);
    job->spec = (struct job_spec){.name = job->name,
                                  .nodes = job->nodes,
                                  .n_nodes = 1 + random_below(r, PLAN_NODES),
                                  .world_size = world,
                                  .quorum = world,
                                  .grace_ms = random_below(r, 300),
                                  .reduction = REDUCTION_SUM,
                                  .accumulation = ACCUMULATION_EXACT,
                                  .non_finite = NON_FINITE_REJECT,
                                  .retain_rounds = 1 + (uint32_t)random_below(r, 3)};
    if (random_one_in(r, 2))
        job->spec.quorum = 1 + (uint32_t)random_below(r, world);
    if (random_one_in(r, 4))
        job->spec.reduction = REDUCTION_MEAN;
    if (random_one_in(r, 4)) {
        job->spec.accumulation = ACCUMULATION_IN_ORDER;
        job->small_integers = true;
    } else if (random_one_in(r, 5)) {
        job->spec.non_finite = NON_FINITE_PROPAGATE;
        job->values = random_one_in(r, 2) ? VALUES_SPECIAL : job->values;
    }
    for (size_t i = 0; i < job->spec.n_nodes; i++)
        make_node(job, i, r);
}

/* The largest push that a worker makes, roughly; half of it still holds an empty one. */
static uint64_t push_bytes(const struct plan_job *job)
{
    uint64_t bytes = 2 * PUSH_BLOCK_BYTES;
    for (size_t i = 0; i < job->spec.n_nodes; i++)
        bytes += job->elements[i] * 8;
    return bytes;
}

/* What the server reserves for the job's rounds, at least. */
static uint64_t result_bytes(const struct plan_job *job)
{
    uint64_t bytes = 0;
    bool expects = false;
    for (size_t i = 0; i < job->spec.n_nodes; i++) {
        const struct node_spec *node = &job->nodes[i];
        uint64_t size = dtype_size((enum dtype)node->dtype);
        if (node->requires_grad) /* each aligned to its elements */
            bytes = (bytes + size - 1) / size * size + job->elements[i] * size;
        expects |= node->requires_grad && node->expected > 0;
    }
    return pool_cost(bytes) * (job->spec.retain_rounds + 1 + expects);
}

static void make_budgets(struct plan *plan, struct random *r)
{
    uint64_t largest = 0;
    uint64_t results = 0;
    for (unsigned i = 0; i < plan->n_jobs; i++) {
        uint64_t bytes = push_bytes(&plan->jobs[i]);
        largest = bytes > largest ? bytes : largest;
        results += result_bytes(&plan->jobs[i]);
    }
    plan->config = (struct core_config){.staging_bytes = UINT64_C(64) << 20,
                                        .result_bytes = UINT64_C(64) << 20,
                                        .accumulator_bytes = UINT64_C(64) << 20,
                                        .max_body_bytes = UINT64_C(64) << 20,
                                        .fold_tasks = 1 + (unsigned)random_below(r, 4)};
    if (random_one_in(r, 2)) /* a few pushes, or hardly one */
        plan->config.staging_bytes = largest / 2 + random_below(r, 4 * largest);
    if (random_one_in(r, 3))
        plan->config.accumulator_bytes = random_below(r, 8 * largest);
    if (random_one_in(r, 3)) /* what is reserved, not a byte more */
        plan->config.result_bytes = results;
}

void plan_make(struct plan *plan, struct random *r)
{
    static const unsigned delays[] = {0, 1, 5, 40};
    *plan = (struct plan){.n_jobs = 1, .delay_ms = delays[random_below(r, 4)]};
    while (plan->n_jobs < PLAN_JOBS && random_one_in(r, 3))
        plan->n_jobs++;
    for (unsigned i = 0; i < plan->n_jobs; i++)
        make_job(&plan->jobs[i], i, r);
    make_budgets(plan, r);
    plan->fold_ms = delays[random_below(r, 4)] * 4;
    plan->persist_ms = delays[random_below(r, 4)];
    plan->repeat = (unsigned)random_below(r, 3) * 25;
    plan->shares = (unsigned)random_below(r, 3) * 50;
    plan->views = (unsigned)random_below(r, 3) * 50;
    plan->config.segments = plan->views > 0;
    plan->config.share_bytes_min = random_one_in(r, 4) ? 200 : 1;
    plan->mischief_ms = 4 + (unsigned)random_below(r, 100);
    for (size_t i = 0; i < sizeof plan->weights / sizeof *plan->weights; i++)
        plan->weights[i] = (unsigned)random_below(r, 4);
    plan->weights[0]++;
    plan->patience_ms = 100 + (unsigned)random_below(r, 2000);
    plan->calm_ms = 200 + random_below(r, 2000);
    plan->stops = random_one_in(r, 12);
    plan->deletes = random_one_in(r, 2);
}
