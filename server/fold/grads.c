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

/* What the definition decides about the whole list before anything is added: for each contribution
 * its decision, then its slot. */
static enum code decide_list(const struct tape *tape, const struct grads *grads,
                             const struct contribution *list, size_t n, size_t *ignored,
                             struct error *error)
{
    struct error refusal;
    size_t decided = grad_decide_list(tape, list, n, ignored, &refusal);
    for (size_t k = 0; k < decided; k++) {
        size_t id = (size_t)list[k].node;
        if (tape->nodes[id].requires_grad && !slot_fits(grads, &tape->nodes[id], id))
            return broken_slot(id, error);
    }
    return decided < n ? error_set(error, refusal.code, "%s", refusal.message) : CODE_OK;
}

static bool goes_to_again(const struct contribution *list, size_t n, uint64_t node)
{
    size_t times = 0;
    for (size_t k = 0; k < n; k++)
        times += list[k].node == node;
    return times > 1;
}

/* Room for all of them: for the only contribution to its slot what it needs; a second one might
 * need anything. */
static enum code prepare_list(const struct tape *tape, struct grads *grads,
                              const struct contribution *list, const void *const *data, size_t n,
                              struct error *error)
{
    for (size_t k = 0; k < n; k++) {
        size_t id = (size_t)list[k].node;
        struct grad_slot *slot = &grads->slots[id];
        if (!tape->nodes[id].requires_grad || slot->sum == NULL)
            continue;
        struct tensor tensor = {.data = data[k], .dtype = (enum dtype)list[k].dtype};
        struct terms terms = {.tensors = &tensor, .count = 1, .first = slot->contributions};
        bool ready = goes_to_again(list, n, list[k].node) ? accumulator_prepare_any(slot->sum)
                                                          : accumulator_prepare(slot->sum, &terms);
        if (!ready)
            return no_memory(id, error);
    }
    return CODE_OK;
}

/* Slot becomes old + g. */
static void slot_add(struct grad_slot *slot, const struct contribution *c, const void *data)
{
    struct tensor tensor = {.data = data, .dtype = (enum dtype)c->dtype};
    struct terms terms = {.tensors = &tensor, .count = 1, .first = slot->contributions};
    if (slot->sum != NULL)
        must(accumulator_add(slot->sum, &terms, 0, fold_blocks(slot->elements)));
    slot->contributions++;
}

static void add_list(const struct tape *tape, struct grads *grads, const struct contribution *list,
                     const void *const *data, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (tape->nodes[list[k].node].requires_grad)
            slot_add(&grads->slots[list[k].node], &list[k], data[k]);
}

enum code grads_add_list(const struct tape *tape, struct grads *grads,
                         const struct contribution *list, const void *const *data, size_t n,
                         size_t *ignored, struct error *error)
{
    size_t frozen;
    enum code code = decide_list(tape, grads, list, n, &frozen, error);
    if (code == CODE_OK)
        code = prepare_list(tape, grads, list, data, n, error);
    if (code != CODE_OK)
        return code;
    add_list(tape, grads, list, data, n);
    *ignored = frozen;
    return CODE_OK;
}

enum code grad_add_all(const struct tape *tape, struct grads *grads, const struct contribution *c,
                       const void *data, struct error *error)
{
    size_t ignored;
    return grads_add_list(tape, grads, c, &data, 1, &ignored, error);
}

enum code grads_step(const struct tape *tape, struct grads *grads, size_t id,
                     const struct contribution *list, const void *const *data, size_t n,
                     size_t *ignored, struct error *error)
{
    if (id >= tape->size)
        return error_set(error, CODE_UNKNOWN_NODE, "node %zu: the tape has %zu nodes", id,
                         tape->size);
    for (size_t k = 0; k < n; k++)
        if (list[k].node >= id && list[k].node < tape->size)
            return error_set(error, CODE_INVALID_ARGUMENT,
                             "node %" PRIu64 " is not before node %zu, whose parent it is to be",
                             list[k].node, id);
    return grads_add_list(tape, grads, list, data, n, ignored, error);
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
