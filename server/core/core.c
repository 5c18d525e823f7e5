#include "core/core.h"

#include <stdlib.h>

#include "core/gather.h"
#include "core/state.h"

struct core *core_new(const struct core_config *config)
{
    struct core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return NULL;
    core->config = *config;
    if (config->share_bytes_min == 0)
        core->config.share_bytes_min = DEFAULT_SHARE_BYTES_MIN;
    core->staging = pool_new(config->staging_bytes);
    core->results = pool_new(config->result_bytes);
    if (core->staging == NULL || core->results == NULL) {
        free(core->staging);
        free(core->results);
        free(core);
        return NULL;
    }
    fold_budget_init(&core->accumulators, config->accumulator_bytes);
    list_init(&core->jobs);
    for (size_t i = 0; i < JOB_BUCKETS; i++)
        list_init(&core->buckets[i]);
    for (size_t i = 0; i < SEGMENT_BUCKETS; i++)
        list_init(&core->segments[i]);
    list_init(&core->spare_pushes);
    list_init(&core->waiting);
    list_init(&core->wanting);
    list_init(&core->garbage);
    list_init(&core->retired);
    return core;
}

static void sweep(struct core *core)
{
    list_each (link, &core->garbage)
        pull_free(core, list_entry(link, struct pull, link), false);
    list_each (link, &core->retired) {
        struct round *round = list_entry(link, struct round, link);
        struct job *job = round->job;
        round_free(core, round);
        job_unref(job);
    }
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    must(core->stats.folds_running == 0 && core->receiving == 0);
    sweep(core);
    list_each (link, &core->jobs)
        jobs_forget(core, list_entry(link, struct job, link));
    push_free_spare(core);
    pool_free(core->staging);
    pool_free(core->results);
    free(core);
}

void peer_init(struct peer *peer)
{
    *peer = (struct peer){0};
    list_init(&peer->pulls);
    list_init(&peer->committed);
    list_init(&peer->intake.link);
    list_init(&peer->intake.wait);
}

/* -- Replies -- */

struct reply *reply_to(struct update *update, const struct event *event, enum request_kind request)
{
    struct reply *reply = &update->reply;
    error_clear(&reply->error); /* and not all of its message */
    reply->peer = event->peer;
    reply->request_id = event->request_id;
    reply->request = request;
    reply->now_ms = event->now_ms;
    reply->job = NULL;
    reply->created = false;
    reply->round_status = NULL;
    reply->verdict = 0;
    reply->round = 0;
    reply->ignored = 0;
    reply->pull = NULL;
    return reply;
}

void reply_send(struct core *core, struct update *update, struct action *action,
                struct reply *reply)
{
    core->stats.replies[reply->error.code]++;
    action->kind = ACTION_REPLY;
    action->reply = reply;
    list_append(&update->actions, &action->link);
}

/* -- Events -- */

static enum request_kind request_of(enum event_kind kind)
{
    switch (kind) {
    case EVENT_CREATE_JOB:
        return REQUEST_CREATE_JOB;
    case EVENT_DESCRIBE_JOB:
        return REQUEST_DESCRIBE_JOB;
    case EVENT_LIST_JOBS:
        return REQUEST_LIST_JOBS;
    case EVENT_DELETE_JOB:
        return REQUEST_DELETE_JOB;
    case EVENT_PUSH:
        return REQUEST_PUSH;
    case EVENT_PULL:
        return REQUEST_PULL;
    default:
        return REQUEST_CLOSE_ROUND;
    }
}

static void refuse_stopping(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, request_of(event->kind));
    error_set(&reply->error, CODE_UNAVAILABLE, "the server is stopping");
    reply_send(core, update, &update->action, reply);
}

static void stop(struct core *core, struct update *update)
{
    const char *why = "the server is stopping";
    core->stopping = true;
    list_each (job_link, &core->jobs) {
        struct job *job = list_entry(job_link, struct job, link);
        list_each (link, &job->intakes) {
            struct intake *intake = list_entry(link, struct intake, link);
            intake_refuse(core, update, list_entry(intake, struct peer, intake), CODE_UNAVAILABLE,
                          why);
        }
        list_each (link, &job->rounds)
            pull_refuse_all(core, update, list_entry(link, struct round, link), CODE_UNAVAILABLE,
                            why);
    }
}

static void lose(struct core *core, struct peer *peer)
{
    intake_end(core, peer);
    list_each (link, &peer->pulls)
        pull_free(core, list_entry(link, struct pull, peer_link), false);
    list_each (link, &peer->committed) {
        list_remove(link);
        list_entry(link, struct push, peer_link)->peer = NULL;
    }
}

static void handle_request(struct core *core, const struct event *event, struct update *update)
{
    static void (*const handlers[])(struct core *, const struct event *, struct update *) = {
        [EVENT_CREATE_JOB] = jobs_create,
        [EVENT_DESCRIBE_JOB] = jobs_describe,
        [EVENT_LIST_JOBS] = jobs_list,
        [EVENT_DELETE_JOB] = jobs_delete,
        [EVENT_PUSH] = push_offer,
        [EVENT_PULL] = pull_ask,
        [EVENT_CLOSE_ROUND] = jobs_close_round,
    };
    if (core->stopping)
        refuse_stopping(core, event, update);
    else
        handlers[event->kind](core, event, update);
}

static void handle(struct core *core, const struct event *event, struct update *update)
{
    switch (event->kind) {
    case EVENT_BODY_COMPLETE:
        push_body_complete(core, event, update);
        break;
    case EVENT_BODY_DROPPED:
        push_body_dropped(core, event);
        break;
    case EVENT_PERSISTED:
        push_persisted(core, event, update);
        break;
    case EVENT_FOLDED:
        schedule_folded(core, event, update);
        break;
    case EVENT_SENT:
        pull_free(core, event->pull, false);
        break;
    case EVENT_VIEW_LOST:
        pull_free(core, event->pull, true);
        break;
    case EVENT_PEER_LOST:
    case EVENT_TICK:
        break;
    case EVENT_STOP:
        stop(core, update);
        break;
    default:
        handle_request(core, event, update);
    }
}

/* Rounds whose grace is over start to close. */
static void expire_graces(struct core *core, uint64_t now_ms)
{
    struct heap_node *first;
    while ((first = heap_first(&core->graces)) != NULL && first->key <= now_ms) {
        heap_remove(&core->graces, first);
        round_start_closing(core, list_entry(first, struct round, grace), now_ms);
    }
}

static uint64_t next_wake(const struct core *core, uint64_t now_ms)
{
    uint64_t wake = NO_WAKE;
    const struct heap_node *deadline = heap_first(&core->deadlines);
    const struct heap_node *grace = heap_first(&core->graces);
    if (deadline != NULL)
        wake = deadline->key;
    const struct heap_node *gather = heap_first(&core->gathers);
    if (grace != NULL && grace->key < wake)
        wake = grace->key;
    if (gather != NULL && gather->key < wake)
        wake = gather->key;
    if ((!list_empty(&core->wanting) || !list_empty(&core->retired)) && wake > now_ms + RETRY_MS)
        wake = now_ms + RETRY_MS;
    return wake;
}

void core_step(struct core *core, const struct event *event, struct update *update)
{
    list_init(&update->actions);
    sweep(core);
    if (event->kind == EVENT_PEER_LOST)
        lose(core, event->peer); /* before anything else could answer it */
    pull_expire(core, update, event->now_ms);
    expire_graces(core, event->now_ms);
    gather_expire(core, event->now_ms);
    handle(core, event, update);
    schedule_run(core, update, event->now_ms);
    staging_grant(core, update);
    update->wake_at_ms = next_wake(core, event->now_ms);
}

bool core_idle(const struct core *core)
{
    return core->stats.folds_running == 0 && core->persisting == 0 && core->closing == 0;
}

void core_stats(const struct core *core, struct core_stats *stats)
{
    *stats = core->stats;
    stats->staging_used = pool_used(core->staging);
    stats->staging_max = pool_max(core->staging);
    stats->staging_kept = pool_kept(core->staging);
    stats->results_used = pool_used(core->results);
    stats->results_max = pool_max(core->results);
    stats->accumulators_used = atomic_load(&core->accumulators.bytes_used);
    stats->accumulators_max = core->accumulators.bytes_max;
    stats->pushes_waiting = core->pushes_waiting;
    stats->pushes_gathering = core->gathering;
    stats->pulls_waiting = core->pulls_waiting;
    stats->bodies_receiving = core->receiving;
}
