#include "core/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/shape.h"
#include "core/state.h"

static uint64_t clamp_ms(uint64_t ms)
{
    return ms < LIMIT_TIME_MS ? ms : LIMIT_TIME_MS;
}

static uint32_t effective_quorum(const struct job_spec *spec)
{
    return spec->quorum == 0 ? spec->world_size : spec->quorum;
}

/* Room for all shapes and all names, in one allocation each. */
static bool allocate_tape(const struct job_spec *spec, struct node **nodes, uint64_t **shapes,
                          char **names)
{
    size_t n_dims = 0;
    size_t n_chars = 0;
    for (size_t i = 0; i < spec->n_nodes; i++) {
        n_dims += spec->nodes[i].ndim;
        n_chars += strlen(spec->nodes[i].name) + 1;
    }
    *nodes = calloc(spec->n_nodes + 1, sizeof **nodes);
    *shapes = malloc((n_dims + 1) * sizeof **shapes);
    *names = malloc(n_chars + 1);
    if (*nodes != NULL && *shapes != NULL && *names != NULL)
        return true;
    free(*nodes);
    free(*shapes);
    free(*names);
    return false;
}

/* For those who look at results where they are. */
static uint64_t aligned(uint64_t offset, enum dtype dtype)
{
    uint64_t size = dtype_size(dtype);
    return (offset + size - 1) / size * size;
}

/* node 0 (or the one behind the last) holds the start of both blocks: free_tape relies on it. */
static bool build_tape(struct job *job, const struct job_spec *spec)
{
    struct node *nodes;
    uint64_t *shapes;
    char *names;
    if (!allocate_tape(spec, &nodes, &shapes, &names))
        return false;
    nodes[0].shape = shapes;
    nodes[0].name = names;
    uint64_t offset = 0;
    for (size_t i = 0; i < spec->n_nodes; i++) {
        const struct node_spec *s = &spec->nodes[i];
        struct node *n = &nodes[i];
        size_t name_size = strlen(s->name) + 1;
        *n = (struct node){.name = names,
                           .shape = shapes,
                           .ndim = s->ndim,
                           .dtype = (enum dtype)s->dtype,
                           .requires_grad = s->requires_grad,
                           .expected = s->expected,
                           .offset = aligned(offset, (enum dtype)s->dtype)};
        if (s->ndim > 0)
            memcpy(shapes, s->shape, s->ndim * sizeof *shapes);
        memcpy(names, s->name, name_size);
        must(shape_size(n->dtype, n->shape, n->ndim, &n->elements, &n->bytes));
        if (n->requires_grad)
            offset = n->offset + n->bytes;
        job->completes_early |= n->requires_grad && n->expected > 0;
        shapes += s->ndim;
        names += name_size;
    }
    job->tape = (struct tape){.nodes = nodes, .size = spec->n_nodes};
    job->grads_bytes = offset;
    return true;
}

static void free_tape(struct tape *tape)
{
    if (tape->nodes == NULL)
        return;
    free((void *)(uintptr_t)tape->nodes[0].shape);
    free((void *)(uintptr_t)tape->nodes[0].name);
    free((void *)(uintptr_t)tape->nodes);
}

enum code job_new(const struct job_spec *spec, uint64_t model_bytes_max, struct job **job,
                  struct error *error)
{
    enum code code = job_check(spec, model_bytes_max, error);
    if (code != CODE_OK)
        return code;
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    j->name = strdup(spec->name);
    if (j->name == NULL || !build_tape(j, spec)) {
        free(j->name);
        free(j);
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    }
    j->world_size = spec->world_size;
    j->quorum = effective_quorum(spec);
    j->grace_ms = clamp_ms(spec->grace_ms);
    j->reduction = (enum reduction)spec->reduction;
    j->accumulation = (enum accumulation)spec->accumulation;
    j->non_finite = (enum non_finite)spec->non_finite;
    j->retain_rounds = spec->retain_rounds;
    j->refs = 1;
    list_init(&j->link);
    list_init(&j->bucket);
    list_init(&j->rounds);
    list_init(&j->intakes);
    list_init(&j->spare);
    *job = j;
    return CODE_OK;
}

static enum code differs(struct error *error, const char *what, uint64_t is, uint64_t asked)
{
    return error_set(error, CODE_ALREADY_EXISTS,
                     "the job exists with another spec: %s is %" PRIu64 ", not %" PRIu64, what, is,
                     asked);
}

static enum code compare_node(const struct node *n, const struct node_spec *s, size_t i,
                              struct error *error)
{
    char is[SHAPE_TEXT_MAX];
    char asked[SHAPE_TEXT_MAX];
    const char *exists = "the job exists with another spec";
    if (strcmp(n->name, s->name) != 0)
        return error_set(error, CODE_ALREADY_EXISTS, "%s: node %zu: name is '%.80s', not '%.80s'",
                         exists, i, n->name, s->name);
    if ((int)n->dtype != s->dtype)
        return error_set(error, CODE_ALREADY_EXISTS, "%s: node %zu: dtype is %s, not %s", exists, i,
                         dtype_name((int)n->dtype), dtype_name(s->dtype));
    if (!shape_equal(n->shape, n->ndim, s->shape, s->ndim))
        return error_set(error, CODE_ALREADY_EXISTS, "%s: node %zu: shape is %s, not %s", exists, i,
                         shape_text(is, n->shape, n->ndim), shape_text(asked, s->shape, s->ndim));
    if (n->requires_grad != s->requires_grad)
        return error_set(error, CODE_ALREADY_EXISTS, "%s: node %zu: requires_grad is %s", exists, i,
                         n->requires_grad ? "true" : "false");
    if (n->expected != s->expected)
        return error_set(error, CODE_ALREADY_EXISTS,
                         "%s: node %zu: expected is %" PRIu32 ", not %" PRIu32, exists, i,
                         n->expected, s->expected);
    return CODE_OK;
}

enum code job_compare(const struct job *job, const struct job_spec *spec, struct error *error)
{
    const struct {
        const char *what;
        uint64_t is;
        uint64_t asked;
    } scalars[] = {
        {"world_size", job->world_size, spec->world_size},
        {"quorum", job->quorum, effective_quorum(spec)},
        {"grace_ms", job->grace_ms, clamp_ms(spec->grace_ms)},
        {"reduction", job->reduction, (uint64_t)spec->reduction},
        {"accumulation", job->accumulation, (uint64_t)spec->accumulation},
        {"non_finite", job->non_finite, (uint64_t)spec->non_finite},
        {"retain_rounds", job->retain_rounds, spec->retain_rounds},
        {"the number of nodes", job->tape.size, spec->n_nodes},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (scalars[i].is != scalars[i].asked)
            return differs(error, scalars[i].what, scalars[i].is, scalars[i].asked);
    for (size_t i = 0; i < job->tape.size; i++) {
        enum code code = compare_node(&job->tape.nodes[i], &spec->nodes[i], i, error);
        if (code != CODE_OK)
            return code;
    }
    return CODE_OK;
}

void job_ref(struct job *job)
{
    job->refs++;
}

void job_unref(struct job *job)
{
    if (--job->refs > 0)
        return;
    must(list_empty(&job->rounds) && list_empty(&job->spare));
    free_tape(&job->tape);
    free(job->name);
    free(job);
}

struct fold_rule job_rule(const struct job *job, size_t node)
{
    return (struct fold_rule){.dtype = job->tape.nodes[node].dtype,
                              .accumulation = job->accumulation,
                              .reduction = job->reduction};
}
