/* The jobs of a core: create, describe, list, delete, and closing a round on request. */
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "core/batch.h"
#include "core/state.h"

static struct list *bucket_of(const struct core *core, const char *name)
{
    uint64_t h = XXH3_64bits(name, strlen(name));
    return (struct list *)(uintptr_t)&core->buckets[h % JOB_BUCKETS];
}

struct job *core_find_job(const struct core *core, const char *name)
{
    struct list *bucket = bucket_of(core, name);
    list_each (link, bucket) {
        struct job *job = list_entry(link, struct job, bucket);
        if (strcmp(job->name, name) == 0)
            return job;
    }
    return NULL;
}

const struct list *core_jobs(const struct core *core)
{
    return &core->jobs;
}

struct job *jobs_need(const struct core *core, const char *name, struct error *error)
{
    struct job *job = core_find_job(core, name);
    if (job == NULL)
        error_set(error, CODE_NOT_FOUND, "no job '%.255s'", name);
    return job;
}

/* What the job's rounds may keep in the results budget. Reserved for the life of the job, so that a
 * fold never waits for somebody else's memory for ever. */
static uint64_t reservation(const struct job *job)
{
    if (job->grads_bytes == 0)
        return 0;
    return results_reserved(job) * pool_cost(job->grads_bytes);
}

static enum code reserve(struct core *core, const struct job *job, struct error *error)
{
    uint64_t need = reservation(job);
    uint64_t left = core->config.result_bytes - core->reserved_result_bytes;
    if (need > left)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "the sums of its rounds need %" PRIu64 " bytes; %" PRIu64 " of %" PRIu64
                         " are left (--result-bytes)",
                         need, left, core->config.result_bytes);
    core->reserved_result_bytes += need;
    return CODE_OK;
}

static enum code add_job(struct core *core, const struct event *event, struct job *job,
                         struct error *error)
{
    enum code code = reserve(core, job, error);
    if (code != CODE_OK)
        return code;
    struct round *round = round_new(job, 0, event->now_ms);
    if (round == NULL) {
        core->reserved_result_bytes -= reservation(job);
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    }
    job->created_ms = event->now_ms;
    list_append(&core->jobs, &job->link);
    list_append(bucket_of(core, job->name), &job->bucket);
    core->stats.jobs++;
    return CODE_OK;
}

/* A new job, or the one that exists with the same spec. NULL with an error. */
static struct job *create(struct core *core, const struct event *event, struct reply *reply)
{
    struct error *error = &reply->error;
    struct job *job = core_find_job(core, event->spec->name);
    uint64_t model_bytes_max = core->config.result_bytes / 2;
    if (job != NULL) {
        if (job_check(event->spec, model_bytes_max, error) != CODE_OK ||
            job_compare(job, event->spec, error) != CODE_OK)
            return NULL;
        return job;
    }
    if (core->stats.jobs >= LIMIT_JOBS) {
        error_set(error, CODE_RESOURCE_EXHAUSTED, "%d jobs exist already; delete one", LIMIT_JOBS);
        return NULL;
    }
    if (job_new(event->spec, model_bytes_max, &job, error) != CODE_OK)
        return NULL;
    if (add_job(core, event, job, error) != CODE_OK) {
        job_unref(job);
        return NULL;
    }
    reply->created = true;
    return job;
}

void jobs_create(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_CREATE_JOB);
    reply->job = create(core, event, reply);
    if (reply->job == NULL)
        error_prefix(&reply->error, "create job: ");
    reply_send(core, update, &update->action, reply);
}

void jobs_describe(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_DESCRIBE_JOB);
    reply->job = jobs_need(core, event->job, &reply->error);
    reply_send(core, update, &update->action, reply);
}

void jobs_list(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_LIST_JOBS);
    reply_send(core, update, &update->action, reply);
}

void jobs_forget(struct core *core, struct job *job)
{
    list_remove(&job->link);
    list_remove(&job->bucket);
    core->reserved_result_bytes -= reservation(job);
    core->stats.jobs--;
    job->deleted = true;
    list_each (link, &job->rounds) {
        struct round *round = list_entry(link, struct round, link);
        heap_remove(&core->graces, &round->grace); /* nothing closes in a job that is gone */
        if (round->batch != NULL && round->batch->running == 0)
            batch_drop(round->batch);
        if (round->batch == NULL)
            round_free(core, round);
    }
    results_free_spare(core, job);
    job_unref(job);
}

static void refuse_everything(struct core *core, struct update *update, struct job *job,
                              const char *why)
{
    list_each (link, &job->intakes) {
        struct intake *intake = list_entry(link, struct intake, link);
        intake_refuse(core, update, list_entry(intake, struct peer, intake), CODE_NOT_FOUND, why);
    }
    list_each (link, &job->rounds)
        pull_refuse_all(core, update, list_entry(link, struct round, link), CODE_NOT_FOUND, why);
}

void jobs_delete(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_DELETE_JOB);
    struct job *job = jobs_need(core, event->job, &reply->error);
    if (job != NULL)
        refuse_everything(core, update, job, "the job was deleted");
    reply_send(core, update, &update->action, reply);
    if (job != NULL)
        jobs_forget(core, job);
}

/* The round, closing at least; NULL with an error. */
static struct round *close_round(struct core *core, const struct event *event, struct error *error)
{
    const struct close_offer *ask = event->close;
    struct job *job = jobs_need(core, ask->job, error);
    if (job == NULL)
        return NULL;
    if (!ask->has_round) {
        error_set(error, CODE_INVALID_ARGUMENT, "close round: no round was named");
        return NULL;
    }
    struct round *open = round_open(job);
    struct round *round = round_find(job, ask->round);
    if (round == NULL) {
        bool future = ask->round > open->number;
        error_set(error, future ? CODE_FUTURE_ROUND : CODE_NOT_FOUND,
                  future ? "round %" PRIu64 " has not begun; round %" PRIu64 " is open"
                         : "round %" PRIu64 " is retired; round %" PRIu64 " is open",
                  ask->round, open->number);
        return NULL;
    }
    if (round == open && !round_start_closing(core, round, event->now_ms)) {
        error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory for the next round");
        return NULL;
    }
    return round;
}

void jobs_close_round(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_CLOSE_ROUND);
    reply->round_status = close_round(core, event, &reply->error);
    reply_send(core, update, &update->action, reply);
}
