/* The executable Tape.addGradAll: the dense gradient array of a tape, and the one function that
 * adds an indexed contribution to it. This is the definition that everything faster is tested
 * against. */
#pragma once

#include "fold/fold.h"
#include "fold/tape.h"

/* A slot as the array holds it: its own shape, so that step 4 of the definition can be checked. */
struct grad_slot {
    const uint64_t *shape; /* borrowed from the tape */
    size_t ndim;
    uint64_t elements;
    uint64_t contributions;  /* added so far */
    struct accumulator *sum; /* owned; NULL for a frozen or empty node */
};

struct grads {
    struct grad_slot *slots;
    size_t size;
    enum accumulation accumulation;
    enum reduction reduction;
};

/*@ predicate grads_valid{L}(struct grads *g) =
  @     \valid(g) && (g->size > 0 ==> \valid(g->slots + (0 .. g->size - 1))) &&
  @     (\forall integer i; 0 <= i < g->size ==>
  @         shape_readable(g->slots[i].shape, g->slots[i].ndim)) &&
  @     (\forall integer i; 0 <= i < g->size && g->slots[i].sum != \null ==>
  @         held_count(g->slots[i].sum) == g->slots[i].contributions &&
  @         held_elements(g->slots[i].sum) == g->slots[i].elements) &&
  @     (\forall integer i, j; 0 <= i < j < g->size && g->slots[i].sum != \null &&
  @         g->slots[j].sum != \null ==>
  @         cell_of(g->slots[i].sum) != cell_of(g->slots[j].sum));
  @ predicate grads_apart{L}(struct grads *g, struct tape *t, struct contribution *list,
  @                          integer n) =
  @     \separated(g->slots + (0 .. g->size - 1), g) &&
  @     \separated(g->slots + (0 .. g->size - 1), t) &&
  @     \separated(g->slots + (0 .. g->size - 1), t->nodes + (0 .. t->size - 1)) &&
  @     \separated(g->slots + (0 .. g->size - 1), list + (0 .. n - 1));
  @ predicate room_to_count{L}(struct grads *g, integer n) =
  @     \forall integer i; 0 <= i < g->size ==> g->slots[i].contributions + n <= UINT64_MAX;
  @
  @ predicate slot_is{L}(struct grad_slot *s, struct node *node) =
  @     same_shape(s->shape, s->ndim, node->shape, node->ndim) &&
  @     s->elements == node->elements &&
  @     (s->sum != \null <==> node->requires_grad && node->elements > 0);
  @ predicate has_slot{L}(struct tape *t, struct grads *g, struct contribution *c) =
  @     t->nodes[c->node].requires_grad ==>
  @         c->node < g->size && slot_is(g->slots + c->node, t->nodes + c->node);
  @ predicate all_have_slots{L}(struct tape *t, struct grads *g, struct contribution *list,
  @                             integer n) =
  @     \forall integer k; 0 <= k < n ==> has_slot(t, g, list + k);
  @ predicate first_error{L}(struct tape *t, struct grads *g, struct contribution *list, integer n,
  @                          integer code) =
  @     \exists integer k; 0 <= k < n && all_fine(t, list, k) && all_have_slots(t, g, list, k) &&
  @         (refused_as(t, list + k, code) ||
  @          (code == CODE_INTERNAL && is_fine(t, list + k) && !has_slot(t, g, list + k)));
  @ predicate addable{L}(struct tape *t, struct grads *g, struct contribution *list, integer n) =
  @     \forall integer k; 0 <= k < n ==> on_tape(t, list + k) && known_dtype(list + k) &&
  @         (t->nodes[list[k].node].requires_grad ==> list[k].node < g->size);
  @
  @ // What the first n of the list come to at node `id`: how many, and start + each in turn.
  @ logic integer times{L}(struct contribution *list, integer n, integer id) =
  @     n <= 0 ? 0 : times(list, n - 1, id) + (list[n - 1].node == id ? 1 : 0);
  @ logic sum folded{L}(struct contribution *list, void **data, integer n, integer id, integer i,
  @                     sum start) =
  @     n <= 0 ? start :
  @     list[n - 1].node == id
  @         ? plus(folded(list, data, n - 1, id, i, start),
  @                given(data[n - 1], list[n - 1].dtype, i))
  @         : folded(list, data, n - 1, id, i, start);
  @ predicate unnamed{L}(struct contribution *list, integer n, integer id) =
  @     \forall integer k; 0 <= k < n ==> list[k].node != id;
  @ predicate within{L}(struct contribution *list, integer n, integer pref, integer mid) =
  @     \forall integer k; 0 <= k < n ==> pref <= list[k].node < pref + mid;
  @ predicate outside(integer pref, integer mid, integer id) = id < pref || pref + mid <= id;
  @ predicate receives{L}(struct tape *t, integer id) =
  @     id < t->size && t->nodes[id].requires_grad;
  @
  @ predicate same_slots{L1, L2}(struct grads *g) =
  @     (\forall integer id; 0 <= id < \at(g->size, L1) ==>
  @         \at(g->slots[id].contributions, L2) == \at(g->slots[id].contributions, L1)) &&
  @     (\forall integer id, i;
  @         0 <= id < \at(g->size, L1) && \at(g->slots[id].sum, L1) != \null ==>
  @         held{L2}(\at(g->slots[id].sum, L1), i) == held{L1}(\at(g->slots[id].sum, L1), i));
  @
  @ // Slots that receive got the list, the others are as they were.
  @ predicate counted{L1, L2}(struct tape *t, struct grads *g, struct contribution *list,
  @                           integer n) =
  @     \forall integer id; 0 <= id < \at(g->size, L1) && receives{L1}(t, id) ==>
  @         \at(g->slots[id].contributions, L2) ==
  @             \at(g->slots[id].contributions, L1) + times{L1}(list, n, id);
  @ predicate summed{L1, L2}(struct tape *t, struct grads *g, struct contribution *list,
  @                          void **data, integer n) =
  @     \forall integer id, i; 0 <= id < \at(g->size, L1) && receives{L1}(t, id) &&
  @                           \at(g->slots[id].sum, L1) != \null ==>
  @         held{L2}(\at(g->slots[id].sum, L1), i) ==
  @             folded{L1}(list, data, n, id, i, held{L1}(\at(g->slots[id].sum, L1), i));
  @ predicate others_same{L1, L2}(struct tape *t, struct grads *g) =
  @     (\forall integer id; 0 <= id < \at(g->size, L1) && !receives{L1}(t, id) ==>
  @         \at(g->slots[id].contributions, L2) == \at(g->slots[id].contributions, L1)) &&
  @     (\forall integer id, i; 0 <= id < \at(g->size, L1) && !receives{L1}(t, id) &&
  @                            \at(g->slots[id].sum, L1) != \null ==>
  @         held{L2}(\at(g->slots[id].sum, L1), i) == held{L1}(\at(g->slots[id].sum, L1), i));
  @ predicate unnamed_same{L1, L2}(struct grads *g, struct contribution *list, integer n) =
  @     (\forall integer id; 0 <= id < \at(g->size, L1) && unnamed{L1}(list, n, id) ==>
  @         \at(g->slots[id].contributions, L2) == \at(g->slots[id].contributions, L1)) &&
  @     (\forall integer id, i; 0 <= id < \at(g->size, L1) && unnamed{L1}(list, n, id) &&
  @                            \at(g->slots[id].sum, L1) != \null ==>
  @         held{L2}(\at(g->slots[id].sum, L1), i) == held{L1}(\at(g->slots[id].sum, L1), i)); */

/* All slots zero. tape and budget are borrowed until grads_free. CODE_RESOURCE_EXHAUSTED without
 * memory. */
MUST_USE enum code grads_init(struct grads *grads, const struct tape *tape,
                              enum accumulation accumulation, enum reduction reduction,
                              struct fold_budget *budget, struct error *error);

void grads_free(struct grads *grads);

/* addGradAll tape grads c.node g, deciding in this order (DESIGN: TorchLean, Runtime Gradient
 * Accumulation Link):
 *   1. no node on the tape                      CODE_UNKNOWN_NODE
 *   2. frozen node                              success, nothing changes, whatever the shape
 *   3. shape or dtype is not the node's         CODE_SHAPE_MISMATCH, CODE_DTYPE_MISMATCH
 *   4. no slot, or a slot of another shape      CODE_INTERNAL
 *   5. otherwise slot c.node becomes old + data, elementwise; no other slot changes
 * On an error nothing changes. data: the tensor's bytes, borrowed for the call. */
/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(c, 1);
  @ requires error == \null || \valid(error);
  @ requires grads_apart(grads, tape, c, 1) && room_to_count(grads, 1);
  @ assigns grads->slots[0 .. grads->size - 1].contributions;
  @ assigns accumulator_cells[0 .. 0x3fffffff], *error;
  @ ensures size: grads->size == \old(grads->size) && grads_valid(grads);
  @ ensures refused: !is_fine{Pre}(tape, c) ==> refused_as{Pre}(tape, c, \result);
  @ ensures verdict: \result == CODE_OK || refused_as{Pre}(tape, c, \result) ||
  @     (\result == CODE_RESOURCE_EXHAUSTED && is_added{Pre}(tape, c)) ||
  @     (\result == CODE_INTERNAL && is_added{Pre}(tape, c) && !has_slot{Pre}(tape, grads, c));
  @ ensures frozen: is_ignored{Pre}(tape, c) ==> \result == CODE_OK && same_slots{Pre, Post}(grads);
  @ ensures nothing: \result != CODE_OK ==> same_slots{Pre, Post}(grads);
  @ ensures only_its_slot: unnamed_same{Pre, Post}(grads, c, 1);
  @ ensures counted: \result == CODE_OK && is_added{Pre}(tape, c) ==>
  @     \let id = \old(c->node);
  @     grads->slots[id].contributions == \at(grads->slots[\at(id, Post)].contributions, Pre) + 1;
  @ ensures added: \result == CODE_OK && is_added{Pre}(tape, c) ==> \let id = \old(c->node);
  @     grads->slots[id].sum != \null ==> \forall integer i;
  @     held(grads->slots[id].sum, i) == plus(held{Pre}(grads->slots[id].sum, i),
  @                                           given(data, \old(c->dtype), i)); */
MUST_USE enum code grad_add_all(const struct tape *tape, struct grads *grads,
                                const struct contribution *c, const void *data,
                                struct error *error);

/* The fold over a list, foldlM addGradAll: contribution after contribution, all or nothing. The
 * first error of the list is the list's; then nothing changes, and so with CODE_RESOURCE_EXHAUSTED:
 * memory is found before anything is added. Slots that no contribution names do not change.
 *
 * data[k]: the tensor of list[k], borrowed for the call. *ignored: how many went to frozen nodes;
 * set on success. */
/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(list, n);
  @ requires n > 0 ==> \valid_read(data + (0 .. n - 1));
  @ requires \valid(ignored) && (error == \null || \valid(error));
  @ requires grads_apart(grads, tape, list, n) && room_to_count(grads, n);
  @ requires \separated(ignored, error) && \separated(ignored, grads) &&
  @          \separated(ignored, grads->slots + (0 .. grads->size - 1));
  @ assigns grads->slots[0 .. grads->size - 1].contributions;
  @ assigns accumulator_cells[0 .. 0x3fffffff], *ignored, *error;
  @ ensures size: grads->size == \old(grads->size) && grads_valid(grads);
  @ ensures verdict: \result == CODE_OK || first_error{Pre}(tape, grads, list, n, \result) ||
  @     (\result == CODE_RESOURCE_EXHAUSTED && all_fine{Pre}(tape, list, n) &&
  @      \exists integer k; 0 <= k < n && receives{Pre}(tape, \at(list[\at(k, Post)].node, Pre)));
  @ ensures fine: \result == CODE_OK ==>
  @     all_fine{Pre}(tape, list, n) && all_have_slots{Pre}(tape, grads, list, n);
  @ ensures ignored: \result == CODE_OK ==> *ignored == frozen_among{Pre}(tape, list, n);
  @ ensures counts: \result == CODE_OK ==> counted{Pre, Post}(tape, grads, list, n);
  @ ensures sums: \result == CODE_OK ==> summed{Pre, Post}(tape, grads, list, data, n);
  @ ensures frozen: others_same{Pre, Post}(tape, grads);
  @ ensures nothing: \result != CODE_OK ==> same_slots{Pre, Post}(grads);
  @ ensures unnamed: unnamed_same{Pre, Post}(grads, list, n);
  @ // As TorchLean says it: pref ++ seed ++ suffix becomes pref ++ (seed + contrib) ++ suffix.
  @ ensures pref_and_suffix_counts: \forall integer pref, mid, id;
  @     within{Pre}(list, n, pref, mid) && outside(pref, mid, id) && 0 <= id < grads->size ==>
  @     grads->slots[id].contributions == \old(grads->slots[id].contributions);
  @ ensures pref_and_suffix_sums: \forall integer pref, mid, id, i;
  @     within{Pre}(list, n, pref, mid) && outside(pref, mid, id) && 0 <= id < grads->size &&
  @     grads->slots[id].sum != \null ==>
  @     held(grads->slots[id].sum, i) == \old(held(grads->slots[id].sum, i)); */
MUST_USE enum code grads_add_list(const struct tape *tape, struct grads *grads,
                                  const struct contribution *list, const void *const *data,
                                  size_t n, size_t *ignored, struct error *error);

/* One step of the reverse loop, backwardDenseFromStep: `list` is what the VJP of node `id` gives.
 * CODE_UNKNOWN_NODE without node `id`; else as grads_add_list. As in the source, any node may be
 * named, also `id` itself and later ones, which the loop has passed. */
/*@ requires grads_valid(grads) && tape_readable(tape) && list_readable(list, n);
  @ requires n > 0 ==> \valid_read(data + (0 .. n - 1));
  @ requires \valid(ignored) && (error == \null || \valid(error));
  @ requires grads_apart(grads, tape, list, n) && room_to_count(grads, n);
  @ requires \separated(ignored, error) && \separated(ignored, grads) &&
  @          \separated(ignored, grads->slots + (0 .. grads->size - 1));
  @ assigns grads->slots[0 .. grads->size - 1].contributions;
  @ assigns accumulator_cells[0 .. 0x3fffffff], *ignored, *error;
  @ ensures size: grads->size == \old(grads->size) && grads_valid(grads);
  @ ensures no_node: id >= \at(tape->size, Pre) ==> \result == CODE_UNKNOWN_NODE;
  @ ensures verdict: id < \at(tape->size, Pre) ==>
  @     \result == CODE_OK || first_error{Pre}(tape, grads, list, n, \result) ||
  @     (\result == CODE_RESOURCE_EXHAUSTED && all_fine{Pre}(tape, list, n) &&
  @      \exists integer k; 0 <= k < n && receives{Pre}(tape, \at(list[\at(k, Post)].node, Pre)));
  @ ensures fine: \result == CODE_OK ==>
  @     all_fine{Pre}(tape, list, n) && all_have_slots{Pre}(tape, grads, list, n);
  @ ensures ignored: \result == CODE_OK ==> *ignored == frozen_among{Pre}(tape, list, n);
  @ ensures counts: \result == CODE_OK ==> counted{Pre, Post}(tape, grads, list, n);
  @ ensures sums: \result == CODE_OK ==> summed{Pre, Post}(tape, grads, list, data, n);
  @ ensures frozen: others_same{Pre, Post}(tape, grads);
  @ ensures nothing: \result != CODE_OK ==> same_slots{Pre, Post}(grads);
  @ ensures unnamed: unnamed_same{Pre, Post}(grads, list, n); */
MUST_USE enum code grads_step(const struct tape *tape, struct grads *grads, size_t id,
                              const struct contribution *list, const void *const *data, size_t n,
                              size_t *ignored, struct error *error);

/* Rounds slot id into out (the node's bytes). CODE_OUT_OF_RANGE for an integer sum out of its type.
 */
MUST_USE enum code grads_read(const struct tape *tape, const struct grads *grads, size_t id,
                              void *out, struct error *error);
