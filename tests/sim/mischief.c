/* Faults, and requests that nobody planned: cut wires, dead workers, spoilt pushes, rounds that are
 * closed and jobs that are deleted under everybody's feet. */
#include "sim.h"

static const struct plan_job *any_job(struct sim *sim)
{
    return &sim->plan.jobs[sim_below(sim, sim->plan.n_jobs)];
}

static struct worker *any_worker(struct sim *sim)
{
    return &sim->workers[sim_below(sim, sim->n_workers)];
}

static void send(struct sim *sim, struct request *r)
{
    if (sim->mischief_wire == NULL)
        sim->mischief_wire = wire_open(sim, NULL);
    if (wire_has_room(sim->mischief_wire))
        wire_send(sim, sim->mischief_wire, r);
}

static void cut_a_wire(struct sim *sim)
{
    unsigned n = (unsigned)sim_below(sim, 8);
    for (struct wire *w = sim->wires; w != NULL; w = w->next)
        if (n-- == 0) {
            wire_cut(sim, w);
            return;
        }
}

static void kill_a_worker(struct sim *sim)
{
    worker_die(sim, any_worker(sim));
}

/* Like a planned one of a round that a worker is in. */
static struct message *spoilt(struct sim *sim, enum flaw flaw)
{
    struct worker *w = any_worker(sim);
    if (w->phase != WORKER_PUSHES)
        return NULL;
    struct message *like = w->messages[0];
    if (flaw == FLAW_CONFLICT && !like->counted)
        return NULL;
    struct message *m = message_flawed(like, flaw, 5000 + sim->n_flawed++);
    m->next = sim->messages;
    sim->messages = m;
    return m;
}

static void spoil_a_push(struct sim *sim)
{
    struct message *m = spoilt(sim, (enum flaw)sim_below(sim, FLAW_COUNT));
    if (m == NULL)
        return;
    struct request *r = request_new(sim, NULL, EVENT_PUSH, m->job);
    r->message = m;
    send(sim, r);
}

static void push_to_the_open_round(struct sim *sim)
{
    struct message *m = spoilt(sim, FLAW_NONE);
    if (m == NULL)
        return;
    m->offer.has_round = false;
    struct request *r = request_new(sim, NULL, EVENT_PUSH, m->job);
    r->message = m;
    send(sim, r);
}

static void close_a_round(struct sim *sim)
{
    struct request *r = request_new(sim, NULL, EVENT_CLOSE_ROUND, any_job(sim));
    r->close = (struct close_offer){.job = r->job->name,
                                    .has_round = sim_below(sim, 9) > 0,
                                    .round = sim_below(sim, r->job->rounds + 1U)};
    send(sim, r);
}

static void pull_something(struct sim *sim)
{
    struct request *r = request_new(sim, NULL, EVENT_PULL, any_job(sim));
    r->ask = (struct pull_offer){.job = r->job->name,
                                 .has_round = sim_below(sim, 4) > 0,
                                 .round = sim_below(sim, r->job->rounds + 1U),
                                 .nodes = r->nodes,
                                 .n_nodes = sim_below(sim, REQUEST_NODES),
                                 .wait_ms = sim_below(sim, 2) * sim_below(sim, 800),
                                 .view = sim_percent(sim, sim->plan.views)};
    for (size_t i = 0; i < r->ask.n_nodes; i++)
        r->nodes[i] = sim_below(sim, r->job->spec.n_nodes + (sim_below(sim, 20) == 0));
    send(sim, r);
}

static void delete_a_job(struct sim *sim)
{
    if (sim_below(sim, 6) == 0)
        send(sim, request_new(sim, NULL, EVENT_DELETE_JOB, any_job(sim)));
}

static void look_around(struct sim *sim)
{
    static const enum event_kind kinds[] = {EVENT_CREATE_JOB, EVENT_DESCRIBE_JOB, EVENT_LIST_JOBS};
    send(sim, request_new(sim, NULL, kinds[sim_below(sim, 3)], any_job(sim)));
}

void mischief(struct sim *sim)
{
    static void (*const kinds[])(struct sim *) = {
        look_around,   cut_a_wire,     kill_a_worker, spoil_a_push,
        close_a_round, pull_something, delete_a_job,  push_to_the_open_round,
    };
    uint64_t total = 0;
    size_t i = 0;
    if (sim->calm)
        return;
    for (size_t k = 0; k < 8; k++)
        total += sim->plan.weights[k];
    for (uint64_t at = sim_below(sim, total); at >= sim->plan.weights[i]; i++)
        at -= sim->plan.weights[i];
    kinds[i](sim);
    sim_later(sim, sim->plan.mischief_ms, ITEM_MISCHIEF, NULL);
}
