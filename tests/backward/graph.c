#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "arithmetic.h"

const char *op_name(enum op op)
{
    static const char *const names[OP_COUNT] = {
        [OP_LEAF] = "leaf", [OP_GIVEN] = "given", [OP_ADD] = "add",
        [OP_SUB] = "sub",   [OP_MUL] = "mul",     [OP_MATMUL] = "matmul",
        [OP_RELU] = "relu", [OP_SUM] = "sum",     [OP_MSE] = "mse",
    };
    return names[op];
}

static const struct arithmetic *arithmetic_of(const struct graph *graph)
{
    switch (graph->dtype) {
    case DTYPE_F32:
        return &arithmetic_f32;
    case DTYPE_F64:
        return &arithmetic_f64;
    default:
        return &arithmetic_i64;
    }
}

static const struct node *parent(const struct graph *graph, size_t id, size_t i)
{
    return &graph->tape.nodes[graph->nodes[id].parents[i]];
}

static const void *parent_value(const struct graph *graph, size_t id, size_t i)
{
    const struct graph_node *node = &graph->nodes[id];
    return i < node->n_parents ? graph->nodes[node->parents[i]].value : NULL;
}

static struct extent extent_of(const struct graph *graph, size_t id)
{
    const struct node *a = parent(graph, id, 0);
    if (graph->nodes[id].op != OP_MATMUL)
        return (struct extent){.n = a->elements};
    const struct node *b = parent(graph, id, 1);
    return (struct extent){.m = a->shape[0], .k = a->shape[1], .n = b->shape[1]};
}

static enum code out_of_range(const struct graph *graph, size_t id, const char *what,
                              struct error *error)
{
    return error_set(error, CODE_OUT_OF_RANGE, "node %zu: the %s of %s does not fit %s", id, what,
                     op_name(graph->nodes[id].op), dtype_name((int)graph->dtype));
}

static bool is_leaf(const struct graph_node *node)
{
    return node->op == OP_LEAF || node->op == OP_GIVEN;
}

enum code graph_forward(struct graph *graph, struct error *error)
{
    const struct arithmetic *arithmetic = arithmetic_of(graph);
    for (size_t id = 0; id < graph->tape.size; id++) {
        struct graph_node *node = &graph->nodes[id];
        if (is_leaf(node))
            continue;
        if (!arithmetic->forward[node->op](extent_of(graph, id), parent_value(graph, id, 0),
                                           parent_value(graph, id, 1), node->value))
            return out_of_range(graph, id, "value", error);
    }
    return CODE_OK;
}

static enum code no_memory(size_t id, struct error *error)
{
    return error_set(error, CODE_RESOURCE_EXHAUSTED, "node %zu: no memory for its contributions",
                     id);
}

/* The list of an OP_GIVEN, as it is. */
static bool give(const struct contributions *given, enum dtype dtype, struct contributions *vjp)
{
    for (size_t i = 0; i < given->size; i++) {
        const struct contribution *c = &given->list[i];
        uint64_t bytes = contributions_bytes(given, i);
        void *data =
            contributions_add(vjp, c->node, dtype, c->shape, c->ndim, bytes / dtype_size(dtype));
        if (data == NULL)
            return false;
        memcpy(data, given->data[i], bytes);
    }
    return true;
}

static enum code derive(const struct graph *graph, size_t id, const void *gradient,
                        struct contributions *vjp, struct error *error)
{
    const struct graph_node *node = &graph->nodes[id];
    void *to[GRAPH_PARENTS_MAX] = {NULL};
    for (size_t i = 0; i < node->n_parents; i++) {
        const struct node *p = parent(graph, id, i);
        to[i] = contributions_add(vjp, node->parents[i], p->dtype, p->shape, p->ndim, p->elements);
        if (to[i] == NULL)
            return no_memory(id, error);
    }
    if (!arithmetic_of(graph)->vjp[node->op](extent_of(graph, id), parent_value(graph, id, 0),
                                             parent_value(graph, id, 1), gradient, to[0], to[1]))
        return out_of_range(graph, id, "gradient", error);
    return CODE_OK;
}

static enum code fill(const struct graph *graph, size_t id, const void *gradient,
                      struct contributions *vjp, struct error *error)
{
    const struct graph_node *node = &graph->nodes[id];
    if (node->op == OP_GIVEN)
        return give(&node->given, graph->dtype, vjp) ? CODE_OK : no_memory(id, error);
    return node->op == OP_LEAF ? CODE_OK : derive(graph, id, gradient, vjp, error);
}

enum code graph_vjp(const struct graph *graph, size_t id, const void *gradient,
                    struct contributions *vjp, struct error *error)
{
    struct contributions made = {.size = 0};
    enum code code = fill(graph, id, gradient, &made, error);
    if (code == CODE_OK)
        *vjp = made;
    else
        contributions_free(&made);
    return code;
}

void graph_free(struct graph *graph)
{
    for (size_t id = 0; id < graph->tape.size; id++) {
        free(graph->nodes[id].value);
        contributions_free(&graph->nodes[id].given);
    }
    contributions_free(&graph->seeds);
    free(graph->nodes);
    free((void *)graph->tape.nodes);
    *graph = (struct graph){.nodes = NULL};
}
