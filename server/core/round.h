/* One accumulation period of a job.
 *
 *     OPEN ──────────────► CLOSING ──────────────► CLOSED ──────────► retired
 *       pushes enter         no push enters,         immutable,         keys and sums
 *       nodes may complete   the fold runs           pullable           are forgotten
 *
 * A round starts to close when all workers are final, when a quorum is and its grace is over, or
 * when asked to; at that moment the next one opens. Rounds of a job become CLOSED in their order.
 */
#pragma once

#include "base/heap.h"
#include "core/core.h"
#include "core/keys.h"
#include "core/results.h"
#include "core/slots.h"

/* Read by the outside, through round_status(). */
enum round_state {
    ROUND_OPEN = 1,
    ROUND_CLOSING = 2,
    ROUND_CLOSED = 3
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
    uint64_t *gathers; /* likewise; behind `final` */
    uint32_t n_gathering;
    bool tried;                    /* a trial has begun, the only one */
    struct list gathering;         /* struct intake.wait: final pushes that wait for the others' */
    struct heap_node gather_until; /* in core.gathers while there is one */
    struct heap_node grace;        /* armed when the quorum is reached */
    struct keys keys;

    struct slot *slots;
    struct list persisting; /* struct push, committed */
    struct list staged;     /* persisted and eligible, with terms to fold */
    struct list
        *held; /* quorum < world_size: for each worker, accepted pushes before its final one */
    uint64_t staged_bytes; /* cost of the pushes in `staged` */
    uint32_t *complete;    /* nodes that got their expected contributions, to be folded now */
    uint32_t n_complete;
    uint64_t out_of_range;   /* nodes that are */
    struct batch *batch;     /* the fold in flight; or a trial that will be the last */
    uint64_t stuck_at;       /* core.accumulators_freed when an early fold freed nothing, plus 1 */
    struct list wanting;     /* core.wanting, while a fold is due that could not start */
    struct results *results; /* NULL until there is a sum to keep */
    struct list pulls;       /* struct pull, waiting */
    struct action note;      /* ACTION_ROUND_CLOSED */
};

/* NULL without memory. */
struct round *round_new(struct job *job, uint64_t number, uint64_t now_ms);

/* Frees the slot's accumulator, if it has one; those who lack memory may try again. */
void round_free_sum(struct core *core, struct slot *slot);

/* Forgets the round and every push in it. No pull may be waiting and no fold be running. */
void round_free(struct core *core, struct round *round);

/* The job's round of that number, or NULL when it is retired or has not begun. */
struct round *round_find(const struct job *job, uint64_t number);

/* The job's last round, which is the open one, and the newest closed one (or NULL). */
struct round *round_open(const struct job *job);
struct round *round_newest_closed(const struct job *job);

bool round_worker_final(const struct round *round, uint32_t worker);

/* Marks the worker final; arms the grace when that makes the quorum. True when all are final. */
bool round_set_final(struct core *core, struct round *round, uint32_t worker, uint64_t now_ms);

/* OPEN -> CLOSING, and the next round opens. Without memory for that one the round stays open and
 * tries again soon; false then. */
bool round_start_closing(struct core *core, struct round *round, uint64_t now_ms);

/* Accepted pushes of workers that never became final: dropped when the round's last fold begins. */
void round_discard_held(struct core *core, struct round *round);

/* A push that is persisted becomes eligible for the fold, or is held until its worker is final. */
void round_take_push(struct core *core, struct round *round, struct push *push);

/* CLOSING -> CLOSED: answers the waiting pulls, retires what is old enough. */
void round_closed(struct core *core, struct update *update, struct round *round, uint64_t now_ms);
