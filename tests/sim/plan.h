/* The history that a seed stands for: jobs, budgets, and how bad the world is. */
#pragma once

#include "core/core.h"
#include "values.h"

enum {
    PLAN_JOBS = 3,
    PLAN_NODES = 7,
    PLAN_WORKERS = 5,
    PLAN_PUSHES = 4, /* of a worker in a round, the last of them final */
    AUDIT_NODE = 0,  /* where each push adds 1 to an element of its own */
    AUDIT_ELEMENTS = PLAN_WORKERS * PLAN_PUSHES,
};

struct plan_job {
    char name[16];
    struct job_spec spec;
    struct node_spec nodes[PLAN_NODES];
    uint64_t shapes[PLAN_NODES][2];
    uint64_t elements[PLAN_NODES];
    enum values values; /* what is added to EXACT sums; those in order get small integers */
    bool small_integers;
    unsigned pushes; /* of a worker in a round: 1 … PLAN_PUSHES */
    unsigned rounds; /* after so many a worker goes home */
    bool checksums;
};

struct plan {
    struct core_config config;
    unsigned n_jobs;
    struct plan_job jobs[PLAN_JOBS];
    unsigned delay_ms;   /* of a message: 0 … */
    unsigned fold_ms;    /* a fold takes 0 … */
    unsigned persist_ms; /* and making durable */
    unsigned repeat;     /* percent of requests that are sent twice */
    unsigned shares;     /* percent of pushes that lie in shared memory */
    unsigned views;      /* and of pulls that are views, where they can be */
    unsigned mischief_ms;
    unsigned weights[8]; /* of mischief.c's kinds */
    unsigned patience_ms;
    uint64_t calm_ms; /* when faults end */
    bool stops;       /* the server is stopped in the middle of everything */
    bool deletes;     /* jobs are deleted at the end, before the core is freed */
};

void plan_make(struct plan *plan, struct random *random);
