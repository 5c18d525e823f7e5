/* One accumulation period of a job.
 *
 *     OPEN ──────────────► CLOSING ──────────────► CLOSED ──────────► retired
 *       pushes enter         no push enters,         immutable,         keys and sums
 *       nodes may complete   the fold runs           pullable           are forgotten
 *
 * A round starts to close when all workers are final, when a quorum is and its grace is over, or when
 * asked to; at that moment the next one opens. Rounds of a job become CLOSED in their order. */
#pragma once

#include "base/heap.h"
#include "core/core.h"
#include "core/keys.h"

/* Read by the outside, through round_status(). */
enum round_state { ROUND_OPEN = 1, ROUND_CLOSING = 2, ROUND_CLOSED = 3 };

/* A round's dense array: one buffer, nodes at tape.nodes[i].offset. It outlives its round while replies that
 * read from it are on their way. */
struct results {
    struct pool *pool;
    unsigned char *data;
    uint64_t bytes;
    unsigned refs;
};

struct results *results_new(struct pool *pool, uint64_t bytes);
void results_ref(struct results *results);
void results_unref(struct results *results);

/* One contribution of an accepted push, waiting to be folded. Lives in its push. */
struct term {
    struct tensor tensor;
    struct push *push;
    struct term *next; /* of the same node */
    uint32_t node;
};

/* What a round knows of a node. */
struct slot {
    struct term *first; /* eligible and not folded yet */
    struct term *last;
    struct accumulator *sum; /* what was folded early */
    uint64_t eligible;       /* contributions that are in the sum or will be */
    uint64_t folded;         /* of these, no longer among the terms */
    uint32_t accepted;       /* contributions of accepted pushes, eligible or held */
    bool queued;             /* in round.complete */
    bool complete;           /* the result can be read */
    bool out_of_range;       /* and does not fit its integer type */
};

struct round {
    struct list link; /* job.rounds */
    struct job *job;
    uint64_t number;
    enum round_state state;
    uint64_t opened_ms;
    uint64_t closing_ms;
    uint64_t closed_ms;
    uint64_t pushes; /* accepted */
    uint64_t bytes;  /* of their bodies */

    uint64_t *final; /* a bit for each worker */
    uint32_t n_final;
    struct heap_node grace; /* armed when the quorum is reached */
    struct keys keys;

    struct slot *slots;
    struct list staged; /* accepted, eligible pushes with terms to fold */
    struct list *held;  /* quorum < world_size: for each worker, accepted pushes before its final one */
    uint64_t staged_bytes;  /* cost of the pushes in `staged` */
    uint32_t *complete;     /* nodes that got their expected contributions, to be folded now */
    uint32_t n_complete;
    unsigned persisting;    /* committed pushes that are not persisted yet */
    struct batch *batch;    /* the fold in flight */
    bool stuck;             /* an early fold freed nothing: wait for accumulator memory */
    struct list wanting;    /* core.wanting, while a fold is due that could not start */
    struct results *results;
    struct list pulls; /* struct pull, waiting */
    struct action note; /* ACTION_ROUND_CLOSED */
};

/* NULL without memory. */
struct round *round_new(struct job *job, uint64_t number, uint64_t now_ms);
void round_free(struct core *core, struct round *round);

bool round_worker_final(const struct round *round, uint32_t worker);
