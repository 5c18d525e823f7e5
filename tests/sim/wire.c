/* Connections: what workers send arrives late and in order, until the wire is cut, which may be in
 * the middle of a body; the server notices later than the worker. */
#include <stdlib.h>
#include <string.h>

#include "shared.h"

struct request *request_new(struct sim *sim, struct worker *worker, enum event_kind kind,
                            const struct plan_job *job)
{
    struct request *r = calloc(1, sizeof *r);
    must(r != NULL);
    r->worker = worker;
    r->kind = kind;
    r->job = job;
    if (sim->n_requests == sim->requests_capacity) {
        sim->requests_capacity = sim->requests_capacity == 0 ? 256 : 2 * sim->requests_capacity;
        sim->requests = realloc(sim->requests, sim->requests_capacity * sizeof(void *));
        must(sim->requests != NULL);
    }
    sim->requests[sim->n_requests++] = r;
    r->id = sim->n_requests;
    return r;
}

struct wire *wire_open(struct sim *sim, struct worker *worker)
{
    struct wire *w = calloc(1, sizeof *w);
    must(w != NULL);
    w->peer = calloc(1, sizeof *w->peer);
    must(w->peer != NULL);
    peer_init(w->peer);
    w->worker = worker;
    w->number = ++sim->n_wires;
    w->next = sim->wires;
    sim->wires = w;
    return w;
}

bool wire_has_room(const struct wire *w)
{
    return w->n + 8 < WIRE_SEGMENTS;
}

static void add_segment(struct sim *sim, struct wire *w, struct request *r, uint64_t bytes)
{
    w->sent[(w->first + w->n++) % WIRE_SEGMENTS] = (struct packet){r, bytes};
    uint64_t at = sim->now_ms + sim_below(sim, sim->plan.delay_ms + 1);
    w->last_arrival_ms = at > w->last_arrival_ms ? at : w->last_arrival_ms;
    agenda_add(&sim->agenda, w->last_arrival_ms, ITEM_SEGMENT, w);
}

void wire_send(struct sim *sim, struct wire *w, struct request *r)
{
    must(wire_has_room(w));
    r->wire = w;
    sim_say(sim, "%s: sends %s %lu on wire %u", r->worker != NULL ? "worker" : "mischief",
            request_name(r->kind), (unsigned long)r->id, w->number);
    add_segment(sim, w, r, 0);
    if (r->message != NULL && sim_percent(sim, sim->plan.shares))
        shared_make(sim, r);
    uint64_t left = r->message == NULL || r->sharing != NULL ? 0 : r->message->offer.body_bytes;
    for (int pieces = 3; left > 0; pieces--) {
        uint64_t n = pieces == 1 ? left : 1 + sim_below(sim, left);
        add_segment(sim, w, r, n);
        left -= n;
    }
    uint64_t patience = sim->plan.patience_ms + (r->kind == EVENT_PULL ? r->ask.wait_ms : 0);
    agenda_add(&sim->agenda, sim->now_ms + patience, ITEM_PATIENCE, r);
}

void wire_cut(struct sim *sim, struct wire *w)
{
    if (w->given_up)
        return;
    w->given_up = true;
    sim->cuts++;
    sim_say(sim, "wire %u is cut", w->number);
    sim_later(sim, sim->plan.delay_ms * 4, ITEM_LOST, w);
    for (size_t i = 0; i < sim->n_requests; i++) {
        struct request *r = sim->requests[i];
        if (r->wire != w || r->done)
            continue;
        r->done = true;
        if (r->worker != NULL && !r->echo)
            r->worker->outstanding--;
    }
    if (w == sim->mischief_wire)
        sim->mischief_wire = NULL;
    if (w->worker != NULL)
        worker_wire_lost(sim, w);
}

/* -- The server's end -- */

static struct event event_of(struct wire *w, struct request *r)
{
    struct event event = {.kind = r->kind, .peer = w->peer, .request_id = r->id};
    switch (r->kind) {
    case EVENT_CREATE_JOB:
        event.spec = &r->job->spec;
        break;
    case EVENT_PUSH:
        event.offer = r->sharing != NULL ? &r->sharing->offer : &r->message->offer;
        break;
    case EVENT_PULL:
        event.ask = &r->ask;
        break;
    case EVENT_CLOSE_ROUND:
        event.close = &r->close;
        break;
    default:
        event.job = r->job->name;
    }
    return event;
}

static bool is_body(const struct wire *w)
{
    return w->intake != NULL && w->peer->intake.state != INTAKE_WAITING;
}

/* Bytes of the body that the core has room for; what it does not want is dropped. */
static void read_body(struct wire *w, uint64_t n)
{
    uint64_t room = 0;
    unsigned char *to = NULL;
    if (w->peer->intake.state == INTAKE_GRANTED)
        to = body_room(&w->peer->intake, &room);
    if (room > 0) {
        must(n <= room);
        memcpy(to, w->intake->message->body + w->body_at, n);
        body_received(&w->peer->intake, n);
    }
    w->body_at += n;
}

/* The intake has all it can get: tells the core, once. */
static bool settle_body(struct sim *sim, struct wire *w)
{
    struct request *r = w->intake;
    enum intake_state state = w->peer->intake.state;
    uint64_t room = 1;
    if (state == INTAKE_GRANTED)
        body_room(&w->peer->intake, &room);
    bool whole = state == INTAKE_GRANTED && room == 0;
    if (!whole && state != INTAKE_REFUSED)
        return false;
    w->intake = NULL;
    server_submit(sim, &(struct event){.kind = whole ? EVENT_BODY_COMPLETE : EVENT_BODY_DROPPED,
                                       .peer = w->peer,
                                       .request_id = r->id});
    return true;
}

enum {
    COPY_PART = 32 /* a piece is less work than a fold; workers must have the patience for all */
};

/* Tensors that lie elsewhere are copied by a thread, a piece at a time; true while it does. */
static bool copies(struct sim *sim, struct wire *w)
{
    uint64_t room;
    if (w->copying)
        return true;
    if (w->intake->sharing == NULL || w->peer->intake.state != INTAKE_GRANTED ||
        body_room(&w->peer->intake, &room) == NULL)
        return false;
    w->copying = true;
    sim_later(sim, sim->plan.fold_ms / COPY_PART, ITEM_COPY, w);
    return true;
}

static void copy(struct sim *sim, struct wire *w)
{
    if (body_copy(&w->peer->intake) && w->peer->intake.state == INTAKE_GRANTED) {
        sim_later(sim, sim->plan.fold_ms / COPY_PART, ITEM_COPY, w);
        return;
    }
    w->copying = false;
    wire_pump(sim, w);
}

/* One thing that can be done; false: nothing can without news. */
static bool advance(struct sim *sim, struct wire *w)
{
    if (w->intake != NULL && w->peer->intake.state == INTAKE_NONE)
        w->intake = NULL; /* refused before it was granted */
    if (w->intake != NULL && w->peer->intake.state == INTAKE_WAITING)
        return false;
    if (is_body(w) && copies(sim, w))
        return false;
    if (is_body(w) && settle_body(sim, w))
        return true;
    if (w->arrived == 0)
        return false;
    struct packet segment = w->sent[w->first];
    w->first = (w->first + 1) % WIRE_SEGMENTS;
    w->n--;
    w->arrived--;
    if (segment.bytes > 0) {
        if (w->intake == segment.request)
            read_body(w, segment.bytes);
        return true;
    }
    struct event event = event_of(w, segment.request);
    if (event.kind == EVENT_PUSH) {
        w->intake = segment.request;
        w->body_at = 0;
    }
    server_submit(sim, &event);
    return true;
}

/* Called between steps, it raises one event at most, and the server comes back. */
void wire_pump(struct sim *sim, struct wire *w)
{
    if (w->pumping || w->peer == NULL)
        return;
    w->pumping = true;
    while (w->peer != NULL && !sim->failed && sim->queue_at == sim->queue_n)
        if (!advance(sim, w))
            break;
    w->pumping = false;
}

static void lost(struct sim *sim, struct wire *w)
{
    if (w->peer == NULL)
        return;
    if (w->copying) { /* the server keeps a connection while it copies */
        agenda_add(&sim->agenda, sim->now_ms + 1, ITEM_LOST, w);
        return;
    }
    sim_say(sim, "server: wire %u is lost", w->number);
    w->pumping = true; /* nothing more is read */
    enum intake_state state = w->peer->intake.state;
    if (state == INTAKE_GRANTED || state == INTAKE_REFUSED)
        server_submit(sim, &(struct event){.kind = EVENT_BODY_DROPPED, .peer = w->peer});
    struct peer *peer = w->peer;
    w->peer = NULL; /* whatever the core does in this step, it must not answer */
    expect_wire_lost(sim, w);
    server_submit(sim, &(struct event){.kind = EVENT_PEER_LOST, .peer = peer});
    free(peer);
    for (size_t i = 0; i < sim->n_requests; i++)
        if (sim->requests[i]->wire == w)
            shared_answered(sim->requests[i]);
    struct wire **from = &sim->wires;
    while (*from != w)
        from = &(*from)->next;
    *from = w->next;
    w->next = sim->old_wires;
    sim->old_wires = w;
}

void wire_item(struct sim *sim, const struct item *item)
{
    struct wire *w = item->what;
    if (item->kind == ITEM_LOST) {
        lost(sim, w);
        return;
    }
    if (item->kind == ITEM_COPY) {
        copy(sim, w);
        return;
    }
    if (w->peer == NULL)
        return;
    w->arrived++;
    wire_pump(sim, w);
}
