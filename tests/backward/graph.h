/* A reverse-mode tape, as TorchLean's Runtime.Autograd.Tape: nodes in order, each with its value
 * and a backward function that turns the gradient at the node into contributions (parent id,
 * tensor). All tensors of a tape have one dtype. README.md has the text format and, to the bit, the
 * arithmetic of each op.
 *
 *     if (graph_read(file, &graph, &error) == CODE_OK &&
 *         graph_forward(&graph, &error) == CODE_OK &&
 *         backward_dense_from(&graph, ACCUMULATION_EXACT, &budget, &grads, &error) == CODE_OK)
 *         … grads_read(&graph.tape, &grads, id, out, &error) ... */
#pragma once

#include <stdio.h>

#include "fold/grads.h"

enum {
    GRAPH_NODES_MAX = 4096,
    GRAPH_DIMENSIONS_MAX = 4,
    GRAPH_ELEMENTS_MAX = 1 << 22, /* of a tensor */
    GRAPH_PARENTS_MAX = 2,
};

enum op {
    OP_LEAF,
    OP_GIVEN, /* a leaf whose backward gives the listed contributions, whatever the gradient */
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_MATMUL,
    OP_RELU,
    OP_SUM,
    OP_MSE,
    OP_COUNT
};

/* "leaf", "matmul" …, as in the text. Static storage. */
const char *op_name(enum op op);

/* A list of contributions; data[i] is the tensor of list[i]. Owns tensors and shapes. */
struct contributions {
    struct contribution *list;
    const void **data;
    size_t size;
};

/* Appends a contribution of `elements` elements, zero so far, and returns them, to be filled; NULL
 * without memory. shape: copied. A struct that is all zeros is an empty list. */
MUST_USE void *contributions_add(struct contributions *contributions, uint64_t node,
                                 enum dtype dtype, const uint64_t *shape, size_t ndim,
                                 uint64_t elements);

/* Of the tensor of list[i]. */
uint64_t contributions_bytes(const struct contributions *contributions, size_t i);

void contributions_free(struct contributions *contributions);

struct graph_node {
    enum op op;
    size_t n_parents;
    size_t parents[GRAPH_PARENTS_MAX]; /* all below the node's own id; may be the same twice */
    uint64_t shape[GRAPH_DIMENSIONS_MAX];
    void *value;                /* the node's bytes; of all but leaves set by graph_forward() */
    struct contributions given; /* OP_GIVEN: any ids and shapes, so that errors can be provoked */
};

struct graph {
    enum dtype dtype;
    /* What addGradAll looks at. `expected` of each node: how many contributions it gets in a
     * backward pass, the seed counted as one. */
    struct tape tape;
    struct graph_node *nodes; /* tape.size of them */
    struct contributions seeds;
};

/* Reads a tape. graph: set on success, the caller's until graph_free(). CODE_INVALID_ARGUMENT: the
 * message begins with the number of the line. CODE_RESOURCE_EXHAUSTED: no memory. */
MUST_USE enum code graph_read(FILE *file, struct graph *graph, struct error *error);

/* A graph that is all zeros is allowed. */
void graph_free(struct graph *graph);

/* Computes the value of every node that is no leaf. CODE_OUT_OF_RANGE: an integer left its range;
 * the message names the node. */
MUST_USE enum code graph_forward(struct graph *graph, struct error *error);

/* The backward function of node id, at `gradient` (the node's bytes): one contribution a parent, in
 * the order of the parents, also for frozen ones; none for a leaf. Needs graph_forward() before.
 * vjp: set on success, the caller's until contributions_free(). CODE_OUT_OF_RANGE,
 * CODE_RESOURCE_EXHAUSTED. */
MUST_USE enum code graph_vjp(const struct graph *graph, size_t id, const void *gradient,
                             struct contributions *vjp, struct error *error);
