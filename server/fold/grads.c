#include "fold/grads.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/shape.h"
#include "fold/state.h"

static struct fold_rule slot_rule(const struct grads *grads, const struct node *node)
{
    return (struct fold_rule){
        .dtype = node->dtype, .accumulation = grads->accumulation, .reduction = grads->reduction};
}

static bool holds_sum(const struct node *node)
{
    return node->requires_grad && node->elements > 0;
}

static enum code no_memory(size_t id, struct error *error)
{
    return error_set(error, CODE_RESOURCE_EXHAUSTED, "node %zu: no memory for its accumulator", id);
}

enum code grads_init(struct grads *grads, const struct tape *tape, enum accumulation accumulation,
                     enum reduction reduction, struct fold_budget *budget, struct error *error)
{
    struct grads g = {.accumulation = accumulation, .reduction = reduction};
    g.slots =
        calloc(tape->size + 1, sizeof *g.slots); /* one more: an empty tape has an array too */
    if (g.slots == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory for %zu slots", tape->size);
    for (size_t i = 0; i < tape->size; i++) {
        const struct node *node = &tape->nodes[i];
        struct grad_slot *slot = &g.slots[i];
        slot->shape = node->shape;
        slot->ndim = node->ndim;
        slot->elements = node->elements;
        g.size = i + 1;
        if (!holds_sum(node))
            continue;
        struct fold_rule rule = slot_rule(&g, node);
        slot->sum = accumulator_new(&rule, node->elements, budget);
        if (slot->sum == NULL) {
            grads_free(&g);
            return no_memory(i, error);
        }
    }
    *grads = g;
    return CODE_OK;
}

void grads_free(struct grads *grads)
{
    for (size_t i = 0; i < grads->size; i++)
        accumulator_free(grads->slots[i].sum);
    free(grads->slots);
    *grads = (struct grads){0};
}

/* Step 4: the array is ours, and what it is was proved to be preserved; look all the same. */
static bool slot_fits(const struct grads *grads, const struct node *node, size_t id)
{
    if (id >= grads->size)
        return false;
    const struct grad_slot *slot = &grads->slots[id];
    return shape_equal(slot->shape, slot->ndim, node->shape, node->ndim) &&
           slot->elements == node->elements && (slot->sum != NULL) == holds_sum(node);
}

static enum code broken_slot(size_t id, struct error *error)
{
    return error_set(error, CODE_INTERNAL, "node %zu: the gradient array has no such slot", id);
}

enum code grad_add_all(const struct tape *tape, struct grads *grads, const struct contribution *c,
                       const void *data, struct error *error)
{
    struct error decided;
    enum grad_decision decision = grad_decide(tape, c, &decided);
    if (decision == GRAD_ERROR)
        return error_set(error, decided.code, "%s", decided.message);
    if (decision == GRAD_IGNORE)
        return CODE_OK;
    size_t id = (size_t)c->node;
    const struct node *node = &tape->nodes[id];
    if (!slot_fits(grads, node, id))
        return broken_slot(id, error);
    struct grad_slot *slot = &grads->slots[id];
    struct tensor tensor = {.data = data, .dtype = (enum dtype)c->dtype};
    struct terms terms = {.tensors = &tensor, .count = 1, .first = slot->contributions};
    if (slot->sum != NULL) {
        if (!accumulator_prepare(slot->sum, &terms))
            return no_memory(id, error);
        must(accumulator_add(slot->sum, &terms, 0, fold_blocks(slot->elements)));
    }
    slot->contributions++;
    return CODE_OK;
}

enum code grads_read(const struct tape *tape, const struct grads *grads, size_t id, void *out,
                     struct error *error)
{
    if (id >= tape->size)
        return error_set(error, CODE_UNKNOWN_NODE, "node %zu: the tape has %zu nodes", id,
                         tape->size);
    const struct node *node = &tape->nodes[id];
    if (!slot_fits(grads, node, id))
        return broken_slot(id, error);
    const struct grad_slot *slot = &grads->slots[id];
    struct fold_rule rule = slot_rule(grads, node);
    struct terms none = {.tensors = NULL, .count = 0, .first = slot->contributions};
    if (!fold_read(&rule, slot->sum, &none, slot->contributions, slot->elements, out, 0,
                   fold_blocks(slot->elements)))
        return error_set(error, CODE_OUT_OF_RANGE, "node %zu: the sum does not fit %s", id,
                         dtype_name(node->dtype));
    return CODE_OK;
}
