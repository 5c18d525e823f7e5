/* A worker, as the client library makes one: what was not answered is sent again under the same key
 * when the connection was lost, in its order; a worker that was restarted asks where it stands and
 * sends again what it does not know.
 *
 *     JOINS ──► PUSHES ──► PULLS ──► PUSHES (next round) … ──► HOME
 *       ▲          │ the job is gone, or the round is retired
 *       └──────────┴─────────┘ */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* -- Turns -- */

static void turn_within(struct sim *sim, struct worker *w, uint64_t ms)
{
    if (w->turn_due)
        return;
    w->turn_due = true;
    sim_later(sim, ms, ITEM_WORKER, w);
}

static void join(struct sim *sim, struct worker *w)
{
    w->phase = WORKER_JOINS;
    turn_within(sim, w, 10);
}

void worker_start(struct sim *sim, struct worker *w)
{
    join(sim, w);
}

static struct message *find_message(struct sim *sim, const struct worker *w, unsigned k)
{
    for (struct message *m = sim->messages; m != NULL; m = m->next)
        if (m->planned && m->job == w->job && m->offer.worker == w->rank &&
            m->offer.round == w->round && m->offer.sequence == k + 1)
            return m;
    return NULL;
}

static struct message *keep(struct sim *sim, struct message *m)
{
    m->next = sim->messages;
    sim->messages = m;
    return m;
}

static void begin_round(struct sim *sim, struct worker *w, uint64_t round)
{
    w->round = round;
    w->phase = round < w->job->rounds ? WORKER_PUSHES : WORKER_HOME;
    w->cursor = 0;
    w->tries = 0;
    w->final_settled = false;
    w->pipelines = sim_below(sim, 2) == 0;
    memset(w->settled, 0, sizeof w->settled);
    for (unsigned k = 0; k < w->job->pushes && w->phase == WORKER_PUSHES; k++) {
        w->messages[k] = find_message(sim, w, k);
        if (w->messages[k] == NULL)
            w->messages[k] =
                keep(sim, message_planned(w->job, round, w->rank, k, sim->seed ^ w->job->rounds));
    }
    if (w->phase == WORKER_HOME && w->again)
        join(sim, w);
    else
        turn_within(sim, w, sim->plan.delay_ms);
}

void worker_job_deleted(struct sim *sim, const struct plan_job *job)
{
    for (unsigned i = 0; i < sim->n_workers; i++) {
        struct worker *w = &sim->workers[i];
        if (w->job != job)
            continue;
        w->again = true;
        if (w->phase == WORKER_HOME)
            join(sim, w);
    }
}

/* -- Sending -- */

static struct request *ask(struct sim *sim, struct worker *w, enum event_kind kind)
{
    struct request *r = request_new(sim, w, kind, w->job);
    w->outstanding++;
    return r;
}

static void send_again(struct sim *sim, struct worker *w, struct message *m)
{
    struct request *r = request_new(sim, w, EVENT_PUSH, w->job);
    r->message = m;
    r->echo = true;
    if (w->echo == NULL)
        w->echo = wire_open(sim, w);
    if (!wire_has_room(w->echo))
        return;
    m->sendings++;
    sim->repeats++;
    wire_send(sim, w->echo, r);
}

static void send_push(struct sim *sim, struct worker *w, struct message *m)
{
    struct request *r = ask(sim, w, EVENT_PUSH);
    r->message = m;
    m->sendings++;
    wire_send(sim, w->wire, r);
    if (sim_percent(sim, sim->plan.repeat))
        send_again(sim, w, m);
}

/* A node that may be complete before the round closes, for what the worker computes next. */
static void pull_early(struct sim *sim, struct worker *w)
{
    struct request *r = request_new(sim, w, EVENT_PULL, w->job);
    r->echo = true;
    r->nodes[0] = sim_below(sim, w->job->spec.n_nodes);
    r->ask = (struct pull_offer){.job = w->job->name,
                                 .has_round = true,
                                 .round = w->round,
                                 .nodes = r->nodes,
                                 .n_nodes = 1,
                                 .wait_ms = 1 + sim_below(sim, 1000),
                                 .view = sim_percent(sim, sim->plan.views)};
    wire_send(sim, w->wire, r);
}

static bool all_settled(const struct worker *w)
{
    for (unsigned k = 0; k < w->job->pushes; k++)
        if (!w->settled[k])
            return false;
    return true;
}

static void push_turn(struct sim *sim, struct worker *w)
{
    for (; w->cursor < w->job->pushes && wire_has_room(w->wire); w->cursor++) {
        if (w->settled[w->cursor])
            continue;
        if (!w->pipelines && w->outstanding > 0)
            return;
        send_push(sim, w, w->messages[w->cursor]);
        if (sim_below(sim, 4) == 0 && wire_has_room(w->wire))
            pull_early(sim, w);
    }
    if (!all_settled(w) || w->outstanding > 0)
        return;
    if (!w->final_settled) {
        send_push(sim, w,
                  keep(sim, message_final(w->job, w->round, w->rank, 1000 + w->extra_finals++)));
        return;
    }
    w->phase = WORKER_PULLS;
    turn_within(sim, w, 0);
}

static void pull_turn(struct sim *sim, struct worker *w)
{
    struct request *r = ask(sim, w, EVENT_PULL);
    r->ask = (struct pull_offer){.job = w->job->name,
                                 .has_round = true,
                                 .round = w->round,
                                 .wait_ms = 1 + sim_below(sim, 3000),
                                 .view = sim_percent(sim, sim->plan.views)};
    if (sim_below(sim, 4) == 0) {
        r->ask.nodes = r->nodes;
        r->ask.n_nodes = 1 + sim_below(sim, REQUEST_NODES - 1);
        for (size_t i = 1; i < r->ask.n_nodes; i++)
            r->nodes[i] = sim_below(sim, w->job->spec.n_nodes);
    }
    wire_send(sim, w->wire, r);
}

void worker_turn(struct sim *sim, struct worker *w)
{
    w->turn_due = false;
    if (w->phase == WORKER_HOME)
        return;
    w->dead = false;
    if (w->wire == NULL)
        w->wire = wire_open(sim, w);
    if (w->phase == WORKER_PUSHES)
        push_turn(sim, w);
    else if (w->outstanding == 0 && w->phase == WORKER_PULLS)
        pull_turn(sim, w);
    else if (w->outstanding == 0)
        wire_send(sim, w->wire, ask(sim, w, EVENT_CREATE_JOB));
}

/* -- Losing -- */

void worker_wire_lost(struct sim *sim, struct wire *wire)
{
    struct worker *w = wire->worker;
    if (wire == w->echo)
        w->echo = NULL;
    if (wire != w->wire)
        return;
    w->wire = NULL;
    w->cursor = 0;
    turn_within(sim, w, 20);
}

void worker_die(struct sim *sim, struct worker *w)
{
    if (w->dead || w->phase == WORKER_HOME)
        return;
    sim->deaths++;
    sim_say(sim, "worker %u of %s dies", w->rank, w->job->name);
    w->dead = true;
    w->turn_due = true; /* it comes back later than a lost wire would make it */
    if (w->wire != NULL)
        wire_cut(sim, w->wire);
    if (w->echo != NULL)
        wire_cut(sim, w->echo);
    w->turn_due = false;
    w->phase = WORKER_JOINS;
    turn_within(sim, w, 500);
}

/* -- Hearing -- */

static void settle(struct worker *w, const struct message *m)
{
    for (unsigned k = 0; k < w->job->pushes; k++)
        if (w->messages[k] == m)
            w->settled[k] = true;
}

static void try_again(struct sim *sim, struct worker *w)
{
    w->cursor = 0;
    turn_within(sim, w, 30);
}

static void round_is_over(struct worker *w)
{
    memset(w->settled, true, sizeof w->settled);
    w->final_settled = true;
}

static void push_refused(struct sim *sim, struct worker *w, const struct request *r)
{
    const struct message *m = r->message;
    switch (r->code) {
    case CODE_UNAVAILABLE:
        try_again(sim, w);
        return;
    case CODE_RESOURCE_EXHAUSTED:
        if (++w->tries > 6)
            settle(w, m); /* gives up on it */
        try_again(sim, w);
        return;
    case CODE_STALE_ROUND:
        round_is_over(w);
        return;
    case CODE_NOT_FOUND:
    case CODE_FUTURE_ROUND:
        join(sim, w);
        return;
    default:
        settle(w, m);
        if (m->offer.n_contributions == 0) /* nothing was wrong but that it is final already */
            w->final_settled = true;
    }
}

static void heard_push(struct sim *sim, struct worker *w, const struct request *r)
{
    struct message *m = r->message;
    m->refusals += r->code != CODE_OK;
    m->counted |= r->code == CODE_OK;
    if (w->phase != WORKER_PUSHES || m->offer.round != w->round || w->dead)
        return;
    if (r->code != CODE_OK) {
        push_refused(sim, w, r);
        return;
    }
    settle(w, m);
    w->final_settled |= m->offer.final;
}

static void heard_pull(struct sim *sim, struct worker *w, const struct request *r)
{
    if (w->phase != WORKER_PULLS || r->ask.round != w->round || r->echo)
        return;
    switch (r->code) {
    case CODE_OK:
        audit_pull(sim, r);
        if (r->state == ROUND_CLOSED)
            begin_round(sim, w, w->round + 1);
        return;
    case CODE_OUT_OF_RANGE:
        begin_round(sim, w, w->round + 1);
        return;
    case CODE_DEADLINE_EXCEEDED:
        if (sim_below(sim, 3) == 0)
            join(sim, w); /* perhaps the job is another one by now: all is sent again */
        return;
    case CODE_NOT_FOUND:
    case CODE_FUTURE_ROUND:
        join(sim, w);
        return;
    default:
        return; /* and asks again */
    }
}

static void heard_join(struct sim *sim, struct worker *w, const struct request *r)
{
    if (w->phase != WORKER_JOINS || r->code != CODE_OK)
        return;
    if (r->kind == EVENT_CREATE_JOB) {
        w->again = false;
        wire_send(sim, w->wire, ask(sim, w, EVENT_DESCRIBE_JOB));
    } else {
        begin_round(sim, w, r->reply_round);
    }
}

void worker_heard(struct sim *sim, struct request *r)
{
    struct worker *w = r->worker;
    if (!r->echo)
        w->outstanding--;
    if (r->code == CODE_UNAVAILABLE && sim->stopping) {
        w->phase = WORKER_HOME;
        return;
    }
    if (r->kind == EVENT_PUSH)
        heard_push(sim, w, r);
    else if (r->kind == EVENT_PULL)
        heard_pull(sim, w, r);
    else
        heard_join(sim, w, r);
    if (w->phase != WORKER_HOME)
        turn_within(sim, w, sim->plan.delay_ms / 2);
}
