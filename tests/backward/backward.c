#include "backward.h"

#include <stdlib.h>

static enum code step_at(const struct graph *graph, struct grads *grads, size_t id, void *gradient,
                         struct error *error)
{
    struct contributions vjp;
    size_t ignored;
    enum code code = grads_read(&graph->tape, grads, id, gradient, error);
    if (code == CODE_OK)
        code = graph_vjp(graph, id, gradient, &vjp, error);
    if (code != CODE_OK)
        return code;
    code = grads_step(&graph->tape, grads, id, vjp.list, vjp.data, vjp.size, &ignored, error);
    contributions_free(&vjp);
    return code;
}

enum code backward_step(const struct graph *graph, struct grads *grads, size_t id,
                        struct error *error)
{
    const struct node *node = &graph->tape.nodes[id];
    if (!node->requires_grad)
        return CODE_OK;
    void *gradient = malloc(node->bytes + 1);
    if (gradient == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "node %zu: no memory for its gradient",
                         id);
    enum code code = step_at(graph, grads, id, gradient, error);
    free(gradient);
    return code;
}

enum code backward_dense_from(const struct graph *graph, enum accumulation accumulation,
                              struct fold_budget *budget, struct grads *grads, struct error *error)
{
    const struct contributions *seeds = &graph->seeds;
    struct grads dense;
    size_t ignored;
    enum code code = grads_init(&dense, &graph->tape, accumulation, REDUCTION_SUM, budget, error);
    if (code != CODE_OK)
        return code;
    code = grads_add_list(&graph->tape, &dense, seeds->list, seeds->data, seeds->size, &ignored,
                          error);
    for (size_t id = graph->tape.size; id > 0 && code == CODE_OK; id--)
        code = backward_step(graph, &dense, id - 1, error);
    if (code == CODE_OK)
        *grads = dense;
    else
        grads_free(&dense);
    return code;
}
