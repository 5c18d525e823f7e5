/* What holds after each step, whatever the step was; and at the end. */
#include <inttypes.h>

#include "core/round.h"
#include "sim.h"

static bool same_finals(const struct round *round, const struct model_round *m, uint32_t world)
{
    for (uint32_t w = 0; w < world; w++)
        if (round_worker_final(round, w) != (bool)(m->finals >> w & 1))
            return false;
    return round->n_final == m->n_final;
}

static void check_round(struct sim *sim, struct model_job *job, const struct round *round)
{
    struct model_round *m = model_round(job, round->number);
    if (m == NULL || (int)m->state != (int)round->state || m->n_pushes != round->pushes ||
        !same_finals(round, m, job->plan->spec.world_size))
        sim_fail(sim,
                 "%s: round %" PRIu64 " is in state %d with %" PRIu64
                 " pushes and %u final workers; it should be in state %d with %u and %u",
                 job->plan->name, round->number, (int)round->state, round->pushes, round->n_final,
                 m == NULL ? 0 : (int)m->state, m == NULL ? 0 : m->n_pushes,
                 m == NULL ? 0 : m->n_final);
}

static void check_job(struct sim *sim, struct model_job *job)
{
    const struct job *is = core_find_job(sim->core, job->plan->name);
    uint64_t kept = 0;
    uint64_t should = 0;
    if (is == NULL) {
        sim_fail(sim, "%s is gone", job->plan->name);
        return;
    }
    list_each (link, &is->rounds) {
        check_round(sim, job, list_entry(link, struct round, link));
        kept++;
    }
    for (uint64_t n = 0; n < job->n_rounds; n++)
        should += model_round(job, n) != NULL;
    if (kept != should)
        sim_fail(sim, "%s keeps %" PRIu64 " rounds, not %" PRIu64, job->plan->name, kept, should);
}

/* A push without a body takes memory without asking for it. */
static void check_budgets(struct sim *sim, const struct core_stats *s)
{
    uint64_t grace = (s->bodies_receiving + sim->persisting) * PUSH_BLOCK_BYTES;
    if (s->staging_used > s->staging_max + grace)
        sim_fail(sim, "staging: %" PRIu64 " of %" PRIu64 " bytes", s->staging_used, s->staging_max);
    if (s->results_used > s->results_max)
        sim_fail(sim, "results: %" PRIu64 " of %" PRIu64 " bytes", s->results_used, s->results_max);
    if (s->accumulators_used > s->accumulators_max)
        sim_fail(sim, "accumulators: %" PRIu64 " of %" PRIu64 " bytes", s->accumulators_used,
                 s->accumulators_max);
    if (s->folds_running != sim->folds || s->pulls_waiting != sim->n_pulls)
        sim_fail(sim, "%" PRIu64 " folds and %" PRIu64 " pulls, not %u and %u", s->folds_running,
                 s->pulls_waiting, sim->folds, sim->n_pulls);
}

static uint64_t grads_cost(const struct plan_job *job)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->spec.n_nodes; i++)
        bytes += job->elements[i] * 8;
    return pool_cost(bytes);
}

/* What is spare is given up when somebody needs it. */
static uint64_t results_left(const struct core_stats *s)
{
    return s->results_max - s->results_used + s->results_spare;
}

/* Nothing is under way, so nothing may be left to do, unless the results of a deleted job are still
 * being sent. */
static void check_quiet(struct sim *sim, const struct core_stats *s)
{
    for (struct model_job *job = sim->model.jobs; job != NULL; job = job->next) {
        if (job->deleted || results_left(s) < 2 * grads_cost(job->plan))
            continue;
        for (uint64_t n = 0; n < job->n_rounds; n++)
            if (job->rounds[n].state == MODEL_CLOSING)
                sim_fail(sim, "%s: round %" PRIu64 " does not close", job->plan->name, n);
        if (!sim->stopping && !expect_quiet_pulls(sim))
            sim_fail(sim, "a pull waits for nodes that are complete");
    }
}

/* A push that waits for staging waits for something that comes: a body, the end of a grace, or of
 * gathering. */
static void check_waiting_pushes(struct sim *sim, const struct core_stats *s)
{
    if (s->pushes_gathering > 0 && sim->update.wake_at_ms > sim->now_ms + GATHER_MS)
        sim_fail(sim, "pushes gather, and nobody wakes them");
    if (s->pushes_waiting == 0 || s->bodies_receiving > 0 || s->pushes_gathering > 0)
        return;
    for (struct model_job *job = sim->model.jobs; job != NULL; job = job->next)
        if (!job->deleted && (model_open(job)->grace_at_ms != NO_WAKE ||
                              results_left(s) < 2 * grads_cost(job->plan)))
            return;
    sim_fail(sim, "%" PRIu64 " pushes wait for staging, and nothing is under way",
             s->pushes_waiting);
}

void check_step(struct sim *sim)
{
    struct core_stats s;
    core_stats(sim->core, &s);
    uint64_t jobs = 0;
    for (struct model_job *job = sim->model.jobs; job != NULL; job = job->next) {
        if (job->deleted)
            continue;
        jobs++;
        check_job(sim, job);
    }
    if (s.jobs != jobs)
        sim_fail(sim, "there are %" PRIu64 " jobs, not %" PRIu64, s.jobs, jobs);
    check_budgets(sim, &s);
    if (s.folds_running == 0 && sim->persisting == 0) {
        check_quiet(sim, &s);
        check_waiting_pushes(sim, &s);
    }
    sim->stats = s;
    sim->early_folds = s.folds_early;
    sim->trials = s.trials;
    sim->in_place = s.rounds_in_place;
    sim->discarded = s.pushes_discarded;
}

/* -- The end -- */

/* Every worker went home, so every round that anybody waited for has closed. */
static void check_alive(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_workers; i++)
        if (sim->workers[i].phase != WORKER_HOME)
            sim_fail(sim, "worker %u of %s hangs in round %" PRIu64 ", phase %d",
                     sim->workers[i].rank, sim->workers[i].job->name, sim->workers[i].round,
                     (int)sim->workers[i].phase);
    for (struct wire *w = sim->wires; w != NULL; w = w->next)
        if (w->arrived > 0)
            sim_fail(sim, "wire %u is not read", w->number);
}

static bool all_empty(const struct sim *sim)
{
    for (struct model_job *job = sim->model.jobs; job != NULL; job = job->next)
        if (!job->deleted && model_open(job)->n_pushes > 0)
            return false;
    return true;
}

void check_end(struct sim *sim)
{
    struct core_stats s;
    if (!sim->stopping)
        check_alive(sim);
    core_stats(sim->core, &s);
    if (!core_idle(sim->core) || s.folds_running > 0 || s.bodies_receiving > 0)
        sim_fail(sim, "the end, and something is under way");
    if (all_empty(sim) && s.staging_used + s.accumulators_used > 0)
        sim_fail(sim,
                 "every push is folded, and %" PRIu64 " bytes of staging and %" PRIu64
                 " of accumulators are not back",
                 s.staging_used, s.accumulators_used);
}
