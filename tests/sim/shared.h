/* Memory that workers and the server share. A worker's push may lie in memory of its own, which the
 * server copies on a thread or folds where it lies; the worker writes rubbish over it as soon as it
 * has its answer, and sometimes before. A pull may be a view, which is held for long, and ended, or
 * lost with its connection. */
#pragma once

#include "sim.h"

/* One sending of a push, its tensors scattered over a mapping. */
struct sharing {
    struct push_offer offer; /* the message's, by places */
    struct tensor_place places[MESSAGE_TERMS];
    struct mapping mapping; /* one reference is ours */
    unsigned char *memory;
    bool misplaced; /* one tensor lies beyond the end, or in no buffer */
    bool rubbish;   /* is in it now … */
    unsigned moods; /* … and comes and goes so often before the answer */
    bool answered;
};

/* Makes the request, a push that is to be sent, one by places. Some are followed by rubbish, if
 * whoever adds that must notice. */
void shared_make(struct sim *sim, struct request *request);
void shared_free(struct request *request);

/* The server has answered, or knows that nobody waits: the memory is the worker's again. */
void shared_answered(struct request *request);
/* ITEM_RUBBISH. */
void shared_item(struct sim *sim, struct request *request);

/* What the server must say to what it has copied into its staging. */
struct verdict_model shared_verdict(const struct request *request, struct verdict_model verdict,
                                    const struct push *push);

/* A push that is committed in place: its request, if the model would accept it now. */
struct request *shared_in_place(struct sim *sim, const struct push *push);

/* -- Views -- */

/* A view whose connection is gone: what it shows is looked at once more at the end. */
struct lost_view {
    struct lost_view *next;
    unsigned char *memory; /* mapped as the client has it */
    uint64_t bytes;
    const struct request *request;
    size_t n;
    struct gradient gradients[PLAN_NODES];
};

/* Ends the view, or loses it. */
enum event_kind shared_end_view(struct sim *sim, struct request *request);
/* The core is gone: nobody wrote to lost views any more, nobody holds a worker's memory. */
void shared_check_end(struct sim *sim);
