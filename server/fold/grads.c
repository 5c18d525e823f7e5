#include "fold/grads.h"

#include <stdlib.h>

#include "base/shape.h"
#include "fold/state.h"

static struct fold_rule slot_rule(const struct grads *grads, const struct node *node)
{
    return (struct fold_rule){
        .dtype = node->dtype, .accumulation = grads->accumulation, .reduction = grads->reduction};
}

/*@ requires \valid_read(node);
  @ assigns \nothing;
  @ ensures \result <==> node->requires_grad && node->elements > 0; */
static bool holds_sum(const struct node *node)
{
    return node->requires_grad && node->elements > 0;
}

/*@ requires error == \null || \valid(error);
  @ assigns *error;
  @ ensures \result == CODE_RESOURCE_EXHAUSTED; */
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
/*@ requires grads_valid(grads) && \valid_read(node) && shape_readable(node->shape, node->ndim);
  @ assigns \nothing;
  @ ensures \result <==> id < grads->size && slot_is(grads->slots + id, node); */
static bool slot_fits(const struct grads *grads, const struct node *node, size_t id)
{
    if (id >= grads->size)
        return false;
    const struct grad_slot *slot = &grads->slots[id];
    return shape_equal(slot->shape, slot->ndim, node->shape, node->ndim) &&
           slot->elements == node->elements && (slot->sum != NULL) == holds_sum(node);
}

/*@ requires error == \null || \valid(error);
  @ assigns *error;
  @ ensures \result == CODE_INTERNAL; */
static enum code broken_slot(size_t id, struct error *error)
{
    return error_set(error, CODE_INTERNAL, "node %zu: the gradient array has no such slot", id);
}

/* What the definition decides about the whole list before anything is added: for each contribution
 * its decision, then its slot. */
/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(list, n);
  @ requires \valid(ignored) && (error == \null || \valid(error));
  @ requires \separated(ignored, error);
  @ assigns *ignored, *error;
  @ ensures \result == CODE_OK ==>
  @     all_fine{Pre}(tape, list, n) && all_have_slots{Pre}(tape, grads, list, n) &&
  @     *ignored == frozen_among{Pre}(tape, list, n);
  @ ensures \result != CODE_OK ==> first_error{Pre}(tape, grads, list, n, \result); */
static enum code decide_list(const struct tape *tape, const struct grads *grads,
                             const struct contribution *list, size_t n, size_t *ignored,
                             struct error *error)
{
    struct error refusal;
    size_t frozen;
    size_t decided = grad_decide_list(tape, list, n, &frozen, &refusal);
    /*@ assert \forall integer k; 0 <= k < decided ==>
      @     list[k].node == \at(list[\at(k, Here)].node, Pre) && list[k].node < tape->size; */
    /*@ assert tape_readable(tape) && grads_valid(grads); */
    /*@ loop invariant 0 <= k <= decided;
      @ loop invariant all_have_slots{Pre}(tape, grads, list, k);
      @ loop assigns k;
      @ loop variant decided - k; */
    for (size_t k = 0; k < decided; k++) {
        size_t id = (size_t)list[k].node;
        if (tape->nodes[id].requires_grad && !slot_fits(grads, &tape->nodes[id], id))
            return broken_slot(id, error);
    }
    *ignored = frozen;
    return decided < n ? error_set(error, refusal.code, "%s", refusal.message) : CODE_OK;
}

/*@ requires n > 0 ==> \valid_read(list + (0 .. n - 1));
  @ assigns \nothing;
  @ ensures \result <==> times(list, n, node) > 1; */
static bool goes_to_again(const struct contribution *list, size_t n, uint64_t node)
{
    size_t found = 0;
    /*@ loop invariant 0 <= found <= k <= n && found == times(list, k, node);
      @ loop assigns k, found;
      @ loop variant n - k; */
    for (size_t k = 0; k < n; k++)
        if (list[k].node == node)
            found++;
    return found > 1;
}

/* Room for all of them: for the only contribution to its slot what it needs; a second one might
 * need anything. */
/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(list, n);
  @ requires n > 0 ==> \valid_read(data + (0 .. n - 1));
  @ requires error == \null || \valid(error);
  @ requires addable(tape, grads, list, n);
  @ assigns accumulator_cells[0 .. 0x3fffffff], *error;
  @ ensures \result == CODE_OK ||
  @     (\result == CODE_RESOURCE_EXHAUSTED &&
  @      \exists integer k; 0 <= k < n && receives{Pre}(tape, \at(list[\at(k, Post)].node, Pre)));
  @ ensures grads_valid(grads) && same_slots{Pre, Post}(grads); */
static enum code prepare_list(const struct tape *tape, struct grads *grads,
                              const struct contribution *list, const void *const *data, size_t n,
                              struct error *error)
{
    /*@ loop invariant 0 <= k <= n;
      @ loop invariant grads_valid(grads) && same_slots{Pre, Here}(grads);
      @ loop assigns k, accumulator_cells[0 .. 0x3fffffff];
      @ loop variant n - k; */
    for (size_t k = 0; k < n; k++) {
        size_t id = (size_t)list[k].node;
        if (!tape->nodes[id].requires_grad || grads->slots[id].sum == NULL)
            continue;
        struct grad_slot *slot = &grads->slots[id];
        struct tensor tensor = {.data = data[k], .dtype = (enum dtype)list[k].dtype};
        struct terms terms = {.tensors = &tensor, .count = 1, .first = slot->contributions};
        bool ready = goes_to_again(list, n, list[k].node) ? accumulator_prepare_any(slot->sum)
                                                          : accumulator_prepare(slot->sum, &terms);
        if (!ready)
            return no_memory(id, error);
    }
    return CODE_OK;
}

/* Slot id becomes old + g; no other slot changes. */
/*@ requires grads_valid(grads) && id < grads->size && valid_dtype(dtype);
  @ requires grads->slots[id].contributions < UINT64_MAX;
  @ requires \separated(grads->slots + (0 .. grads->size - 1), grads);
  @ assigns grads->slots[id].contributions;
  @ assigns accumulator_cells[cell_of(grads->slots[id].sum)];
  @ ensures grads_valid(grads);
  @ ensures \forall integer other, i;
  @     0 <= other < grads->size && other != id && grads->slots[other].sum != \null ==>
  @     held(grads->slots[other].sum, i) == \old(held(grads->slots[other].sum, i));
  @ ensures grads->slots[id].contributions == \old(grads->slots[id].contributions) + 1;
  @ ensures grads->slots[id].sum != \null ==> \forall integer i;
  @     held(grads->slots[id].sum, i) ==
  @         plus(\old(held(grads->slots[id].sum, i)), given(data, dtype, i)); */
static void slot_add(struct grads *grads, size_t id, enum dtype dtype, const void *data)
{
    struct grad_slot *slot = &grads->slots[id];
    struct tensor tensor = {.data = data, .dtype = dtype};
    struct terms terms = {.tensors = &tensor, .count = 1, .first = slot->contributions};
    if (slot->sum != NULL)
        must(accumulator_add(slot->sum, &terms, 0, fold_blocks(slot->elements)));
    slot->contributions++;
}

/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(list, n);
  @ requires n > 0 ==> \valid_read(data + (0 .. n - 1));
  @ requires grads_apart(grads, tape, list, n) && room_to_count(grads, n);
  @ requires addable(tape, grads, list, n);
  @ assigns grads->slots[0 .. grads->size - 1].contributions;
  @ assigns accumulator_cells[0 .. 0x3fffffff];
  @ ensures grads_valid(grads);
  @ ensures counted{Pre, Post}(tape, grads, list, n);
  @ ensures summed{Pre, Post}(tape, grads, list, data, n);
  @ ensures others_same{Pre, Post}(tape, grads);
  @ ensures unnamed_same{Pre, Post}(grads, list, n); */
static void add_list(const struct tape *tape, struct grads *grads, const struct contribution *list,
                     const void *const *data, size_t n)
{
    /*@ loop invariant 0 <= k <= n;
      @ loop invariant grads->size == \at(grads->size, Pre) && tape->size == \at(tape->size, Pre);
      @ loop invariant grads_valid(grads);
      @ loop invariant others_same{Pre, Here}(tape, grads);
      @ loop invariant unnamed_same{Pre, Here}(grads, list, n);
      @ loop invariant \forall integer j; 0 <= j < n ==> list[j].node == \at(list[j].node, Pre);
      @ loop invariant \forall integer id; 0 <= times{Pre}(list, k, id) <= k;
      @ loop invariant counted{Pre, Here}(tape, grads, list, k);
      @ loop invariant summed{Pre, Here}(tape, grads, list, data, k);
      @ loop assigns k, grads->slots[0 .. \at(grads->size, Pre) - 1].contributions;
      @ loop assigns accumulator_cells[0 .. 0x3fffffff];
      @ loop variant n - k; */
    for (size_t k = 0; k < n; k++) {
        size_t id = (size_t)list[k].node;
        if (!tape->nodes[id].requires_grad)
            continue;
        /*@ assert id < grads->size && known_dtype(list + k) && receives{Pre}(tape, id); */
        /*@ assert \separated(grads->slots + id, list + (0 .. n - 1)); */
        slot_add(grads, id, (enum dtype)list[k].dtype, data[k]);
        /*@ assert step: \forall integer o, i, sum start;
          @     folded{Pre}(list, data, k + 1, o, i, start) ==
          @         (o == id ? plus(folded{Pre}(list, data, k, o, i, start),
          @                         given(data[k], list[k].dtype, i))
          @                  : folded{Pre}(list, data, k, o, i, start)); */
        /*@ assert this: grads->slots[id].sum != \null ==> \forall integer i;
          @     held(grads->slots[id].sum, i) == folded{Pre}(list, data, k + 1, id, i,
          @         \at(held(grads->slots[\at(id, Here)].sum, \at(i, Here)), Pre)); */
    }
}

enum code grads_add_list(const struct tape *tape, struct grads *grads,
                         const struct contribution *list, const void *const *data, size_t n,
                         size_t *ignored, struct error *error)
{
    /*@ assert \forall integer pref, mid, id;
      @     within(list, n, pref, mid) && outside(pref, mid, id) ==> unnamed(list, n, id); */
    size_t frozen;
    enum code code = decide_list(tape, grads, list, n, &frozen, error);
    if (code == CODE_OK)
        code = prepare_list(tape, grads, list, data, n, error);
    if (code != CODE_OK)
        return code;
    /*@ assert addable(tape, grads, list, n); */
    /*@ assert frozen == frozen_among{Pre}(tape, list, n); */
    add_list(tape, grads, list, data, n);
    *ignored = frozen;
    return CODE_OK;
}

enum code grad_add_all(const struct tape *tape, struct grads *grads, const struct contribution *c,
                       const void *data, struct error *error)
{
    size_t ignored;
    /*@ assert times(c, 1, c->node) == 1; */
    /*@ assert \forall integer i, sum start; folded(c, &data, 1, c->node, i, start) ==
      @     plus(start, given(data, c->dtype, i)); */
    return grads_add_list(tape, grads, c, &data, 1, &ignored, error);
}

enum code grads_step(const struct tape *tape, struct grads *grads, size_t id,
                     const struct contribution *list, const void *const *data, size_t n,
                     size_t *ignored, struct error *error)
{
    if (id >= tape->size)
        return error_set(error, CODE_UNKNOWN_NODE, "node %zu: the tape has %zu nodes", id,
                         tape->size);
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
