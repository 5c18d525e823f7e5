#include "shared.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed)
        return;
    sim->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(sim->failure, sizeof sim->failure, format, args);
    va_end(args);
    sim_say(sim, "WRONG: %s", sim->failure);
}

void sim_say(const struct sim *sim, const char *format, ...)
{
    if (!sim->trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%7" PRIu64 " ms  ", sim->now_ms);
    vprintf(format, args);
    printf("\n");
    fflush(stdout); /* the next step may be the last */
    va_end(args);
}

uint64_t sim_below(struct sim *sim, uint64_t n)
{
    return random_below(&sim->random, n);
}

bool sim_percent(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

void sim_later(struct sim *sim, uint64_t within_ms, enum item_kind kind, void *what)
{
    agenda_add(&sim->agenda, sim->now_ms + sim_below(sim, within_ms + 1), kind, what);
}

/* -- Items -- */

static void calm_down(struct sim *sim)
{
    sim->calm = true;
    sim_say(sim, "no more faults");
    if (sim->plan.stops)
        server_submit(sim, &(struct event){.kind = EVENT_STOP});
}

static void reply_arrives(struct sim *sim, struct request *r)
{
    if (r->done)
        return; /* its wire was given up: the reply is lost */
    r->done = true;
    if (r->worker != NULL)
        worker_heard(sim, r);
    else if (r->kind == EVENT_PUSH)
        r->message->counted |= r->code == CODE_OK;
}

static void happen(struct sim *sim, const struct item *item)
{
    struct request *request;
    switch (item->kind) {
    case ITEM_SEGMENT:
    case ITEM_LOST:
    case ITEM_COPY:
        wire_item(sim, item);
        break;
    case ITEM_REPLY:
        reply_arrives(sim, item->what);
        break;
    case ITEM_RUBBISH:
        shared_item(sim, item->what);
        break;
    case ITEM_PATIENCE:
        request = item->what;
        if (!request->done)
            wire_cut(sim, request->wire);
        break;
    case ITEM_WORKER:
        worker_turn(sim, item->what);
        break;
    case ITEM_MISCHIEF:
        mischief(sim);
        break;
    case ITEM_CALM:
        calm_down(sim);
        break;
    default:
        server_item(sim, item);
    }
}

/* Until nothing is left to happen. */
static void play(struct sim *sim)
{
    struct item item;
    while (!sim->failed && agenda_take(&sim->agenda, &item)) {
        sim->now_ms = item.at_ms;
        happen(sim, &item);
        if (sim->events > SIM_STEPS_MAX)
            sim_fail(sim, "it does not end: %d steps", SIM_STEPS_MAX);
    }
}

/* -- A history -- */

static void begin(struct sim *sim)
{
    plan_make(&sim->plan, &sim->random);
    for (unsigned j = 0; j < sim->plan.n_jobs; j++)
        for (uint32_t rank = 0; rank < sim->plan.jobs[j].spec.world_size; rank++) {
            struct worker *w = &sim->workers[sim->n_workers++];
            *w = (struct worker){.job = &sim->plan.jobs[j], .rank = rank};
            worker_start(sim, w);
        }
    sim_later(sim, sim->plan.mischief_ms, ITEM_MISCHIEF, NULL);
    agenda_add(&sim->agenda, sim->plan.calm_ms, ITEM_CALM, NULL);
}

/* Everybody hangs up. */
static void end(struct sim *sim)
{
    for (struct wire *w = sim->wires; w != NULL; w = w->next)
        wire_cut(sim, w);
    for (unsigned i = 0; i < sim->n_workers; i++)
        sim->workers[i].phase = WORKER_HOME;
    play(sim);
    for (unsigned j = 0; j < sim->plan.n_jobs && sim->plan.deletes && !sim->failed; j++) {
        if (sim->stopping || core_find_job(sim->core, sim->plan.jobs[j].name) == NULL)
            continue;
        struct wire *wire = wire_open(sim, NULL);
        wire_send(sim, wire, request_new(sim, NULL, EVENT_DELETE_JOB, &sim->plan.jobs[j]));
        play(sim);
        wire_cut(sim, wire);
        play(sim);
    }
}

static void check_nothing_left(struct sim *sim)
{
    struct core_stats s;
    core_stats(sim->core, &s);
    if (s.jobs == 0 && s.staging_used + s.results_used + s.accumulators_used > 0)
        sim_fail(sim, "no job is left, but %" PRIu64 " + %" PRIu64 " + %" PRIu64 " bytes are",
                 s.staging_used, s.results_used, s.accumulators_used);
}

void sim_run(struct sim *sim, uint64_t seed, bool trace)
{
    *sim = (struct sim){.seed = seed, .random = random_seeded(seed), .trace = trace};
    begin(sim);
    must(server_start(sim));
    play(sim);
    if (!sim->failed)
        check_end(sim);
    if (!sim->failed)
        end(sim);
    if (!sim->failed)
        check_nothing_left(sim);
    if (!sim->failed)
        core_free(sim->core);
    shared_check_end(sim);
}

static void free_wires(struct wire *wire)
{
    while (wire != NULL) {
        struct wire *next = wire->next;
        free(wire->peer);
        free(wire);
        wire = next;
    }
}

void sim_free(struct sim *sim)
{
    free_wires(sim->wires);
    free_wires(sim->old_wires);
    for (size_t i = 0; i < sim->n_requests; i++) {
        shared_free(sim->requests[i]);
        free(sim->requests[i]);
    }
    while (sim->messages != NULL) {
        struct message *m = sim->messages;
        sim->messages = m->next;
        message_free(m);
    }
    free(sim->requests);
    free(sim->queue);
    agenda_free(&sim->agenda);
    model_free(&sim->model);
}
