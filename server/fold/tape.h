/* The tape of a job: its nodes in order, a node's id being its index. And the decision of
 * TorchLean's Tape.addGradAll about one contribution, in its exact order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/must.h"
#include "base/shape.h" /* for the contracts */

struct node {
    const char *name;      /* "" for a node without a name */
    const uint64_t *shape; /* ndim dimensions, outermost first */
    size_t ndim;
    enum dtype dtype;
    bool requires_grad;
    uint32_t
        expected; /* contributions that complete the node in an open round; 0: the close does */
    uint64_t elements;
    uint64_t bytes;
    uint64_t offset; /* bytes before this node in a round's dense array; frozen nodes take none */
};

struct tape {
    const struct node *nodes;
    size_t size;
};

/* What a contribution says of itself, before its bytes are looked at. */
struct contribution {
    uint64_t node;
    int dtype; /* any number, as it came off the wire */
    const uint64_t *shape;
    size_t ndim;
};

enum grad_decision {
    GRAD_ERROR = 0, /* the error says which; nothing may change */
    GRAD_IGNORE,    /* the node is frozen: success, nothing changes, whatever the shape */
    GRAD_ADD,       /* slot `node` becomes old + g, elementwise */
};

/*@ predicate tape_readable{L}(struct tape *t) =
  @     \valid_read(t) && (t->size > 0 ==> \valid_read(t->nodes + (0 .. t->size - 1))) &&
  @     \forall integer i; 0 <= i < t->size ==>
  @         shape_readable(t->nodes[i].shape, t->nodes[i].ndim);
  @ predicate contribution_readable{L}(struct contribution *c) =
  @     \valid_read(c) && shape_readable(c->shape, c->ndim);
  @
  @ predicate on_tape{L}(struct tape *t, struct contribution *c) = c->node < t->size;
  @ predicate known_dtype{L}(struct contribution *c) = valid_dtype(c->dtype);
  @ predicate is_frozen{L}(struct tape *t, struct contribution *c) =
  @     !t->nodes[c->node].requires_grad;
  @ predicate has_shape{L}(struct tape *t, struct contribution *c) =
  @     same_shape(t->nodes[c->node].shape, t->nodes[c->node].ndim, c->shape, c->ndim);
  @ predicate widens_to{L}(struct tape *t, struct contribution *c) =
  @     widens(c->dtype, t->nodes[c->node].dtype);
  @
  @ predicate is_ignored{L}(struct tape *t, struct contribution *c) =
  @     on_tape(t, c) && known_dtype(c) && is_frozen(t, c);
  @ predicate is_added{L}(struct tape *t, struct contribution *c) =
  @     on_tape(t, c) && known_dtype(c) && !is_frozen(t, c) && has_shape(t, c) &&
  @     widens_to(t, c);
  @ predicate is_fine{L}(struct tape *t, struct contribution *c) =
  @     is_ignored(t, c) || is_added(t, c);
  @ predicate refused_as{L}(struct tape *t, struct contribution *c, integer code) =
  @     on_tape(t, c)
  @         ? (known_dtype(c) ? !is_frozen(t, c) &&
  @                                 (has_shape(t, c) ? !widens_to(t, c) &&
  @                                                        code == CODE_DTYPE_MISMATCH
  @                                                  : code == CODE_SHAPE_MISMATCH)
  @                           : code == CODE_INVALID_ARGUMENT)
  @         : code == CODE_UNKNOWN_NODE; */

/* Decides in this order: no such node: CODE_UNKNOWN_NODE; no dtype this server knows:
 * CODE_INVALID_ARGUMENT (its bytes could not even be skipped); frozen: GRAD_IGNORE; another shape:
 * CODE_SHAPE_MISMATCH; a dtype that does not widen to the node's: CODE_DTYPE_MISMATCH; else
 * GRAD_ADD. Messages name the node id and, for shapes, both. */
/*@ requires tape_readable(tape) && contribution_readable(c);
  @ requires error == \null || \valid(error);
  @ assigns *error;
  @ behavior no_such_node:
  @   assumes !on_tape(tape, c);
  @   ensures \result == GRAD_ERROR && (error != \null ==> error->code == CODE_UNKNOWN_NODE);
  @ behavior no_such_dtype:
  @   assumes on_tape(tape, c) && !known_dtype(c);
  @   ensures \result == GRAD_ERROR && (error != \null ==> error->code == CODE_INVALID_ARGUMENT);
  @ behavior frozen_whatever_the_shape:
  @   assumes on_tape(tape, c) && known_dtype(c) && is_frozen(tape, c);
  @   assigns \nothing;
  @   ensures \result == GRAD_IGNORE;
  @ behavior wrong_shape:
  @   assumes on_tape(tape, c) && known_dtype(c) && !is_frozen(tape, c) && !has_shape(tape, c);
  @   ensures \result == GRAD_ERROR && (error != \null ==> error->code == CODE_SHAPE_MISMATCH);
  @ behavior wrong_dtype:
  @   assumes on_tape(tape, c) && known_dtype(c) && !is_frozen(tape, c) && has_shape(tape, c) &&
  @           !widens_to(tape, c);
  @   ensures \result == GRAD_ERROR && (error != \null ==> error->code == CODE_DTYPE_MISMATCH);
  @ behavior added:
  @   assumes is_added(tape, c);
  @   assigns \nothing;
  @   ensures \result == GRAD_ADD;
  @ complete behaviors;
  @ disjoint behaviors; */
MUST_USE enum grad_decision grad_decide(const struct tape *tape, const struct contribution *c,
                                        struct error *error);

/*@ predicate all_fine{L}(struct tape *t, struct contribution *list, integer n) =
  @     \forall integer k; 0 <= k < n ==> is_fine(t, list + k);
  @ predicate list_readable{L}(struct contribution *list, integer n) =
  @     (n > 0 ==> \valid_read(list + (0 .. n - 1))) &&
  @     \forall integer k; 0 <= k < n ==> shape_readable(list[k].shape, list[k].ndim);
  @
  @ logic integer frozen_among{L}(struct tape *t, struct contribution *list, integer n) =
  @     n <= 0 ? 0 : frozen_among(t, list, n - 1) +
  @              (t->nodes[list[n - 1].node].requires_grad == 0 ? 1 : 0);
  @
  @ // What a decision looks at is not where it writes.
  @ predicate decision_apart{L}(struct tape *t, struct contribution *list, integer n,
  @                             struct error *error) =
  @     \separated(error, t) && \separated(error, t->nodes + (0 .. t->size - 1)) &&
  @     \separated(error, list + (0 .. n - 1)); */

/* The decisions of a fold over a list: one contribution after the other, up to the first error.
 * Returns how many come before it: n when there is none. *ignored: how many of these go to frozen
 * nodes. */
/*@ requires tape_readable(tape) && list_readable(list, n);
  @ requires \valid(ignored) && \valid(error) && \separated(error, ignored);
  @ requires decision_apart(tape, list, n, error);
  @ assigns *ignored, *error;
  @ ensures 0 <= \result <= n;
  @ ensures all_fine{Pre}(tape, list, \result);
  @ ensures *ignored == frozen_among{Pre}(tape, list, \result) <= \result;
  @ ensures \result < n ==>
  @     !is_fine{Pre}(tape, list + \result) &&
  @     refused_as{Pre}(tape, list + \result, error->code); */
MUST_USE size_t grad_decide_list(const struct tape *tape, const struct contribution *list, size_t n,
                                 size_t *ignored, struct error *error);
