/* The rules that a CreateJob must obey (proto/README.md, "Jobs"). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/checked.h"
#include "base/shape.h"
#include "core/state.h"

/* What names are made of. */
static size_t name_span(const char *name)
{
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
}

static enum code check_name(const char *name, struct error *error)
{
    size_t n = strlen(name);
    if (n == 0 || n > LIMIT_NAME)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "a job's name has 1 to %d characters, this one has %zu", LIMIT_NAME, n);
    if (name_span(name) < n)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "a job's name is made of A-Z a-z 0-9 . _ - only; byte %zu is not",
                         name_span(name));
    return CODE_OK;
}

static enum code check_node_name(const char *name, size_t i, struct error *error)
{
    size_t n = strlen(name);
    if (n > LIMIT_NAME)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %zu: a name has %d characters at most, this one has %zu", i,
                         LIMIT_NAME, n);
    if (name_span(name) < n)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %zu: a name is made of A-Z a-z 0-9 . _ - only; byte %zu is not", i,
                         name_span(name));
    return CODE_OK;
}

static enum code check_policy(const struct job_spec *s, struct error *error)
{
    if (s->world_size == 0)
        return error_set(error, CODE_INVALID_ARGUMENT, "world_size is 0; a job needs a worker");
    if (s->world_size > LIMIT_WORLD_SIZE)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "world_size %" PRIu32 "; at most %d",
                         s->world_size, LIMIT_WORLD_SIZE);
    if (s->quorum > s->world_size)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "quorum %" PRIu32 " exceeds world_size %" PRIu32, s->quorum,
                         s->world_size);
    if (s->retain_rounds == 0)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "retain_rounds is 0; nobody could pull a round");
    if (s->retain_rounds > LIMIT_RETAIN_ROUNDS)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "retain_rounds %" PRIu32 "; at most %d",
                         s->retain_rounds, LIMIT_RETAIN_ROUNDS);
    if (s->reduction != REDUCTION_SUM && s->reduction != REDUCTION_MEAN)
        return error_set(error, CODE_INVALID_ARGUMENT, "reduction %d is not known", s->reduction);
    if (s->accumulation != ACCUMULATION_EXACT && s->accumulation != ACCUMULATION_IN_ORDER)
        return error_set(error, CODE_INVALID_ARGUMENT, "accumulation %d is not known",
                         s->accumulation);
    if (s->non_finite != NON_FINITE_REJECT && s->non_finite != NON_FINITE_PROPAGATE)
        return error_set(error, CODE_INVALID_ARGUMENT, "non_finite %d is not known", s->non_finite);
    return CODE_OK;
}

static enum code check_node(const struct job_spec *s, size_t i, struct error *error)
{
    const struct node_spec *n = &s->nodes[i];
    uint64_t elements;
    uint64_t bytes;
    char text[SHAPE_TEXT_MAX];
    if (check_node_name(n->name, i, error) != CODE_OK)
        return error->code;
    if (!dtype_valid(n->dtype))
        return error_set(error, CODE_INVALID_ARGUMENT, "node %zu: dtype %d is not known", i,
                         n->dtype);
    if (!shape_size((enum dtype)n->dtype, n->shape, n->ndim, &elements, &bytes))
        return error_set(error, CODE_INVALID_ARGUMENT, "node %zu: shape %s overflows", i,
                         shape_text(text, n->shape, n->ndim));
    if (n->ndim > LIMIT_DIMENSIONS)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "node %zu: %zu dimensions; at most %d", i,
                         n->ndim, LIMIT_DIMENSIONS);
    if (n->expected > 0 && n->requires_grad && s->quorum != 0 && s->quorum != s->world_size)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "node %zu: expected needs quorum = world_size", i);
    return CODE_OK;
}

/* Finds two nodes of one name with a table of indices, twice as large as there are nodes. */
static enum code check_names_unique(const struct job_spec *s, struct error *error)
{
    size_t capacity = 16;
    while (capacity < s->n_nodes * 2)
        capacity *= 2;
    uint32_t *table = calloc(capacity, sizeof *table); /* index + 1; 0: free */
    if (table == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    enum code code = CODE_OK;
    for (size_t i = 0; i < s->n_nodes && code == CODE_OK; i++) {
        const char *name = s->nodes[i].name;
        if (name[0] == '\0')
            continue;
        size_t at = XXH3_64bits(name, strlen(name)) & (capacity - 1);
        while (table[at] != 0 && strcmp(s->nodes[table[at] - 1].name, name) != 0)
            at = (at + 1) & (capacity - 1);
        if (table[at] != 0)
            code = error_set(error, CODE_INVALID_ARGUMENT, "nodes %" PRIu32 " and %zu: one name",
                             table[at] - 1, i);
        table[at] = (uint32_t)i + 1;
    }
    free(table);
    return code;
}

/* Bytes of one round's dense array: the nodes that require a gradient. */
static enum code check_model_bytes(const struct job_spec *s, uint64_t max, struct error *error)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->n_nodes; i++) {
        const struct node_spec *n = &s->nodes[i];
        uint64_t elements;
        uint64_t bytes;
        must(shape_size((enum dtype)n->dtype, n->shape, n->ndim, &elements, &bytes));
        if (n->requires_grad && (!checked_add(total, bytes, &total) || total > max))
            return error_set(error, CODE_RESOURCE_EXHAUSTED,
                             "node %zu: the gradients need more than the %" PRIu64
                             " bytes that a round may have here (--result-bytes)",
                             i, max);
    }
    return CODE_OK;
}

enum code job_check(const struct job_spec *spec, uint64_t model_bytes_max, struct error *error)
{
    enum code code = check_name(spec->name, error);
    if (code == CODE_OK)
        code = check_policy(spec, error);
    if (code == CODE_OK && spec->n_nodes > LIMIT_NODES)
        code = error_set(error, CODE_RESOURCE_EXHAUSTED, "%zu nodes; at most %d", spec->n_nodes,
                         LIMIT_NODES);
    for (size_t i = 0; i < spec->n_nodes && code == CODE_OK; i++)
        code = check_node(spec, i, error);
    if (code == CODE_OK)
        code = check_names_unique(spec, error);
    if (code == CODE_OK)
        code = check_model_bytes(spec, model_bytes_max, error);
    return code;
}
