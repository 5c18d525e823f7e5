#include "backward.h"

#include <stdlib.h>

/* foldlM addGradAll: the first error ends it. */
static enum code add_all(const struct tape *tape, struct grads *grads,
                         const struct contributions *contributions, struct error *error)
{
    enum code code = CODE_OK;
    for (size_t i = 0; i < contributions->size && code == CODE_OK; i++)
        code = grad_add_all(tape, grads, &contributions->list[i], contributions->data[i], error);
    return code;
}

static enum code step_at(const struct graph *graph, struct grads *grads, size_t id, void *gradient,
                         struct error *error)
{
    struct contributions contributions;
    enum code code = grads_read(&graph->tape, grads, id, gradient, error);
    if (code == CODE_OK)
        code = graph_vjp(graph, id, gradient, &contributions, error);
    if (code != CODE_OK)
        return code;
    code = add_all(&graph->tape, grads, &contributions, error);
    contributions_free(&contributions);
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
    struct grads dense;
    enum code code = grads_init(&dense, &graph->tape, accumulation, REDUCTION_SUM, budget, error);
    if (code != CODE_OK)
        return code;
    code = add_all(&graph->tape, &dense, &graph->seeds, error);
    for (size_t id = graph->tape.size; id > 0 && code == CODE_OK; id--)
        code = backward_step(graph, &dense, id - 1, error);
    if (code == CODE_OK)
        *grads = dense;
    else
        grads_free(&dense);
    return code;
}
