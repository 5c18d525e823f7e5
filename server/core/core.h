/* The core: gradfold's rules as one state machine. An event comes in, an update comes out.
 *
 * There is no clock, socket, thread, file or callback in here. Time is an input, and what the core
 * wants done is a list of actions, to be carried out in their order before the next step:
 *
 *   ACTION_REPLY         answer a request; a push that was refused in mid-body is drained from
 *                        then on
 *   ACTION_GRANT         read the body of peer->intake.push into its staging
 *   ACTION_PERSIST       make the push durable, then EVENT_PERSISTED; the verdict leaves only
 *                        after that
 *   ACTION_FOLD          run fold_task_run() anywhere, then EVENT_FOLDED
 *   ACTION_ROUND_CLOSED  tell the log
 *
 * Memory: what an action points to belongs to the core and is valid until the next step, except
 *   - staging that was granted is lent until EVENT_BODY_COMPLETE, EVENT_BODY_DROPPED or
 *     EVENT_PEER_LOST,
 *   - a fold task is lent until EVENT_FOLDED,
 *   - the pull of an OK pull reply is lent until EVENT_SENT or EVENT_VIEW_LOST. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/pool.h"
#include "core/body.h"
#include "core/limits.h"
#include "core/request.h"

struct core_config {
    uint64_t staging_bytes;     /* bodies of pushes: admitted, until folded */
    uint64_t result_bytes;      /* dense arrays of rounds, until retired and sent */
    uint64_t accumulator_bytes; /* what was folded before its round closed */
    uint64_t max_body_bytes;
    unsigned fold_tasks;      /* a fold is cut into so many tasks at most (1 …) */
    bool segments;            /* keep large results in memory that can be shared (core/results.h) */
    uint64_t share_bytes_min; /* less is sooner copied than shared; 0: DEFAULT_SHARE_BYTES_MIN */
};

/* -- Replies -- */

struct reply {
    struct peer *peer; /* never one that is lost */
    uint64_t request_id;
    enum request_kind request;
    struct error error;         /* the fields below are set with CODE_OK only */
    uint64_t now_ms;            /* of the step, for ages */
    struct job *job;            /* CREATE_JOB, DESCRIBE_JOB */
    bool created;               /* CREATE_JOB */
    struct round *round_status; /* CLOSE_ROUND */
    enum verdict verdict;       /* PUSH */
    uint64_t round;             /* PUSH */
    uint32_t ignored;           /* PUSH */
    struct pull *pull;          /* PULL: read with core/pull.h, then EVENT_SENT (or VIEW_LOST) */
};

enum action_kind {
    ACTION_REPLY,
    ACTION_GRANT,
    ACTION_PERSIST,
    ACTION_FOLD,
    ACTION_ROUND_CLOSED
};

struct action {
    struct list link;
    enum action_kind kind;
    union {
        const struct reply *reply;
        struct peer *granted; /* the push is peer->intake.push */
        struct push *push;
        struct fold_task *task;
        const struct round *round;
    };
};

/* -- A connection, as the core sees it -- */

enum intake_state {
    INTAKE_NONE, /* no push; a new one may be offered */
    /* Offered; no staging yet, or folded where it lies (core/gather.h): stop reading until
     * ACTION_GRANT or ACTION_REPLY, which may say ACCEPTED, and find the state then. */
    INTAKE_WAITING,
    INTAKE_GRANTED, /* the body is on its way; that of an offer with places is to be copied */
    INTAKE_REFUSED, /* was granted, then refused: drop the body, EVENT_BODY_DROPPED */
};

/* The push whose header or body a connection is at. There is one at most. */
struct intake {
    enum intake_state state;
    struct push *push;
    struct body_check check;
    struct list link; /* job.intakes */
    struct list wait; /* core.waiting, while INTAKE_WAITING */
    struct action action;
    struct reply reply;
};

/* Embedded by whoever owns the connection; zeroed, then peer_init(). */
struct peer {
    struct intake intake;
    struct list pulls; /* waiting ones */
    unsigned n_pulls;
    uint64_t n_pull_ids;   /* node ids that the waiting ones list */
    struct list committed; /* pushes to be answered when they are persisted */
};

void peer_init(struct peer *peer);

/* -- Events -- */

enum event_kind {
    /* Requests: peer and request_id are set. PUSH must not be offered while an intake is under way.
     */
    EVENT_CREATE_JOB,
    EVENT_DESCRIBE_JOB,
    EVENT_LIST_JOBS,
    EVENT_DELETE_JOB,
    EVENT_PUSH,
    EVENT_PULL,
    EVENT_CLOSE_ROUND,
    /* What happened to what the core asked for. */
    EVENT_BODY_COMPLETE, /* peer: all of the granted staging is filled, and body_received() saw it
                          */
    EVENT_BODY_DROPPED,  /* peer: nobody writes to the granted staging any more */
    EVENT_PERSISTED,     /* push */
    EVENT_FOLDED,        /* task */
    EVENT_SENT,          /* pull: nobody reads from its results any more */
    EVENT_VIEW_LOST,     /* pull, with a segment: nobody knows whether it is still looked at, so
                            that memory is never written again */
    /* The world. */
    EVENT_PEER_LOST, /* peer: is forgotten with this step; nobody writes to its staging any more */
    EVENT_TICK,      /* time passed */
    EVENT_STOP,      /* from now on requests are answered UNAVAILABLE */
};

struct event {
    enum event_kind kind;
    uint64_t now_ms; /* monotonic, never going back */
    struct peer *peer;
    uint64_t request_id;
    union {
        const struct job_spec *spec;
        const char *job; /* DESCRIBE_JOB, DELETE_JOB */
        const struct push_offer *offer;
        const struct pull_offer *ask;
        const struct close_offer *close;
        struct push *push;
        struct fold_task *task;
        struct pull *pull;
    };
};

#define NO_WAKE UINT64_MAX

/* What a step wants done. Owned by the caller, who may reuse it for every step. */
struct update {
    struct list actions; /* struct action, in order */
    uint64_t wake_at_ms; /* a TICK is due then; NO_WAKE: none */
    /* Room for the answer to the event itself. */
    struct action action;
    struct reply reply;
};

/* -- The machine -- */

struct core;

/* NULL without memory. */
struct core *core_new(const struct core_config *config);

/* No fold, no body and no sending pull may be under way; peers are forgotten. NULL is allowed. */
void core_free(struct core *core);

void core_step(struct core *core, const struct event *event, struct update *update);

/* Nothing is being folded or persisted, and no round is closing: a stopping server may end. */
bool core_idle(const struct core *core);

/* -- For those who watch: valid until the next step -- */

struct core_stats {
    uint64_t jobs;
    uint64_t pushes_accepted, pushes_duplicate;
    uint64_t replies[CODE_COUNT]; /* by code, all requests */
    uint64_t contributions_accepted, contributions_ignored;
    uint64_t accepted_bytes;
    uint64_t rounds_closed, pushes_discarded;
    uint64_t folds, folds_early, folded_bytes;
    uint64_t trials, rounds_in_place; /* begun; folded by one (core/gather.h) */
    uint64_t staging_used, staging_max, staging_kept;
    uint64_t results_used, results_max, results_spare;
    uint64_t views, lent_bytes; /* that clients look at */
    uint64_t accumulators_used, accumulators_max;
    uint64_t pushes_waiting, pushes_gathering, pulls_waiting, bodies_receiving, folds_running;
};

void core_stats(const struct core *core, struct core_stats *stats);

/* May a pull be answered with the segment of that number again? */
bool core_segment_exists(const struct core *core, uint64_t id);

/* By name, or NULL. */
struct job *core_find_job(const struct core *core, const char *name);

/* struct job.link, in the order of creation. */
const struct list *core_jobs(const struct core *core);
