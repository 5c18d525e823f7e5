/* What the composition root does with sockets, a pool and a clock, done with an agenda: the core is
 * never stepped from within a step, actions are carried out in their order, folds and persistence
 * take as long as chance says and end in any order. */
#include <stdlib.h>

#include "shared.h"

bool server_start(struct sim *sim)
{
    sim->core = core_new(&sim->plan.config);
    sim->wake_at_ms = NO_WAKE;
    return sim->core != NULL;
}

static void enqueue(struct sim *sim, const struct event *event)
{
    if (sim->queue_n == sim->queue_capacity) {
        sim->queue_capacity = sim->queue_capacity == 0 ? 64 : 2 * sim->queue_capacity;
        sim->queue = realloc(sim->queue, sim->queue_capacity * sizeof *sim->queue);
        must(sim->queue != NULL);
    }
    sim->queue[sim->queue_n++] = *event;
}

/* -- Actions -- */

enum {
    VIEW_MS = 400 /* how long a client looks at one */
};

static struct request *find_request(struct sim *sim, uint64_t id)
{
    return id == 0 || id > sim->n_requests ? NULL : sim->requests[id - 1];
}

static void reply(struct sim *sim, const struct reply *reply)
{
    struct request *request = find_request(sim, reply->request_id);
    if (request == NULL || request->wire->peer == NULL || request->wire->peer != reply->peer) {
        sim_fail(sim, "a reply to request %lu, which nobody waits for",
                 (unsigned long)reply->request_id);
        return;
    }
    expect_reply(sim, request, reply);
    shared_answered(request);
    struct wire *wire = request->wire;
    uint64_t at = sim->now_ms + sim_below(sim, sim->plan.delay_ms + 1);
    wire->last_reply_ms = at > wire->last_reply_ms ? at : wire->last_reply_ms;
    agenda_add(&sim->agenda, wire->last_reply_ms, ITEM_REPLY, request);
    if (request->pull == NULL)
        return;
    bool view = pull_segment(request->pull) != NULL;
    sim->views += view;
    sim_later(sim, view ? VIEW_MS : sim->plan.delay_ms * 4, ITEM_SENT, request);
}

static void persist(struct sim *sim, struct push *push)
{
    struct request *r = sim->current_request;
    bool due = sim->current->kind == EVENT_BODY_COMPLETE && r != NULL && r->kind == EVENT_PUSH &&
               sim->verdict_due && sim->verdict.code == CODE_OK && !sim->verdict.repeated;
    if (sim->current->kind == EVENT_FOLDED) {
        r = shared_in_place(sim, push);
        due = r != NULL;
    }
    if (!due || push->worker != r->message->offer.worker ||
        push->sequence != r->message->offer.sequence) {
        sim_fail(sim, "a push of worker %u, sequence %lu, is accepted out of the blue",
                 (unsigned)push->worker, (unsigned long)push->sequence);
        return;
    }
    sim->verdict_due = false;
    r->push = push;
    r->counted = model_count(r->admitted, r->message, r->round, sim->now_ms);
    sim->persisting++;
    sim->accepted++;
    sim_later(sim, sim->plan.persist_ms, ITEM_PERSISTED, r);
}

static void note_closed(struct sim *sim, const struct round *round)
{
    struct model_job *job = model_find(&sim->model, round->job->name);
    struct model_round *m =
        job == NULL || round->number >= job->n_rounds ? NULL : &job->rounds[round->number];
    if (m == NULL || m->state != MODEL_CLOSING || m->not_persisted > 0)
        sim_fail(sim, "round %lu of %s closed early", (unsigned long)round->number,
                 round->job->name);
    else if (round->number > 0 && job->rounds[round->number - 1].state != MODEL_CLOSED)
        sim_fail(sim, "round %lu of %s closed before the one before it",
                 (unsigned long)round->number, round->job->name);
    else
        m->state = MODEL_CLOSED;
    sim->rounds++;
    sim_say(sim, "server: round %lu of %s is closed", (unsigned long)round->number,
            round->job->name);
}

static void carry_out(struct sim *sim, struct action *action)
{
    switch (action->kind) {
    case ACTION_REPLY:
        reply(sim, action->reply);
        break;
    case ACTION_GRANT:
        break; /* wire_pump() looks for itself */
    case ACTION_PERSIST:
        persist(sim, action->push);
        break;
    case ACTION_FOLD:
        sim->folds++;
        sim_later(sim, sim->plan.fold_ms, ITEM_FOLD, action->task);
        break;
    case ACTION_ROUND_CLOSED:
        note_closed(sim, action->round);
        break;
    }
}

/* -- Steps -- */

static void step(struct sim *sim, struct event event)
{
    event.now_ms = sim->now_ms;
    sim->current = &event;
    sim->events++;
    model_advance(&sim->model, sim->now_ms);
    sim->verdict_due = false;
    expect_before(sim, sim->current_request, &event);
    core_step(sim->core, &event, &sim->update);
    list_each (link, &sim->update.actions) {
        list_remove(link);
        if (!sim->failed)
            carry_out(sim, list_entry(link, struct action, link));
    }
    if (!sim->failed)
        expect_after(sim);
    if (!sim->failed)
        check_step(sim);
    sim->just_deleted = NULL;
    sim->current_request = NULL;
    sim->current = NULL;
    if (sim->update.wake_at_ms != NO_WAKE && sim->update.wake_at_ms < sim->wake_at_ms) {
        sim->wake_at_ms = sim->update.wake_at_ms;
        agenda_add(&sim->agenda, sim->wake_at_ms, ITEM_WAKE, NULL);
    }
}

static void pump_all(struct sim *sim)
{
    struct wire *next;
    for (struct wire *w = sim->wires; w != NULL; w = next) {
        next = w->next;
        wire_pump(sim, w);
    }
}

void server_submit(struct sim *sim, const struct event *event)
{
    enqueue(sim, event);
    if (sim->stepping)
        return;
    sim->stepping = true;
    while (sim->queue_at < sim->queue_n && !sim->failed) {
        struct event next = sim->queue[sim->queue_at++];
        sim->current_request = find_request(sim, next.request_id);
        step(sim, next);
        if (sim->queue_at == sim->queue_n)
            pump_all(sim);
    }
    sim->queue_n = sim->queue_at = 0;
    sim->stepping = false;
}

/* -- What others did -- */

static void sent(struct sim *sim, struct request *r)
{
    if (!expect_sums(sim, r, r->pull))
        sim_fail(sim, "the sums changed while they were being sent");
    struct event event = {.kind = shared_end_view(sim, r), .pull = r->pull};
    r->pull = NULL;
    server_submit(sim, &event);
}

static void persisted(struct sim *sim, struct request *r)
{
    struct event event = {.kind = EVENT_PERSISTED, .push = r->push, .request_id = r->id};
    sim->persisting--;
    server_submit(sim, &event);
    r->push = NULL;
}

void server_item(struct sim *sim, const struct item *item)
{
    switch (item->kind) {
    case ITEM_SENT:
        sent(sim, item->what);
        break;
    case ITEM_PERSISTED:
        persisted(sim, item->what);
        break;
    case ITEM_FOLD: /* a thread may be late to say that it is done */
        fold_task_run(item->what);
        sim_later(sim, sim->plan.fold_ms / 4, ITEM_FOLDED, item->what);
        break;
    case ITEM_FOLDED:
        sim->folds--;
        server_submit(sim, &(struct event){.kind = EVENT_FOLDED, .task = item->what});
        break;
    default:
        sim->wake_at_ms = NO_WAKE;
        server_submit(sim, &(struct event){.kind = EVENT_TICK});
    }
}
