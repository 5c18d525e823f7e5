#include "client/spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/report.h"

gf_spec *gf_spec_new(const char *name, uint32_t world_size)
{
    gf_spec *spec = calloc(1, sizeof *spec);
    if (spec == NULL)
        return NULL;
    spec->name = strdup(name != NULL ? name : "");
    spec->world_size = world_size;
    if (spec->name != NULL)
        return spec;
    free(spec);
    return NULL;
}

void gf_spec_free(gf_spec *spec)
{
    if (spec == NULL)
        return;
    for (size_t i = 0; i < spec->n_nodes; i++) {
        free(spec->nodes[i].name);
        free(spec->nodes[i].shape);
    }
    free(spec->nodes);
    free(spec->name);
    free(spec);
}

static void trouble(gf_spec *spec, gf_code code, const char *what, uint64_t node)
{
    if (spec->trouble.code == GF_OK)
        report(&spec->trouble, code, "spec: node %" PRIu64 ": %s", node, what);
}

static bool reserve(gf_spec *spec)
{
    if (spec->n_nodes < spec->capacity)
        return true;
    size_t capacity = spec->capacity == 0 ? 16 : 2 * spec->capacity;
    struct spec_node *nodes = realloc(spec->nodes, capacity * sizeof *nodes);
    if (nodes == NULL)
        return false;
    spec->nodes = nodes;
    spec->capacity = capacity;
    return true;
}

static bool fill(struct spec_node *node, const char *name, const uint64_t *shape, size_t ndim)
{
    node->name = name != NULL ? strdup(name) : NULL;
    node->shape = calloc(ndim + 1, sizeof *shape);
    if (node->shape != NULL && ndim > 0)
        memcpy(node->shape, shape, ndim * sizeof *shape);
    return node->shape != NULL && (name == NULL || node->name != NULL);
}

uint64_t gf_spec_add_node(gf_spec *spec, const char *name, gf_dtype dtype, const uint64_t *shape,
                          size_t ndim)
{
    uint64_t id = spec->n_nodes;
    if (shape == NULL && ndim > 0) {
        trouble(spec, GF_INVALID_ARGUMENT, "no shape", id);
        ndim = 0;
    }
    if (!reserve(spec)) {
        trouble(spec, GF_CLIENT_NO_MEMORY, "no memory", id);
        return id;
    }
    struct spec_node *node = &spec->nodes[spec->n_nodes++];
    *node = (struct spec_node){.dtype = dtype, .ndim = ndim};
    if (!fill(node, name, shape, ndim))
        trouble(spec, GF_CLIENT_NO_MEMORY, "no memory", id);
    return id;
}

static struct spec_node *find(gf_spec *spec, uint64_t node)
{
    if (node < spec->n_nodes)
        return &spec->nodes[node];
    trouble(spec, GF_INVALID_ARGUMENT, "no such node", node);
    return NULL;
}

void gf_spec_freeze_node(gf_spec *spec, uint64_t node)
{
    struct spec_node *found = find(spec, node);
    if (found != NULL)
        found->frozen = true;
}

void gf_spec_expect(gf_spec *spec, uint64_t node, uint32_t k)
{
    struct spec_node *found = find(spec, node);
    if (found != NULL)
        found->expected = k;
}

void gf_spec_set_quorum(gf_spec *spec, uint32_t quorum, uint64_t grace_ms)
{
    spec->quorum = quorum;
    spec->grace_ms = grace_ms;
}

void gf_spec_set_mean(gf_spec *spec)
{
    spec->mean = true;
}

void gf_spec_set_in_order(gf_spec *spec)
{
    spec->in_order = true;
}

void gf_spec_set_propagate_non_finite(gf_spec *spec)
{
    spec->propagate = true;
}

void gf_spec_set_retain_rounds(gf_spec *spec, uint32_t rounds)
{
    spec->has_retain_rounds = true;
    spec->retain_rounds = rounds;
}
