/* A pull: which sums a worker asked for, waiting until they can be read, then being sent. */
#pragma once

#include "core/core.h"
#include "core/round.h"

struct pull {
    struct list link;      /* round.pulls while waiting */
    struct list peer_link; /* peer.pulls while waiting */
    struct heap_node deadline;
    struct job *job;         /* referenced */
    struct round *round;     /* while waiting */
    struct results *results; /* referenced once answered; NULL: all asked is zero */
    uint64_t number;         /* of the round */
    enum round_state state;  /* as the reply says: CLOSED, or OPEN for nodes complete before */
    bool all;                /* every node of the tape, ascending */
    bool view;               /* results are wanted to be lent, or, once answered, are */
    size_t n_nodes;
    size_t ready; /* the first so many asked nodes are complete */
    struct action action;
    struct reply reply;
    uint32_t nodes[]; /* unless all */
};

/* One gradient of an answered pull. */
struct gradient {
    const struct node *node;
    uint64_t id;
    uint32_t contributions;
    const unsigned char *data; /* node->bytes of them; NULL: all zero */
    uint64_t offset;           /* of data in the segment, when there is one */
};

/* i < pull->n_nodes. */
void pull_gradient(const struct pull *pull, size_t i, struct gradient *gradient);

/* Where the gradients of an answered pull lie, to be shared with the client: the view is lent until
 * EVENT_SENT or EVENT_VIEW_LOST. NULL: they are to be sent as a body. */
const struct segment *pull_segment(const struct pull *pull);

/* -- For the core -- */

/* EVENT_PULL. */
void pull_ask(struct core *core, const struct event *event, struct update *update);

/* Answers those of the round's waiting pulls whose nodes are all complete. */
void pull_answer_ready(struct core *core, struct update *update, struct round *round);

/* Refuses every waiting pull of the round. */
void pull_refuse_all(struct core *core, struct update *update, struct round *round, enum code code,
                     const char *why);

/* DEADLINE_EXCEEDED for those whose time is over. */
void pull_expire(struct core *core, struct update *update, uint64_t now_ms);

/* Forgets a waiting or answered pull. view_lost: the client may look at what it was lent for ever.
 */
void pull_free(struct core *core, struct pull *pull, bool view_lost);
