/* Memory for the bodies of pushes: granted first come first served, as far as the budget goes.
 *
 * A push without a body needs none and does not queue. When the first in the queue does not fit,
 * what is staged already is folded early; when nothing that is in progress can free memory either,
 * the push is refused rather than left to hang. */
#include <inttypes.h>
#include <xxhash.h>

#include "core/gather.h"
#include "core/state.h"

struct push *intake_take(struct core *core, struct peer *peer)
{
    struct push *push = peer->intake.push;
    struct intake *intake = &peer->intake;
    if (intake->state == INTAKE_WAITING) {
        core->pushes_waiting--;
        gather_leave(core, push);
    }
    if (intake->state == INTAKE_GRANTED || intake->state == INTAKE_REFUSED)
        core->receiving--;
    list_remove(&intake->link);
    list_remove(&intake->wait);
    XXH3_freeState(intake->check.hash);
    intake->check.hash = NULL;
    job_unref(push->job);
    intake->push = NULL;
    intake->state = INTAKE_NONE;
    return push;
}

void intake_end(struct core *core, struct peer *peer)
{
    if (peer->intake.state != INTAKE_NONE)
        push_free(core, intake_take(core, peer));
}

void intake_refuse(struct core *core, struct update *update, struct peer *peer, enum code code,
                   const char *why)
{
    struct intake *intake = &peer->intake;
    if (intake->state != INTAKE_WAITING && intake->state != INTAKE_GRANTED)
        return;
    intake->reply = (struct reply){
        .peer = peer, .request_id = intake->push->request_id, .request = REQUEST_PUSH};
    error_set(&intake->reply.error, code, "push from worker %" PRIu32 ": %s", intake->push->worker,
              why);
    reply_send(core, update, &intake->action, &intake->reply);
    if (intake->state == INTAKE_WAITING) {
        intake_end(core, peer);
        return;
    }
    intake->state = INTAKE_REFUSED;
    list_remove(&intake->link);
}

void push_body_dropped(struct core *core, const struct event *event)
{
    intake_end(core, event->peer);
}

/* It holds nothing beyond its commit, and may be the final one that lets others go on. */
static bool needs_nothing(const struct push *push)
{
    return push->body_bytes == 0 && push->n_terms == 0;
}

void staging_queue(struct core *core, struct intake *intake)
{
    bool ahead = needs_nothing(intake->push);
    list_append(ahead ? core->waiting.next : &core->waiting, &intake->wait);
}

static bool fits(const struct core *core, const struct push *push)
{
    if (needs_nothing(push))
        return true;
    uint64_t used = pool_used(core->staging);
    uint64_t max = pool_max(core->staging);
    return used <= max && push_cost(push) <= max - used;
}

static void grant(struct core *core, struct update *update, struct peer *peer)
{
    struct intake *intake = &peer->intake;
    if (!push_take_staging(core, intake->push)) {
        intake_refuse(core, update, peer, CODE_RESOURCE_EXHAUSTED, "no memory for its body");
        return;
    }
    list_remove(&intake->wait);
    core->pushes_waiting--;
    core->receiving++;
    intake->state = INTAKE_GRANTED;
    intake->action.kind = ACTION_GRANT;
    intake->action.granted = peer;
    list_append(&update->actions, &intake->action.link);
}

void staging_grant(struct core *core, struct update *update)
{
    struct list *first;
    while ((first = list_first(&core->waiting)) != NULL) {
        struct intake *intake = list_entry(first, struct intake, wait);
        struct peer *peer = list_entry(intake, struct peer, intake);
        if (fits(core, intake->push))
            grant(core, update, peer);
        else if (schedule_early(core, update))
            return;
        else
            intake_refuse(core, update, peer, CODE_RESOURCE_EXHAUSTED,
                          "the staging is full and nothing in progress can free it "
                          "(--staging-bytes)");
    }
}
