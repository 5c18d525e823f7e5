/* What must be true: the rules of the wire once more, in the plainest way, over the messages
 * themselves. The core is asked nothing; it is compared with this. */
#pragma once

#include "message.h"

enum {
    MODEL_ROUNDS = 64
};

/* An accepted push. */
struct counted {
    struct counted *next;
    const struct message *message;
    uint32_t ignored;
    bool persisted;
};

struct model_sum {
    bool known;
    bool in_range;
    uint32_t contributions;
    unsigned char *bytes;
};

struct model_round {
    enum round_model_state {
        MODEL_OPEN = 1,
        MODEL_CLOSING,
        MODEL_CLOSED
    } state;
    uint64_t number;
    uint32_t finals; /* a bit for each worker */
    unsigned n_final;
    uint64_t grace_at_ms; /* NO_WAKE: the quorum is not reached */
    struct counted *pushes;
    unsigned n_pushes;
    unsigned not_persisted;
    uint32_t accepted[PLAN_NODES]; /* contributions */
    uint32_t persisted[PLAN_NODES];
    struct model_sum sums[PLAN_NODES];
};

/* A job from its creation to its deletion; a later one of the same name is another. */
struct model_job {
    struct model_job *next;
    const struct plan_job *plan;
    bool deleted;
    uint64_t n_rounds; /* that have begun */
    struct model_round rounds[MODEL_ROUNDS];
};

struct model {
    struct model_job *jobs; /* newest first */
};

/* What a reply must say. */
struct verdict_model {
    enum code code;
    bool repeated;
    uint32_t ignored;
};

struct model_job *model_find(const struct model *model, const char *name);
struct model_job *model_create(struct model *model, const struct plan_job *plan);
struct model_round *model_open(struct model_job *job);

/* NULL when it is retired or has not begun. */
struct model_round *model_round(struct model_job *job, uint64_t number);

/* The newest that is closed, or NULL. */
struct model_round *model_newest_closed(struct model_job *job);

void model_start_closing(struct model_job *job, struct model_round *round);

/* Time has come this far: graces end. */
void model_advance(struct model *model, uint64_t now_ms);

/* A push, looked at before its body (what is known of the body is not looked at), and with it. */
struct verdict_model model_offer(struct model_job *job, const struct message *m, uint64_t round);
struct verdict_model model_commit(struct model_job *job, const struct message *m, uint64_t round);

/* It was accepted: counts it. */
struct counted *model_count(struct model_job *job, const struct message *m, uint64_t round,
                            uint64_t now_ms);
void model_persisted(struct model_job *job, struct counted *counted, uint64_t round);

/* The one sum that is right: of a closed round, or of a node that has all it expects. */
const struct model_sum *model_sum(const struct model_job *job, struct model_round *round,
                                  size_t node);

/* Has the node of a round that is not closed all it can ever get, made durable? */
bool model_complete(const struct model_job *job, const struct model_round *round, size_t node);

void model_free(struct model *model);
