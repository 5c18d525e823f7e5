/* When to fold. Late, because many contributions in one pass cost half the memory traffic of adding
 * each on arrival: when a round closes, or a node has all it expects. Earlier only when the staging
 * budget asks for it. One batch a round at a time, so that batches never share an accumulator. */
#include "core/gather.h"
#include "core/state.h"

void schedule_want(struct core *core, struct round *round)
{
    if (list_empty(&round->wanting))
        list_append(&core->wanting, &round->wanting);
}

static const struct round *previous(const struct round *round)
{
    const struct list *head = &round->job->rounds;
    return round->link.prev == head ? NULL : list_entry(round->link.prev, struct round, link);
}

/* Rounds close in their order. */
static bool may_close(const struct round *round)
{
    const struct round *p = previous(round);
    return round->state == ROUND_CLOSING && list_empty(&round->persisting) &&
           (p == NULL || p->state == ROUND_CLOSED);
}

/* The results of the trial are those that the job's reservation has for the next round that closes.
 */
static bool may_try(const struct round *round)
{
    const struct round *p = previous(round);
    return gather_complete(round) && (p == NULL || p->state == ROUND_CLOSED);
}

/* Only the first two rounds that are not closed may have sums of complete nodes: that is what the
 * job's reservation of results covers (jobs.c). */
static bool may_complete(const struct round *round)
{
    const struct round *p = previous(round);
    const struct round *pp = p == NULL ? NULL : previous(p);
    return round->n_complete > 0 &&
           (p == NULL || p->state == ROUND_CLOSED || pp == NULL || pp->state == ROUND_CLOSED);
}

/* Starts what the round wants; false when it has to wait for memory. */
static bool serve(struct core *core, struct update *update, struct round *round, uint64_t now_ms)
{
    struct batch *started;
    if (round->job->deleted)
        return true;
    if (round->batch != NULL) {
        /* A trial that was adopted is the fold of this close. */
        if (round->batch->running == 0 && may_close(round)) {
            batch_finish(core, round->batch);
            round_closed(core, update, round, now_ms);
        }
        return true;
    }
    if (may_close(round)) {
        round_discard_held(core, round);
        if (!batch_start(core, update, round, BATCH_CLOSE, &started))
            return false;
        if (started == NULL)
            round_closed(core, update, round, now_ms);
    } else if (may_complete(round)) {
        return batch_start(core, update, round, BATCH_COMPLETE, &started);
    } else if (may_try(round)) {
        gather_try(core, update, round);
    }
    return true;
}

void schedule_run(struct core *core, struct update *update, uint64_t now_ms)
{
    struct list lacking;
    struct list *link;
    list_init(&lacking);
    while ((link = list_first(&core->wanting)) != NULL) {
        list_remove(link);
        if (!serve(core, update, list_entry(link, struct round, wanting), now_ms))
            list_append(&lacking, link);
    }
    list_move(&core->wanting, &lacking);
}

/* The round whose early fold frees the most, or NULL; *progress: one will free memory by itself. */
static struct round *best_for_early(const struct core *core, bool *progress)
{
    struct round *best = NULL;
    list_each (job_link, &core->jobs) {
        struct job *job = list_entry(job_link, struct job, link);
        list_each (link, &job->rounds) {
            struct round *round = list_entry(link, struct round, link);
            if (round->pushes > 0 && heap_contains(&round->grace))
                *progress = true;
            if (round->batch == NULL && round->stuck_at != core->accumulators_freed + 1 &&
                round->staged_bytes > (best == NULL ? 0 : best->staged_bytes))
                best = round;
        }
    }
    return best;
}

bool schedule_early(struct core *core, struct update *update)
{
    bool progress = core->stats.folds_running > 0 || core->receiving > 0 || core->persisting > 0 ||
                    !list_empty(&core->wanting) || heap_first(&core->gathers) != NULL;
    struct round *round;
    while ((round = best_for_early(core, &progress)) != NULL) {
        struct batch *started = NULL;
        if (batch_start(core, update, round, BATCH_EARLY, &started) && started != NULL)
            return true;
        round->stuck_at = core->accumulators_freed + 1;
    }
    return progress;
}

void schedule_folded(struct core *core, const struct event *event, struct update *update)
{
    struct batch *batch = event->task->batch;
    core->stats.folds_running--;
    if (--batch->running > 0)
        return;
    struct round *round = batch->round;
    struct job *job = round->job;
    enum batch_purpose purpose = batch->purpose;
    if (purpose == BATCH_TRIAL)
        gather_tried(core, update, batch, event->now_ms);
    else
        batch_finish(core, batch);
    if (job->deleted)
        round_free(core, round);
    else if (purpose == BATCH_CLOSE)
        round_closed(core, update, round, event->now_ms);
    else if (purpose != BATCH_TRIAL) {
        pull_answer_ready(core, update, round);
        schedule_want(core, round);
    }
    job_unref(job);
}
