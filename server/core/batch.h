/* A fold of one round: what to add or read out, cut into tasks for the thread pool.
 *
 * The batch takes the terms of its slots by value when it is made, so that the core may go on; a task
 * touches only its own ranges of blocks, the accumulators of the batch and the round's results. */
#pragma once

#include "core/core.h"
#include "core/round.h"

struct fold_item {
    const struct node *node;
    struct slot *slot; /* the core's; tasks do not look at it */
    struct accumulator *sum;
    struct terms terms;
    uint64_t contributions; /* the divisor of a mean */
    void *out;              /* NULL: add into the accumulator */
    struct fold_rule rule;
    atomic_bool failed; /* out: a block got no memory; read-out: out of range */
};

struct fold_task {
    struct action action; /* ACTION_FOLD */
    struct batch *batch;
    size_t item;    /* starts at this block of this item … */
    uint64_t block;
    uint64_t blocks; /* … and covers so many blocks, going on into the next items */
};

enum batch_purpose {
    BATCH_EARLY,    /* the staging budget asks for room */
    BATCH_COMPLETE, /* nodes got all they expect */
    BATCH_CLOSE,    /* the round closes: everything */
};

struct batch {
    struct round *round;
    enum batch_purpose purpose;
    size_t n_items;
    struct fold_item *items;
    struct tensor *tensors; /* of all items */
    unsigned n_tasks;
    unsigned running;
    uint64_t bytes; /* of the tensors, for the statistics */
    struct fold_task tasks[];
};

/* Does the work of a task. Pure: may run on any thread, while others run the batch's other tasks. */
void fold_task_run(struct fold_task *task);
