/* A round's dense array: one buffer, nodes at tape.nodes[i].offset. It outlives its round while
 * replies that read from it are on their way, or clients look at it.
 *
 * Large ones are segments when the server shares memory, unless the system lacks what one needs (a
 * descriptor, say). Segments stay with their job while there is room: the next rounds lie in the
 * same few, which the clients have mapped already.
 *
 * A view is a segment lent to a client for as long as it likes. So that this stalls nobody, what
 * views hold when their round is retired leaves the budget of results, and the next round gets
 * other memory. To bound that, all that is lent may be as much as the whole budget; beyond it,
 * pulls are answered with bodies. */
#pragma once

#include "base/segment.h"
#include "core/core.h"

struct results {
    struct list link; /* job.spare */
    struct job *job;
    struct segment *segment; /* NULL: data is the pool's */
    unsigned char *data;
    uint64_t bytes;
    uint32_t *contributions; /* of each node of the tape; 0: it is all zero, and not in data */
    unsigned refs;
    unsigned views;
    bool charged; /* to the budget */
    bool tainted; /* a view was lost: somebody may look at it for ever */
};

/* For a round of the job; NULL when the budget or the memory is exhausted. */
struct results *results_new(struct core *core, struct job *job);
void results_ref(struct results *results);

/* The job must still be there. */
void results_unref(struct core *core, struct results *results);

/* Their round is retired. NULL is allowed. */
void results_retire(struct core *core, struct results *results);

/* Lends one view, if they can be seen and the bound allows it. NULL is allowed. */
bool results_lend(struct core *core, struct results *results);
/* It was ended, or lost. */
void results_take_back(struct core *core, struct results *results, bool lost);

/* How many the job may need at the same time: those of retained rounds and of the closing one;
 * where nodes complete early, also of the round behind it. */
unsigned results_reserved(const struct job *job);

/* Frees those that are kept for rounds to come. */
void results_free_spare(struct core *core, struct job *job);
