/* A core with everything around it done at once and in order: what the composition root does with
 * sockets, a thread pool and a clock, this rig does in a loop. Replies are kept for the test to
 * look at. */
#pragma once

#include "core/batch.h"
#include "core/core.h"
#include "core/pull.h"
#include "core/push.h"

enum {
    RIG_PEERS = 16,
    RIG_REPLIES = 64,
    RIG_VIEWS = 32,
};

/* A reply as a test looks at it: the pull's sums copied out. */
struct rig_reply {
    struct peer *peer;
    uint64_t request_id;
    enum request_kind request;
    struct error error;
    bool created;
    enum verdict verdict;
    uint64_t round;
    uint32_t ignored;
    enum round_state state;
    size_t n_gradients;
    uint32_t contributions[8];
    unsigned char sums[512]; /* of the gradients, back to back */
};

struct rig {
    struct core *core;
    struct peer peers[RIG_PEERS];
    uint64_t now_ms;
    uint64_t wake_at_ms;
    bool hold_folds;   /* keep fold tasks until rig_run_folds() */
    bool hold_persist; /* keep commits until rig_run_persists() */
    bool hold_views;   /* keep views: they are rig->viewed */
    struct list folds; /* struct fold_task.action */
    struct list persists;
    struct rig_reply replies[RIG_REPLIES];
    size_t n_replies;
    size_t n_granted;
    struct pull *viewed[RIG_VIEWS];
    size_t n_viewed;
    uint64_t rounds_closed;
    uint64_t next_id;
};

struct core_config rig_config(void);

/* false without memory. */
bool rig_init(struct rig *rig, const struct core_config *config);

/* Loses all peers, finishes what is in flight, frees the core, which checks that memory came back.
 */
void rig_free(struct rig *rig);

void rig_step(struct rig *rig, struct event event);
void rig_run_folds(struct rig *rig);
void rig_run_persists(struct rig *rig);
void rig_advance(struct rig *rig, uint64_t ms);

/* The last reply, which must exist; and forgetting all. */
struct rig_reply *rig_last(struct rig *rig);
void rig_forget(struct rig *rig);

/* Requests from peer p; the reply, if it came at once, is rig_last(). */
void rig_create(struct rig *rig, int p, const struct job_spec *spec);
void rig_delete(struct rig *rig, int p, const char *job);
void rig_close(struct rig *rig, int p, const char *job, uint64_t round);
void rig_offer(struct rig *rig, int p, const struct push_offer *offer);
/* Fills the granted staging of peer p and completes the body. */
void rig_body(struct rig *rig, int p, const void *bytes);
/* The same of a push whose tensors lie in shared memory. */
void rig_copy(struct rig *rig, int p);
/* rig_offer, and rig_body when staging was granted. */
void rig_push(struct rig *rig, int p, const struct push_offer *offer, const void *bytes);
void rig_pull(struct rig *rig, int p, const struct pull_offer *ask);
void rig_lose(struct rig *rig, int p);

/* Ends the i-th of the views that are held, or loses it. */
void rig_end_view(struct rig *rig, size_t i, enum event_kind how);
