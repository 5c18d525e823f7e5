/* What the core's files share: the state itself, and the functions by which one handles an event
 * for another. */
#pragma once

#include "core/core.h"
#include "core/pull.h"
#include "core/push.h"
#include "core/round.h"

enum {
    JOB_BUCKETS = 1024,
    SEGMENT_BUCKETS = 64,
    RETRY_MS = 10
};

struct core {
    struct core_config config;
    struct fold_budget accumulators;
    struct pool *staging;
    struct pool *results;
    uint64_t reserved_result_bytes;        /* of `results`, by the jobs that exist */
    struct list segments[SEGMENT_BUCKETS]; /* struct segment.link, by number */
    uint64_t segments_made;

    struct list jobs;
    struct list buckets[JOB_BUCKETS]; /* struct job.bucket, by name */

    struct list spare_pushes; /* struct push.link */
    unsigned n_spare_pushes;

    struct list waiting;   /* struct intake.wait, first come first served */
    struct list wanting;   /* struct round.wanting */
    struct heap deadlines; /* struct pull.deadline */
    struct heap graces;    /* struct round.grace */
    struct heap gathers;   /* struct round.gather_until */
    struct list garbage;   /* struct pull.link: refused in the last step */
    struct list retired; /* struct round.link: retired in the last step; each references its job */

    uint64_t accumulators_freed; /* counts the times: whoever is stuck may try again */
    bool stopping;
    unsigned receiving; /* intakes that were granted and not dropped */
    unsigned persisting;
    unsigned closing; /* rounds */
    uint64_t pulls_waiting;
    uint64_t pushes_waiting;
    uint64_t gathering;      /* of these */
    struct core_stats stats; /* the counters of it */
};

/* -- Replies (core.c) -- */

/* The reply to the event itself: fill it, then reply_send(). */
struct reply *reply_to(struct update *update, const struct event *event, enum request_kind request);
void reply_send(struct core *core, struct update *update, struct action *action,
                struct reply *reply);

/* -- Jobs (jobs.c) -- */

void jobs_create(struct core *core, const struct event *event, struct update *update);
void jobs_describe(struct core *core, const struct event *event, struct update *update);
void jobs_list(struct core *core, const struct event *event, struct update *update);
void jobs_delete(struct core *core, const struct event *event, struct update *update);
void jobs_close_round(struct core *core, const struct event *event, struct update *update);

/* Takes the job and its rounds out of the core; rounds that are being folded go when that is done.
 */
void jobs_forget(struct core *core, struct job *job);

/* job_check.c: the rules of the wire for a spec. */
enum code job_check(const struct job_spec *spec, uint64_t model_bytes_max, struct error *error);

/* The name, or CODE_NOT_FOUND in the error. */
struct job *jobs_need(const struct core *core, const char *name, struct error *error);

/* -- Pushes (offer.c, commit.c, staging.c) -- */

void push_offer(struct core *core, const struct event *event, struct update *update);
void push_body_complete(struct core *core, const struct event *event, struct update *update);
void push_body_dropped(struct core *core, const struct event *event);
void push_persisted(struct core *core, const struct event *event, struct update *update);

/* The checks that are made at admission and again at commit: key, round, final, expected. With a
 * repeated key, *repeated is set and all is well. *round is set with CODE_OK. */
enum code push_check_round(const struct job *job, const struct push *push, struct round **round,
                           const struct key **repeated, struct error *error);

/* From here on the push counts. There is room for its key. */
void push_commit(struct core *core, struct update *update, struct round *round, struct push *push,
                 uint64_t now_ms);

/* Refuses the push at the intake: waiting ones are freed, half-sent ones when their body is
 * dropped. */
void intake_refuse(struct core *core, struct update *update, struct peer *peer, enum code code,
                   const char *why);
/* Ends the intake; its push, or frees that too. */
struct push *intake_take(struct core *core, struct peer *peer);
void intake_end(struct core *core, struct peer *peer);

/* The intake waits for staging. */
void staging_queue(struct core *core, struct intake *intake);

/* Grants staging to the waiting pushes as far as it goes, folds early when it does not. */
void staging_grant(struct core *core, struct update *update);

/* -- Folds (schedule.c) -- */

/* The round may have something to fold now. */
void schedule_want(struct core *core, struct round *round);
/* Starts what can be started. */
void schedule_run(struct core *core, struct update *update, uint64_t now_ms);
/* Folds staged pushes before their round closes. False when there is nothing that would help. */
bool schedule_early(struct core *core, struct update *update);
void schedule_folded(struct core *core, const struct event *event, struct update *update);
