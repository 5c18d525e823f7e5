#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "core/round.h"

struct model_job *model_find(const struct model *model, const char *name)
{
    for (struct model_job *job = model->jobs; job != NULL; job = job->next)
        if (!job->deleted && strcmp(job->plan->name, name) == 0)
            return job;
    return NULL;
}

static void open_round(struct model_job *job)
{
    must(job->n_rounds < MODEL_ROUNDS);
    job->rounds[job->n_rounds] =
        (struct model_round){.state = MODEL_OPEN, .number = job->n_rounds, .grace_at_ms = NO_WAKE};
    job->n_rounds++;
}

struct model_job *model_create(struct model *model, const struct plan_job *plan)
{
    struct model_job *job = calloc(1, sizeof *job);
    must(job != NULL);
    job->plan = plan;
    job->next = model->jobs;
    model->jobs = job;
    open_round(job);
    return job;
}

struct model_round *model_open(struct model_job *job)
{
    return &job->rounds[job->n_rounds - 1];
}

struct model_round *model_newest_closed(struct model_job *job)
{
    for (uint64_t i = job->n_rounds; i > 0; i--)
        if (job->rounds[i - 1].state == MODEL_CLOSED)
            return &job->rounds[i - 1];
    return NULL;
}

struct model_round *model_round(struct model_job *job, uint64_t number)
{
    const struct model_round *newest = model_newest_closed(job);
    if (number >= job->n_rounds)
        return NULL;
    if (newest != NULL && number + job->plan->spec.retain_rounds <= newest->number)
        return NULL;
    return &job->rounds[number];
}

void model_start_closing(struct model_job *job, struct model_round *round)
{
    round->state = MODEL_CLOSING;
    open_round(job);
}

void model_advance(struct model *model, uint64_t now_ms)
{
    for (struct model_job *job = model->jobs; job != NULL; job = job->next)
        if (!job->deleted && model_open(job)->grace_at_ms <= now_ms)
            model_start_closing(job, model_open(job));
}

/* -- Pushes -- */

static const struct counted *find_key(const struct model_round *round, const struct message *m)
{
    for (const struct counted *c = round->pushes; c != NULL; c = c->next)
        if (c->message->offer.worker == m->offer.worker &&
            c->message->offer.sequence == m->offer.sequence)
            return c;
    return NULL;
}

static bool same_contributions(const struct message *a, const struct message *b)
{
    if (a->offer.n_contributions != b->offer.n_contributions)
        return false;
    for (size_t i = 0; i < a->offer.n_contributions; i++) {
        const struct contribution *x = &a->contributions[i];
        const struct contribution *y = &b->contributions[i];
        if (x->node != y->node || x->dtype != y->dtype || x->ndim != y->ndim ||
            memcmp(x->shape, y->shape, x->ndim * sizeof *x->shape) != 0)
            return false;
    }
    return true;
}

static struct verdict_model says(enum code code)
{
    return (struct verdict_model){.code = code};
}

static struct verdict_model repeated(const struct counted *c, const struct message *m)
{
    const struct push_offer *a = &c->message->offer;
    const struct push_offer *b = &m->offer;
    bool same = same_contributions(c->message, m) && a->body_bytes == b->body_bytes &&
                a->final == b->final && a->has_checksum == b->has_checksum &&
                (!a->has_checksum || a->checksum == b->checksum);
    if (!same)
        return says(CODE_CONFLICT);
    if (!c->persisted)
        return says(CODE_UNAVAILABLE);
    return (struct verdict_model){.repeated = true, .ignored = c->ignored};
}

static bool widens(int from, int to)
{
    bool half = from == DTYPE_F16 || from == DTYPE_BF16;
    return from == to || (half && (to == DTYPE_F32 || to == DTYPE_F64)) ||
           (from == DTYPE_F32 && to == DTYPE_F64) || (from == DTYPE_I32 && to == DTYPE_I64);
}

static enum code check_one(const struct plan_job *job, const struct contribution *c)
{
    if (c->node >= job->spec.n_nodes)
        return CODE_UNKNOWN_NODE;
    const struct node_spec *node = &job->nodes[c->node];
    if (!node->requires_grad)
        return CODE_OK;
    if (c->ndim != node->ndim || memcmp(c->shape, node->shape, c->ndim * sizeof *c->shape) != 0)
        return CODE_SHAPE_MISMATCH;
    return widens(c->dtype, node->dtype) ? CODE_OK : CODE_DTYPE_MISMATCH;
}

static enum code check_contributions(const struct plan_job *job, const struct model_round *round,
                                     const struct message *m)
{
    uint32_t more[PLAN_NODES] = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        const struct contribution *c = &m->contributions[i];
        enum code code = check_one(job, c);
        if (code != CODE_OK)
            return code;
        uint32_t expected = job->nodes[c->node].requires_grad ? job->nodes[c->node].expected : 0;
        if (expected > 0 && round->accepted[c->node] + ++more[c->node] > expected)
            return CODE_INVALID_ARGUMENT;
        uint64_t n = dtype_size((enum dtype)c->dtype);
        for (size_t d = 0; d < c->ndim; d++)
            n *= c->shape[d];
        bytes += n;
    }
    return bytes == m->offer.body_bytes ? CODE_OK : CODE_MALFORMED;
}

struct verdict_model model_offer(struct model_job *job, const struct message *m, uint64_t number)
{
    if (job == NULL || job->deleted)
        return says(CODE_NOT_FOUND);
    if (m->offer.worker >= job->plan->spec.world_size)
        return says(CODE_INVALID_ARGUMENT);
    struct model_round *round = model_round(job, number);
    const struct counted *c = round == NULL ? NULL : find_key(round, m);
    if (c != NULL)
        return repeated(c, m);
    if (number >= job->n_rounds)
        return says(CODE_FUTURE_ROUND);
    if (round == NULL || round->state != MODEL_OPEN)
        return says(CODE_STALE_ROUND);
    if (round->finals >> m->offer.worker & 1)
        return says(CODE_INVALID_ARGUMENT);
    return says(check_contributions(job->plan, round, m));
}

struct verdict_model model_commit(struct model_job *job, const struct message *m, uint64_t number)
{
    struct verdict_model v = model_offer(job, m, number);
    if (v.code != CODE_OK || v.repeated)
        return v;
    if (m->checksum_wrong)
        v.code = CODE_CHECKSUM_MISMATCH;
    else if (m->non_finite && job->plan->spec.non_finite == NON_FINITE_REJECT)
        v.code = CODE_NON_FINITE;
    return v;
}

struct counted *model_count(struct model_job *job, const struct message *m, uint64_t number,
                            uint64_t now_ms)
{
    struct model_round *round = &job->rounds[number];
    struct counted *c = calloc(1, sizeof *c);
    must(c != NULL);
    c->message = m;
    c->next = round->pushes;
    round->pushes = c;
    round->n_pushes++;
    round->not_persisted++;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        uint64_t node = m->contributions[i].node;
        c->ignored += !job->plan->nodes[node].requires_grad;
        round->accepted[node]++;
    }
    if (!m->offer.final)
        return c;
    round->finals |= 1U << m->offer.worker;
    round->n_final++;
    const struct job_spec *spec = &job->plan->spec;
    if (round->n_final == spec->quorum && spec->quorum < spec->world_size)
        round->grace_at_ms = now_ms + spec->grace_ms;
    if (round->n_final == spec->world_size)
        model_start_closing(job, round);
    return c;
}

void model_persisted(struct model_job *job, struct counted *c, uint64_t number)
{
    struct model_round *round = &job->rounds[number];
    c->persisted = true;
    round->not_persisted--;
    for (size_t i = 0; i < c->message->offer.n_contributions; i++)
        round->persisted[c->message->contributions[i].node]++;
}
