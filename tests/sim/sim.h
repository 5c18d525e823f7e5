/* One history: the real core, and around it simulated workers, wires, threads and a disk, in one
 * thread under one clock that only moves when something happens.
 *
 *      worker.c ──► wire.c ──► server.c ──► core_step()      model.c: what must be true
 *         ▲           │            │                          expect.c: each answer against it
 *         └── reply ──┘ ◄── actions┘                          check.c: all of it after each step
 *                                                             audit.c: what the workers saw
 *
 * Everything that happens by chance is drawn from one generator, so a seed is a history. */
#pragma once

#include <stdio.h>

#include "agenda.h"
#include "core/batch.h"
#include "core/core.h"
#include "core/pull.h"
#include "core/push.h"
#include "model.h"

enum {
    SIM_STEPS_MAX = 200000, /* a history that takes more does not end */
    SIM_PULLS = 1024,
    REQUEST_NODES = 6,
};

/* A request on its way, seen from both ends. Lives until the history ends. */
struct request {
    struct wire *wire;
    struct worker *worker; /* NULL: mischief's */
    bool echo;             /* nobody waits for its answer: a copy, or an early pull */
    uint64_t id;
    enum event_kind kind;
    const struct plan_job *job;
    /* -- What it asks -- */
    struct message *message; /* PUSH */
    struct sharing *sharing; /* its tensors' places; NULL: they are the body */
    struct pull_offer ask;
    uint64_t nodes[REQUEST_NODES];
    struct close_offer close;
    /* -- At the server -- */
    struct model_job *admitted; /* the job it was decided for */
    uint64_t round;             /* a push's, a pull's */
    bool offered;
    uint64_t deadline_ms;
    struct counted *counted; /* an accepted push, until it is durable */
    struct push *push;       /* the core's, likewise */
    struct pull *pull;       /* lent by the core until EVENT_SENT */
    bool replied;
    /* -- The answer -- */
    enum code code;
    enum verdict verdict;
    uint64_t reply_round;
    enum round_state state;
    unsigned char audit[AUDIT_ELEMENTS * 8]; /* the audit node's sum, where a pull has it */
    bool has_audit;
    /* -- At the worker -- */
    bool done; /* answered, or given up with its wire */
};

/* What is between two peeks at a socket: a header, or a part of a body. */
struct packet {
    struct request *request;
    uint64_t bytes; /* of the body; 0: the header */
};

enum {
    WIRE_SEGMENTS = 64
};

/* A connection. Bytes arrive in their order, late, or not at all: then it is cut. */
struct wire {
    struct wire *next;
    unsigned number;
    struct worker *worker;
    struct peer *peer; /* NULL: the server knows that it is cut */
    bool given_up;     /* by the worker: nothing more comes from it, no reply reaches it */
    uint64_t last_arrival_ms;
    uint64_t last_reply_ms;
    struct packet sent[WIRE_SEGMENTS]; /* a ring: on the way, then at the server unread */
    unsigned first;
    unsigned arrived; /* of them */
    unsigned n;
    struct request *intake; /* the push whose body is being read */
    uint64_t body_at;       /* of it, bytes that were read or dropped */
    bool copying;           /* a thread copies the intake's tensors */
    bool pumping;
};

enum worker_phase {
    WORKER_JOINS, /* creates the job, asks where it stands */
    WORKER_PUSHES,
    WORKER_PULLS,
    WORKER_HOME,
};

struct worker {
    const struct plan_job *job;
    uint32_t rank;
    bool dead;
    enum worker_phase phase;
    uint64_t round;
    struct wire *wire;
    struct wire *echo; /* for what is sent twice */
    unsigned cursor;   /* planned pushes that are settled or on their way */
    struct message *messages[PLAN_PUSHES];
    bool settled[PLAN_PUSHES];
    unsigned tries;        /* of a push, for want of memory */
    uint64_t extra_finals; /* unplanned ones */
    bool final_settled;
    bool again; /* the job was deleted: no going home yet */
    bool pipelines;
    bool turn_due;        /* an ITEM_WORKER is on the agenda */
    unsigned outstanding; /* requests without an answer */
};

struct sim {
    uint64_t seed;
    struct random random;
    uint64_t now_ms;
    struct agenda agenda;
    struct plan plan;
    struct model model;
    struct core *core;
    struct update update;
    struct event *queue; /* raised while the core was stepped */
    size_t queue_n, queue_at, queue_capacity;
    bool stepping;
    const struct event *current;
    struct request *current_request; /* that the event is about, or NULL */
    struct verdict_model verdict;    /* expected of it */
    bool verdict_due;
    struct model_job *just_deleted;
    struct core_stats stats; /* before the step */
    uint64_t wake_at_ms;
    unsigned folds; /* lent tasks */
    unsigned persisting;
    struct wire *wires;     /* that the server knows */
    struct wire *old_wires; /* and those of before */
    unsigned n_wires;
    struct request **requests; /* by id, from 1 on */
    size_t n_requests, requests_capacity;
    struct request *pulls[SIM_PULLS]; /* that wait at the server */
    unsigned n_pulls;
    struct worker workers[PLAN_JOBS * PLAN_WORKERS];
    unsigned n_workers;
    struct message *messages;
    struct lost_view *lost_views;
    struct wire *mischief_wire;
    bool deleted[PLAN_JOBS]; /* ever: the workers' own audit is off then */
    uint64_t n_flawed;       /* for their sequences */
    bool calm;
    bool stopping;
    bool trace;
    bool failed;
    char failure[640];
    uint64_t events;
    uint64_t accepted, duplicates, refused, rounds, pulls_answered, cuts, deaths, repeats;
    uint64_t early_folds, early_pulls, discarded;
    uint64_t shared, trials, in_place, views, views_lost;
};

/* -- sim.c -- */

/* Plays the history of the seed to its end, or to the first thing that is wrong. */
void sim_run(struct sim *sim, uint64_t seed, bool trace);
void sim_free(struct sim *sim);

/* Something is not as it must be. The first is kept. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_say(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t sim_below(struct sim *sim, uint64_t n);
bool sim_percent(struct sim *sim, unsigned percent);
void sim_later(struct sim *sim, uint64_t within_ms, enum item_kind kind, void *what);

/* -- server.c: steps the core and carries its actions out -- */

bool server_start(struct sim *sim);
void server_submit(struct sim *sim, const struct event *event);
void server_item(struct sim *sim, const struct item *item);

/* -- wire.c -- */

struct wire *wire_open(struct sim *sim, struct worker *worker);
/* Both ends will notice, the worker first. */
void wire_cut(struct sim *sim, struct wire *wire);
void wire_send(struct sim *sim, struct wire *wire, struct request *request);
bool wire_has_room(const struct wire *wire);
/* The server reads what has arrived. */
void wire_pump(struct sim *sim, struct wire *wire);
void wire_item(struct sim *sim, const struct item *item);
struct request *request_new(struct sim *sim, struct worker *worker, enum event_kind kind,
                            const struct plan_job *job);

/* -- expect.c: a request against the model, before the step; its answer, after it -- */

void expect_before(struct sim *sim, struct request *request, const struct event *event);
void expect_reply(struct sim *sim, struct request *request, const struct reply *reply);
void expect_after(struct sim *sim);
/* Nothing is due to its requests any more. */
void expect_wire_lost(struct sim *sim, const struct wire *wire);
/* Is what the pull holds right? Says what is not. */
bool expect_sums(struct sim *sim, struct request *request, const struct pull *pull);

/* -- expect_pull.c: the same for pulls -- */

void expect_pull(struct sim *sim, struct request *request);
bool expect_pulled(struct sim *sim, struct request *request, const struct reply *reply);
void expect_no_overdue_pull(struct sim *sim);
bool expect_quiet_pulls(struct sim *sim);

/* -- check.c -- */

void check_step(struct sim *sim);
void check_end(struct sim *sim);

/* -- worker.c, mischief.c, audit.c -- */

void worker_start(struct sim *sim, struct worker *worker);
void worker_turn(struct sim *sim, struct worker *worker);
void worker_heard(struct sim *sim, struct request *request);
void worker_wire_lost(struct sim *sim, struct wire *wire);
/* The job is gone: whoever is at home comes back. */
void worker_job_deleted(struct sim *sim, const struct plan_job *job);
void worker_die(struct sim *sim, struct worker *worker);
void mischief(struct sim *sim);
void audit_pull(struct sim *sim, const struct request *request);

/* The name of a request, for traces. */
const char *request_name(enum event_kind kind);
