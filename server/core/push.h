/* An admitted push, from its header until its last contribution is folded. */
#pragma once

#include "core/core.h"
#include "core/keys.h"
#include "core/places.h"
#include "core/round.h"

enum {
    PUSH_INLINE_BYTES = 1024 /* a body of so much at most lies behind the terms */
};

struct push {
    struct list link;      /* round.persisting, then round.held[worker] or round.staged */
    struct job *job;       /* referenced by the intake; not used after the commit */
    struct round *round;   /* while it gathers, and from commit on; NULL when it was forgotten */
    uint64_t round_number; /* bound at admission */
    struct peer *peer;     /* to be answered when persisted; NULL: it is lost */
    struct list peer_link; /* peer.committed */
    uint64_t request_id;
    uint64_t sequence;
    uint32_t worker;
    uint32_t ignored; /* contributions to frozen nodes */
    bool final;
    struct key_print print;
    struct batch *trial;    /* that reads the sources: they must stay */
    struct source *sources; /* where the tensors are to be copied from; NULL: they are the body */
    size_t n_sources;
    unsigned char *body; /* staging; NULL before the grant, unless it lies behind the terms */
    uint64_t body_bytes;
    uint64_t own_bytes; /* of this structure, which counts against the staging budget too, with
                           a body that lies behind the terms */
    bool granted;       /* charged to the budget */
    bool in_place;      /* was folded where it lay: it has no body */
    uint32_t n_terms;
    uint32_t unfolded;    /* terms that still need the body */
    struct action action; /* ACTION_PERSIST */
    struct term terms[];
};

enum {
    PUSH_BLOCK_BYTES = sizeof(struct push) + 2 * sizeof(struct term) + 64,
    SPARE_PUSHES_MAX = 1 << 14 /* of that size, some 6 MiB */
};

/* Memory for a push of *bytes, which becomes what is really taken; NULL without. */
struct push *push_alloc(struct core *core, uint64_t *bytes);

/* What the push takes from the staging budget. */
uint64_t push_cost(const struct push *push);

/* Charges it, and takes a buffer where the body needs one. False without memory. */
bool push_take_staging(struct core *core, struct push *push);

/* Returns the staging and frees the push: after the trial, when one reads it. */
void push_free(struct core *core, struct push *push);

/* Frees the memory that is kept for pushes to come. */
void push_free_spare(struct core *core);
