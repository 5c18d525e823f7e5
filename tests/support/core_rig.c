#include "core_rig.h"

#include <string.h>

#include "base/must.h"

struct core_config rig_config(void)
{
    return (struct core_config){.staging_bytes = 1 << 20,
                                .result_bytes = 1 << 20,
                                .accumulator_bytes = 1 << 20,
                                .max_body_bytes = 1 << 20,
                                .fold_tasks = 2};
}

bool rig_init(struct rig *rig, const struct core_config *config)
{
    *rig = (struct rig){.wake_at_ms = NO_WAKE};
    list_init(&rig->folds);
    list_init(&rig->persists);
    for (int i = 0; i < RIG_PEERS; i++)
        peer_init(&rig->peers[i]);
    rig->core = core_new(config);
    return rig->core != NULL;
}

static void copy_sums(struct rig_reply *r, struct pull *pull)
{
    size_t at = 0;
    r->round = pull->number;
    r->state = pull->state;
    r->n_gradients = pull->n_nodes;
    for (size_t i = 0; i < pull->n_nodes && i < 8; i++) {
        struct gradient g;
        pull_gradient(pull, i, &g);
        r->contributions[i] = g.contributions;
        if (at + g.node->bytes > sizeof r->sums)
            return;
        if (g.data != NULL)
            memcpy(r->sums + at, g.data, g.node->bytes);
        at += g.node->bytes;
    }
}

/* Keeps the reply; an answered pull is to be given back. */
static struct pull *keep_reply(struct rig *rig, const struct reply *reply)
{
    must(rig->n_replies < RIG_REPLIES);
    struct rig_reply *r = &rig->replies[rig->n_replies++];
    *r = (struct rig_reply){.peer = reply->peer,
                            .request_id = reply->request_id,
                            .request = reply->request,
                            .error = reply->error,
                            .created = reply->created,
                            .verdict = reply->verdict,
                            .round = reply->round,
                            .ignored = reply->ignored};
    if (reply->pull != NULL && reply->error.code == CODE_OK)
        copy_sums(r, reply->pull);
    else
        return NULL;
    if (!rig->hold_views || pull_segment(reply->pull) == NULL)
        return reply->pull;
    must(rig->n_viewed < RIG_VIEWS);
    rig->viewed[rig->n_viewed++] = reply->pull;
    return NULL;
}

enum {
    FOLLOW_UPS = 128
};

/* What carrying out the actions leads to. */
struct follow_ups {
    struct event events[FOLLOW_UPS];
    size_t n;
};

static void follow_up(struct follow_ups *f, struct event event)
{
    must(f->n < FOLLOW_UPS);
    f->events[f->n++] = event;
}

static void drop_refused(struct rig *rig, struct follow_ups *f, struct peer *peer)
{
    if (peer >= rig->peers && peer < rig->peers + RIG_PEERS && peer->intake.state == INTAKE_REFUSED)
        follow_up(f, (struct event){.kind = EVENT_BODY_DROPPED, .peer = peer});
}

static void carry_out(struct rig *rig, struct update *update, struct follow_ups *f)
{
    list_each (link, &update->actions) {
        struct action *action = list_entry(link, struct action, link);
        list_remove(link);
        if (action->kind == ACTION_REPLY) {
            struct pull *pull = keep_reply(rig, action->reply);
            if (pull != NULL)
                follow_up(f, (struct event){.kind = EVENT_SENT, .pull = pull});
            drop_refused(rig, f, action->reply->peer);
        } else if (action->kind == ACTION_GRANT) {
            rig->n_granted++;
        } else if (action->kind == ACTION_PERSIST) {
            list_append(&rig->persists, link);
        } else if (action->kind == ACTION_FOLD) {
            list_append(&rig->folds, link);
        } else {
            rig->rounds_closed++;
        }
    }
}

static void step_once(struct rig *rig, struct event event)
{
    struct update update;
    struct follow_ups f = {.n = 0};
    event.now_ms = rig->now_ms;
    core_step(rig->core, &event, &update);
    rig->wake_at_ms = update.wake_at_ms;
    carry_out(rig, &update, &f);
    for (size_t i = 0; i < f.n; i++)
        step_once(rig, f.events[i]);
}

void rig_step(struct rig *rig, struct event event)
{
    step_once(rig, event);
    bool more = true;
    while (more) {
        more = false;
        if (!rig->hold_persist && !list_empty(&rig->persists)) {
            rig_run_persists(rig);
            more = true;
        }
        if (!rig->hold_folds && !list_empty(&rig->folds)) {
            rig_run_folds(rig);
            more = true;
        }
    }
}

void rig_run_folds(struct rig *rig)
{
    struct list *link;
    while ((link = list_first(&rig->folds)) != NULL) {
        struct fold_task *task = list_entry(link, struct action, link)->task;
        list_remove(link);
        fold_task_run(task);
        step_once(rig, (struct event){.kind = EVENT_FOLDED, .task = task});
    }
}

void rig_run_persists(struct rig *rig)
{
    struct list *link;
    while ((link = list_first(&rig->persists)) != NULL) {
        struct push *push = list_entry(link, struct action, link)->push;
        list_remove(link);
        step_once(rig, (struct event){.kind = EVENT_PERSISTED, .push = push});
    }
}

void rig_advance(struct rig *rig, uint64_t ms)
{
    rig->now_ms += ms;
    rig_step(rig, (struct event){.kind = EVENT_TICK});
}

struct rig_reply *rig_last(struct rig *rig)
{
    must(rig->n_replies > 0);
    return &rig->replies[rig->n_replies - 1];
}

void rig_forget(struct rig *rig)
{
    rig->n_replies = 0;
}

static struct event request(struct rig *rig, int p, enum event_kind kind)
{
    return (struct event){.kind = kind, .peer = &rig->peers[p], .request_id = ++rig->next_id};
}

void rig_create(struct rig *rig, int p, const struct job_spec *spec)
{
    struct event event = request(rig, p, EVENT_CREATE_JOB);
    event.spec = spec;
    rig_step(rig, event);
}

void rig_delete(struct rig *rig, int p, const char *job)
{
    struct event event = request(rig, p, EVENT_DELETE_JOB);
    event.job = job;
    rig_step(rig, event);
}

void rig_close(struct rig *rig, int p, const char *job, uint64_t round)
{
    struct close_offer close = {.job = job, .has_round = true, .round = round};
    struct event event = request(rig, p, EVENT_CLOSE_ROUND);
    event.close = &close;
    rig_step(rig, event);
}

void rig_offer(struct rig *rig, int p, const struct push_offer *offer)
{
    struct event event = request(rig, p, EVENT_PUSH);
    event.offer = offer;
    rig_step(rig, event);
}

void rig_body(struct rig *rig, int p, const void *bytes)
{
    struct intake *intake = &rig->peers[p].intake;
    uint64_t room;
    must(intake->state == INTAKE_GRANTED);
    unsigned char *to = body_room(intake, &room);
    if (room > 0) {
        memcpy(to, bytes, room);
        body_received(intake, room / 3); /* in two pieces, wherever they end */
        body_received(intake, room - room / 3);
    }
    rig_step(rig, (struct event){.kind = EVENT_BODY_COMPLETE, .peer = &rig->peers[p]});
}

void rig_copy(struct rig *rig, int p)
{
    must(rig->peers[p].intake.state == INTAKE_GRANTED);
    while (body_copy(&rig->peers[p].intake))
        ;
    rig_step(rig, (struct event){.kind = EVENT_BODY_COMPLETE, .peer = &rig->peers[p]});
}

void rig_end_view(struct rig *rig, size_t i, enum event_kind how)
{
    must(i < rig->n_viewed);
    rig_step(rig, (struct event){.kind = how, .pull = rig->viewed[i]});
    rig->viewed[i] = rig->viewed[--rig->n_viewed];
}

void rig_push(struct rig *rig, int p, const struct push_offer *offer, const void *bytes)
{
    rig_offer(rig, p, offer);
    if (rig->peers[p].intake.state == INTAKE_GRANTED)
        rig_body(rig, p, bytes);
}

void rig_pull(struct rig *rig, int p, const struct pull_offer *ask)
{
    struct event event = request(rig, p, EVENT_PULL);
    event.ask = ask;
    rig_step(rig, event);
}

void rig_lose(struct rig *rig, int p)
{
    struct peer *peer = &rig->peers[p];
    rig_step(rig, (struct event){.kind = EVENT_PEER_LOST, .peer = peer});
    peer_init(peer);
}

void rig_free(struct rig *rig)
{
    rig->hold_folds = false;
    rig->hold_persist = false;
    for (int p = 0; p < RIG_PEERS; p++) {
        rig_forget(rig);
        rig_lose(rig, p);
    }
    while (rig->n_viewed > 0)
        rig_end_view(rig, 0, EVENT_SENT);
    core_free(rig->core);
}
