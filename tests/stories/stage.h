/* A stage for the core: named connections, a disk and a pool that may be slow, and a clock that the
 * story turns. Everything that goes into the core and comes out of it is written down, as a reader
 * would tell it. */
#pragma once

#include <stdio.h>

#include "core/batch.h"
#include "core/core.h"
#include "core/pull.h"
#include "core/push.h"

enum {
    STAGE_ACTORS = 6,
    STAGE_EVENTS = 64,
    W = 0,      /* f32 [4] */
    B = 1,      /* i32 [2] */
    FROZEN = 2, /* f32 [3], without a gradient */
    BIG = 3,    /* f32 [12,1024]: two of these fill the staging */
    STAGE_NODES = 4,
};

struct actor {
    const char *name;
    struct peer peer;
    struct push_offer offer; /* of the push that it is sending */
    struct contribution contribution;
    float value; /* of all its elements */
};

struct stage {
    FILE *out;
    struct core *core;
    struct update update;
    uint64_t now_ms;
    uint64_t wake_at_ms;
    struct node_spec nodes[STAGE_NODES];
    struct job_spec spec; /* the job "train" of two workers; a story may change it first */
    struct actor actors[STAGE_ACTORS];
    unsigned n_actors;
    uint64_t last_request;
    struct event queue[STAGE_EVENTS];
    size_t queue_n;
    bool slow_disk;       /* until stage_disk() */
    bool slow_pool;       /* until stage_pool() */
    struct list persists; /* struct push.action */
    struct list folds;    /* struct fold_task.action */
};

void stage_open(struct stage *stage, FILE *out);

/* Ends what is under way, and says what is left in the budgets. */
void stage_close(struct stage *stage);

struct actor *stage_actor(struct stage *stage, const char *name);

/* A sentence of the story itself. */
void stage_tell(struct stage *stage, const char *sentence);

/* What a push is made of: one tensor, all of whose elements are the value; node NONE: no tensor. */
enum {
    NONE = -1
};
struct line {
    uint64_t round;
    uint32_t worker;
    uint64_t sequence;
    bool final;
    int node;
    float value;
    bool wrong_shape;
};

void stage_create(struct stage *stage, struct actor *actor);
void stage_delete(struct stage *stage, struct actor *actor);
void stage_close_round(struct stage *stage, struct actor *actor, uint64_t round);
/* The header alone; then percent of the body; or both whole, as far as the core wants them. */
void stage_header(struct stage *stage, struct actor *actor, struct line line);
void stage_body(struct stage *stage, struct actor *actor, unsigned percent);
void stage_push(struct stage *stage, struct actor *actor, struct line line);
/* node NONE: all. */
void stage_pull(struct stage *stage, struct actor *actor, uint64_t round, int node,
                uint64_t wait_ms);
void stage_cut(struct stage *stage, struct actor *actor);
void stage_stop(struct stage *stage);

/* Time passes; the core is woken when it asked to be. */
void stage_wait(struct stage *stage, uint64_t ms);
void stage_disk(struct stage *stage);
void stage_pool(struct stage *stage);
