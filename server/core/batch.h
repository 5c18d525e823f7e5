/* A fold of one round: what to add or read out, cut into tasks for the thread pool.
 *
 * The batch takes the terms of its slots by value when it is made, so that the core may go on; a
 * task touches only its own ranges of blocks, the accumulators of the batch and the round's
 * results. */
#pragma once

#include "core/core.h"
#include "core/round.h"

struct fold_item {
    struct slot *slot; /* the core's: tasks do not look at it */
    uint32_t node_id;
    struct fold_rule rule;
    uint64_t elements;
    uint64_t contributions; /* the divisor of a mean */
    struct accumulator *sum;
    struct terms terms;
    void *out;          /* where to read out; NULL: add into the accumulator */
    atomic_bool failed; /* a block got no memory; or, reading out, is out of range */
};

/* Covers `blocks` blocks from `block` of `item` on, going on into the next items. */
struct fold_task {
    struct action action; /* ACTION_FOLD */
    struct batch *batch;
    size_t item;
    uint64_t block;
    uint64_t blocks;
};

enum batch_purpose {
    BATCH_EARLY,    /* the staging budget asks for room */
    BATCH_COMPLETE, /* nodes got all they expect */
    BATCH_CLOSE,    /* the round closes: everything */
    BATCH_TRIAL,    /* the same, and what gathers: into results that may be dropped (gather.c) */
};

struct batch {
    struct round *round;
    enum batch_purpose purpose;
    size_t n_items;
    struct fold_item *items;
    struct tensor *tensors; /* of all items */
    uint64_t bytes;         /* of the tensors, for the statistics */
    unsigned n_tasks;
    unsigned running;
    struct fold_task *tasks;
    /* Of a trial: */
    struct list gathered; /* struct intake.wait: the pushes that it reads */
    struct list orphans;  /* struct push.link: those that are over meanwhile */
    uint64_t pushes;      /* of the round, when it began */
    bool spoilt;          /* one of them left */
    bool finite;          /* its sums must be, or it fails */
    atomic_bool failed;   /* an item did, or is not finite */
};

/* Does the work of a task. Pure: may run on any thread, while others run the batch's other tasks.
 */
void fold_task_run(struct fold_task *task);

/* Makes a batch of what the purpose asks for and starts its tasks. False when memory is lacking:
 * nothing has changed. With nothing to fold *started is NULL. */
MUST_USE bool batch_start(struct core *core, struct update *update, struct round *round,
                          enum batch_purpose purpose, struct batch **started);

/* Frees a batch whose results nobody wants. */
void batch_drop(struct batch *batch);

/* All tasks are done: drops the terms that are in the sums now, marks nodes complete. Frees the
 * batch. */
void batch_finish(struct core *core, struct batch *batch);
