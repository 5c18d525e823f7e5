#include "client/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "client/report.h"

struct gf_job {
    struct arena arena; /* everything below */
    const char *name;
    uint32_t world_size;
    uint32_t quorum;
    uint64_t grace_ms;
    bool mean;
    bool in_order;
    bool propagates;
    uint32_t retain_rounds;
    gf_node *nodes;
    size_t n_nodes;
    gf_round *rounds;
    size_t n_rounds;
};

/* n objects of size bytes, copied; NULL without memory. */
static void *copy(struct arena *arena, const void *from, size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / size)
        return NULL;
    void *to = arena_alloc(arena, n * size);
    if (to != NULL && n > 0 && from != NULL)
        memcpy(to, from, n * size);
    return to;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    const char *from = text != NULL ? text : "";
    return copy(arena, from, strlen(from) + 1, 1);
}

static bool copy_node(struct arena *arena, gf_node *to, const Gradfold__V1__Node *from)
{
    *to = (gf_node){
        .name = copy_text(arena, from->name),
        .shape = copy(arena, from->shape, from->n_shape, sizeof *from->shape),
        .ndim = from->n_shape,
        .dtype = (gf_dtype)from->dtype,
        .requires_grad = from->requires_grad,
        .expected = from->expected,
    };
    return to->name != NULL && to->shape != NULL;
}

static bool copy_round(struct arena *arena, gf_round *to, const Gradfold__V1__RoundStatus *from)
{
    *to = (gf_round){
        .round = from->round,
        .state = (gf_round_state)from->state,
        .final_workers = copy(arena, from->final_workers, from->n_final_workers, sizeof(uint32_t)),
        .n_final_workers = from->n_final_workers,
        .pushes = from->pushes,
        .bytes = from->bytes,
        .age_ms = from->age_ms,
    };
    return to->final_workers != NULL;
}

static bool copy_lists(gf_job *job, const Gradfold__V1__JobStatus *status)
{
    const Gradfold__V1__JobSpec *spec = status->spec;
    job->nodes = copy(&job->arena, NULL, spec->n_nodes, sizeof *job->nodes);
    job->rounds = copy(&job->arena, NULL, status->n_rounds, sizeof *job->rounds);
    if (job->nodes == NULL || job->rounds == NULL)
        return false;
    job->n_nodes = spec->n_nodes;
    job->n_rounds = status->n_rounds;
    for (size_t i = 0; i < spec->n_nodes; i++)
        if (!copy_node(&job->arena, &job->nodes[i], spec->nodes[i]))
            return false;
    for (size_t i = 0; i < status->n_rounds; i++)
        if (!copy_round(&job->arena, &job->rounds[i], status->rounds[i]))
            return false;
    return true;
}

static bool copy_status(gf_job *job, const Gradfold__V1__JobStatus *status)
{
    const Gradfold__V1__JobSpec *spec = status->spec;
    job->name = copy_text(&job->arena, spec->name);
    job->world_size = spec->world_size;
    job->quorum = spec->quorum;
    job->grace_ms = spec->grace_ms;
    job->mean = spec->reduction == GRADFOLD__V1__REDUCTION__REDUCTION_MEAN;
    job->in_order = spec->accumulation == GRADFOLD__V1__ACCUMULATION__ACCUMULATION_IN_ORDER;
    job->propagates = spec->non_finite == GRADFOLD__V1__NON_FINITE__NON_FINITE_PROPAGATE;
    job->retain_rounds = spec->retain_rounds;
    return job->name != NULL && copy_lists(job, status);
}

gf_code job_new(const Gradfold__V1__JobStatus *status, gf_job **job, gf_error *error)
{
    if (status == NULL || status->spec == NULL || status->n_rounds == 0)
        return report(error, GF_CLIENT_PROTOCOL, "the answer describes no job");
    gf_job *made = calloc(1, sizeof *made);
    if (made == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a job");
    arena_init(&made->arena, SIZE_MAX);
    if (!copy_status(made, status)) {
        gf_job_free(made);
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a job");
    }
    *job = made;
    return GF_OK;
}

void gf_job_free(gf_job *job)
{
    if (job == NULL)
        return;
    arena_free(&job->arena);
    free(job);
}

const char *gf_job_name(const gf_job *job)
{
    return job->name;
}

uint32_t gf_job_world_size(const gf_job *job)
{
    return job->world_size;
}

uint32_t gf_job_quorum(const gf_job *job)
{
    return job->quorum;
}

uint64_t gf_job_grace_ms(const gf_job *job)
{
    return job->grace_ms;
}

bool gf_job_mean(const gf_job *job)
{
    return job->mean;
}

bool gf_job_in_order(const gf_job *job)
{
    return job->in_order;
}

bool gf_job_propagates_non_finite(const gf_job *job)
{
    return job->propagates;
}

uint32_t gf_job_retain_rounds(const gf_job *job)
{
    return job->retain_rounds;
}

size_t gf_job_node_count(const gf_job *job)
{
    return job->n_nodes;
}

bool gf_job_node(const gf_job *job, uint64_t node, gf_node *out)
{
    if (node >= job->n_nodes)
        return false;
    *out = job->nodes[node];
    return true;
}

size_t gf_job_round_count(const gf_job *job)
{
    return job->n_rounds;
}

bool gf_job_round(const gf_job *job, size_t index, gf_round *out)
{
    if (index >= job->n_rounds)
        return false;
    *out = job->rounds[index];
    return true;
}

uint64_t gf_job_open_round(const gf_job *job)
{
    return job->rounds[job->n_rounds - 1].round;
}
