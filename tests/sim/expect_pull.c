/* Pulls against the model: when they may wait, when they must not, and what they get. */
#include <inttypes.h>
#include <string.h>

#include "core/round.h"
#include "sim.h"

static size_t n_asked(const struct request *r)
{
    return r->ask.n_nodes == 0 ? r->job->spec.n_nodes : r->ask.n_nodes;
}

static uint64_t asked(const struct request *r, size_t i)
{
    return r->ask.n_nodes == 0 ? i : r->ask.nodes[i];
}

/* Every asked node: frozen, or (but for frozen_only) with all that it expects. */
static bool all_complete(const struct request *r, const struct model_round *round, bool frozen_only)
{
    for (size_t i = 0; i < n_asked(r); i++) {
        uint64_t node = asked(r, i);
        if (frozen_only ? r->job->nodes[node].requires_grad
                        : !model_complete(r->admitted, round, node))
            return false;
    }
    return true;
}

/* The round that is meant, when there is none: the code. */
static enum code find_round(struct request *r, struct model_round **round)
{
    struct model_job *job = r->admitted;
    if (job == NULL)
        return CODE_NOT_FOUND;
    if (r->ask.has_round) {
        *round = model_round(job, r->ask.round);
        if (*round == NULL)
            return r->ask.round < job->n_rounds ? CODE_NOT_FOUND : CODE_FUTURE_ROUND;
    } else {
        *round = model_newest_closed(job);
        if (*round == NULL)
            *round = &job->rounds[0];
    }
    r->round = (*round)->number;
    for (size_t i = 0; i < r->ask.n_nodes; i++)
        if (r->ask.nodes[i] >= r->job->spec.n_nodes)
            return CODE_UNKNOWN_NODE;
    return CODE_OK;
}

static void forget(struct sim *sim, const struct request *r)
{
    for (unsigned i = 0; i < sim->n_pulls; i++)
        if (sim->pulls[i] == r)
            sim->pulls[i--] = sim->pulls[--sim->n_pulls];
}

void expect_pull(struct sim *sim, struct request *r)
{
    struct model_round *round = NULL;
    enum code code = find_round(r, &round);
    sim->verdict = (struct verdict_model){.code = code};
    sim->verdict_due = code != CODE_OK;
    r->deadline_ms = sim->now_ms + r->ask.wait_ms;
    if (code != CODE_OK)
        return;
    must(sim->n_pulls < SIM_PULLS);
    sim->pulls[sim->n_pulls++] = r;
}

/* -- The sums -- */

static bool gradient_is_right(struct sim *sim, struct request *r, const struct gradient *g,
                              uint64_t node)
{
    const struct model_sum *sum =
        model_sum(r->admitted, &r->admitted->rounds[r->round], (size_t)node);
    uint64_t bytes = r->job->elements[node] * dtype_size((enum dtype)r->job->nodes[node].dtype);
    if (g->id != node || g->node->bytes != bytes || g->contributions != sum->contributions) {
        sim_fail(sim, "pull %" PRIu64 ": node %" PRIu64 " has %u contributions, not %u", r->id,
                 node, g->contributions, sum->contributions);
        return false;
    }
    if (!sum->in_range)
        return false;
    if (g->data == NULL ? sum->contributions > 0 : memcmp(g->data, sum->bytes, bytes) != 0) {
        sim_fail(sim, "pull %" PRIu64 ": the sum of node %" PRIu64 " (%s, %s) is wrong", r->id,
                 node, dtype_name(r->job->nodes[node].dtype), r->job->name);
        return false;
    }
    return true;
}

bool expect_sums(struct sim *sim, struct request *r, const struct pull *pull)
{
    if (pull->n_nodes != n_asked(r))
        return false;
    for (size_t i = 0; i < pull->n_nodes; i++) {
        struct gradient g;
        pull_gradient(pull, i, &g);
        if (!gradient_is_right(sim, r, &g, asked(r, i)))
            return false;
        if (g.id != AUDIT_NODE || r->state != ROUND_CLOSED)
            continue;
        r->has_audit = true;
        memset(r->audit, 0, sizeof r->audit);
        if (g.data != NULL)
            memcpy(r->audit, g.data, g.node->bytes);
    }
    return true;
}

static bool some_out_of_range(const struct request *r, struct model_round *round)
{
    for (size_t i = 0; i < n_asked(r); i++)
        if ((round->state == MODEL_CLOSED || model_complete(r->admitted, round, asked(r, i))) &&
            !model_sum(r->admitted, round, asked(r, i))->in_range)
            return true;
    return false;
}

/* -- The answer -- */

bool expect_pulled(struct sim *sim, struct request *r, const struct reply *reply)
{
    enum code code = reply->error.code;
    if (r == sim->current_request && sim->verdict_due) {
        sim->verdict_due = false;
        return code == sim->verdict.code;
    }
    forget(sim, r);
    struct model_round *round = &r->admitted->rounds[r->round];
    bool closed = round->state == MODEL_CLOSED;
    bool ready = closed || all_complete(r, round, false);
    switch (code) {
    case CODE_OK:
        sim->pulls_answered++;
        sim->early_pulls += !closed;
        r->pull = reply->pull;
        r->state = reply->pull->state;
        return ready && !r->admitted->deleted && reply->pull->number == r->round &&
               r->state == (closed ? ROUND_CLOSED : ROUND_OPEN) && expect_sums(sim, r, reply->pull);
    case CODE_OUT_OF_RANGE:
        return ready && some_out_of_range(r, round);
    case CODE_DEADLINE_EXCEEDED:
        return !closed && sim->now_ms >= r->deadline_ms && !all_complete(r, round, true);
    case CODE_NOT_FOUND:
        return sim->just_deleted != NULL && r->admitted == sim->just_deleted;
    case CODE_UNAVAILABLE:
        return sim->current->kind == EVENT_STOP;
    default:
        return false;
    }
}

void expect_no_overdue_pull(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_pulls; i++) {
        struct request *r = sim->pulls[i];
        struct model_round *round = &r->admitted->rounds[r->round];
        const char *why = NULL;
        if (r->admitted->deleted)
            why = "its job is deleted";
        else if (sim->stopping)
            why = "the server stops";
        else if (round->state == MODEL_CLOSED)
            why = "its round is closed";
        else if (r->deadline_ms <= sim->now_ms)
            why = "its time is over";
        else if (all_complete(r, round, true))
            why = "it asks for frozen nodes only";
        if (why != NULL)
            sim_fail(sim, "pull %" PRIu64 " still waits though %s", r->id, why);
    }
}

/* Nothing is being folded: what is complete must have been folded. */
bool expect_quiet_pulls(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_pulls; i++) {
        struct request *r = sim->pulls[i];
        if (all_complete(r, &r->admitted->rounds[r->round], false))
            return false;
    }
    return true;
}

void expect_wire_lost(struct sim *sim, const struct wire *wire)
{
    for (unsigned i = sim->n_pulls; i > 0; i--)
        if (sim->pulls[i - 1]->wire == wire)
            forget(sim, sim->pulls[i - 1]);
}
