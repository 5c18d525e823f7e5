#include "net/response_job.h"

/* -- Rounds -- */

static bool list_final_workers(struct arena *arena, const struct round *round,
                               Gradfold__V1__RoundStatus *to)
{
    to->final_workers = arena_alloc(arena, round->n_final * sizeof *to->final_workers);
    if (!to->final_workers)
        return false;
    for (uint32_t w = 0; w < round->job->world_size && to->n_final_workers < round->n_final; w++) {
        if (round_worker_final(round, w))
            to->final_workers[to->n_final_workers++] = w;
    }
    return true;
}

Gradfold__V1__RoundStatus *response_round(struct arena *arena, const struct round *round,
                                          uint64_t now_ms)
{
    Gradfold__V1__RoundStatus *to = arena_alloc(arena, sizeof *to);
    if (!to)
        return NULL;
    gradfold__v1__round_status__init(to);
    to->has_round = true;
    to->round = round->number;
    to->has_state = true;
    to->state = (Gradfold__V1__RoundState)round->state;
    to->has_pushes = true;
    to->pushes = round->pushes;
    to->has_bytes = true;
    to->bytes = round->bytes;
    to->has_age_ms = true;
    to->age_ms = now_ms - round->opened_ms;
    return list_final_workers(arena, round, to) ? to : NULL;
}

/* -- Jobs -- */

static void describe_node(const struct node *from, Gradfold__V1__Node *to)
{
    gradfold__v1__node__init(to);
    to->name = unconst_text(from->name);
    to->has_dtype = true;
    to->dtype = (Gradfold__V1__DType)from->dtype;
    to->n_shape = from->ndim;
    to->shape = unconst_shape(from->shape);
    to->has_requires_grad = true;
    to->requires_grad = from->requires_grad;
    to->has_expected = true;
    to->expected = from->expected;
}

static bool describe_nodes(struct arena *arena, const struct tape *tape, Gradfold__V1__JobSpec *to)
{
    Gradfold__V1__Node *nodes = arena_alloc(arena, tape->size * sizeof *nodes);
    to->nodes = arena_alloc(arena, tape->size * sizeof *to->nodes);
    if (!nodes || !to->nodes)
        return false;
    for (size_t i = 0; i < tape->size; i++) {
        describe_node(&tape->nodes[i], &nodes[i]);
        to->nodes[i] = &nodes[i];
    }
    to->n_nodes = tape->size;
    return true;
}

static Gradfold__V1__JobSpec *describe_spec(struct arena *arena, const struct job *job)
{
    Gradfold__V1__JobSpec *to = arena_alloc(arena, sizeof *to);
    if (!to)
        return NULL;
    gradfold__v1__job_spec__init(to);
    to->name = job->name;
    to->has_world_size = true;
    to->world_size = job->world_size;
    to->has_quorum = true;
    to->quorum = job->quorum;
    to->has_grace_ms = true;
    to->grace_ms = job->grace_ms;
    to->has_reduction = true;
    to->reduction = (Gradfold__V1__Reduction)job->reduction;
    to->has_accumulation = true;
    to->accumulation = (Gradfold__V1__Accumulation)job->accumulation;
    to->has_non_finite = true;
    to->non_finite = (Gradfold__V1__NonFinite)job->non_finite;
    to->has_retain_rounds = true;
    to->retain_rounds = job->retain_rounds;
    return to;
}

static bool describe_rounds(struct arena *arena, const struct job *job, uint64_t now_ms,
                            Gradfold__V1__JobStatus *to)
{
    size_t n = 0;
    list_each (link, &job->rounds)
        n++;
    to->rounds = arena_alloc(arena, n * sizeof *to->rounds);
    if (!to->rounds)
        return false;
    list_each (link, &job->rounds) {
        struct round *round = list_entry(link, struct round, link);
        Gradfold__V1__RoundStatus *status = response_round(arena, round, now_ms);
        if (!status)
            return false;
        to->rounds[to->n_rounds++] = status;
    }
    return true;
}

Gradfold__V1__JobStatus *response_job(struct arena *arena, const struct job *job, bool with_nodes,
                                      uint64_t now_ms)
{
    Gradfold__V1__JobStatus *to = arena_alloc(arena, sizeof *to);
    if (!to)
        return NULL;
    gradfold__v1__job_status__init(to);
    to->spec = describe_spec(arena, job);
    if (!to->spec || (with_nodes && !describe_nodes(arena, &job->tape, to->spec)))
        return NULL;
    return describe_rounds(arena, job, now_ms, to) ? to : NULL;
}
