/* The tape of a job: its nodes in order, a node's id being its index. And the decision of
 * TorchLean's Tape.addGradAll about one contribution, in its exact order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/must.h"

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

/* Decides in this order: no such node: CODE_UNKNOWN_NODE; no dtype this server knows:
 * CODE_INVALID_ARGUMENT (its bytes could not even be skipped); frozen: GRAD_IGNORE; another shape:
 * CODE_SHAPE_MISMATCH; a dtype that does not widen to the node's: CODE_DTYPE_MISMATCH; else
 * GRAD_ADD. Messages name the node id and, for shapes, both. */
MUST_USE enum grad_decision grad_decide(const struct tape *tape, const struct contribution *c,
                                        struct error *error);

/* The decisions of a fold over a list: one contribution after the other, up to the first error.
 * Returns how many come before it: n when there is none. *ignored: how many of these go to frozen
 * nodes. */
MUST_USE size_t grad_decide_list(const struct tape *tape, const struct contribution *list, size_t n,
                                 size_t *ignored, struct error *error);
