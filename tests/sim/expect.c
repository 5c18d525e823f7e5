/* Each request against the model, before the step; and its answer, when it comes. */
#include <inttypes.h>
#include <string.h>

#include "shared.h"

const char *request_name(enum event_kind kind)
{
    static const char *const names[] = {"create job", "describe job", "list jobs",  "delete job",
                                        "push",       "pull",         "close round"};
    return kind <= EVENT_CLOSE_ROUND ? names[kind] : "?";
}

static struct verdict_model says(enum code code)
{
    return (struct verdict_model){.code = code};
}

/* -- Before the step -- */

static void before_push(struct sim *sim, struct request *r, struct model_job *job)
{
    const struct push_offer *offer = &r->message->offer;
    r->round = offer->has_round || job == NULL ? offer->round : model_open(job)->number;
    sim->verdict = model_offer(job, r->message, r->round);
    if (r->sharing != NULL && r->sharing->misplaced && sim->verdict.code == CODE_OK &&
        !sim->verdict.repeated)
        sim->verdict = says(CODE_INVALID_ARGUMENT);
    sim->verdict_due = sim->verdict.code != CODE_OK || sim->verdict.repeated;
}

static void before_close(struct sim *sim, struct request *r, struct model_job *job)
{
    struct model_round *round = job == NULL ? NULL : model_round(job, r->close.round);
    sim->verdict = says(CODE_OK);
    if (job == NULL)
        sim->verdict.code = CODE_NOT_FOUND;
    else if (!r->close.has_round)
        sim->verdict.code = CODE_INVALID_ARGUMENT;
    else if (round == NULL)
        sim->verdict.code = r->close.round < job->n_rounds ? CODE_NOT_FOUND : CODE_FUTURE_ROUND;
    else if (round->state == MODEL_OPEN)
        model_start_closing(job, round);
    sim->verdict_due = true;
}

static void before_other(struct sim *sim, struct request *r, struct model_job *job)
{
    bool found = job != NULL || r->kind == EVENT_LIST_JOBS || r->kind == EVENT_CREATE_JOB;
    sim->verdict = says(found ? CODE_OK : CODE_NOT_FOUND);
    sim->verdict_due = true;
    if (r->kind == EVENT_CREATE_JOB && job == NULL) {
        r->admitted = model_create(&sim->model, r->job);
        sim->verdict.repeated = true; /* it is created */
    } else if (r->kind == EVENT_DELETE_JOB && job != NULL) {
        job->deleted = true;
        sim->just_deleted = job;
        sim->deleted[job->plan - sim->plan.jobs] = true;
        worker_job_deleted(sim, job->plan);
    }
}

static void before_request(struct sim *sim, struct request *r)
{
    struct model_job *job = model_find(&sim->model, r->job->name);
    r->offered = true;
    r->admitted = job;
    if (sim->stopping) {
        sim->verdict = says(CODE_UNAVAILABLE);
        sim->verdict_due = true;
    } else if (r->kind == EVENT_PUSH) {
        before_push(sim, r, job);
    } else if (r->kind == EVENT_PULL) {
        expect_pull(sim, r);
    } else if (r->kind == EVENT_CLOSE_ROUND) {
        before_close(sim, r, job);
    } else {
        before_other(sim, r, job);
    }
}

void expect_before(struct sim *sim, struct request *r, const struct event *event)
{
    if (event->kind == EVENT_STOP)
        sim->stopping = true;
    if (event->kind <= EVENT_CLOSE_ROUND)
        before_request(sim, r);
    if (event->kind == EVENT_PERSISTED) {
        model_persisted(r->admitted, r->counted, r->round);
        sim->verdict = says(CODE_OK);
        sim->verdict_due = r->wire->peer != NULL;
    }
    if (event->kind == EVENT_BODY_COMPLETE && !r->replied) {
        sim->verdict = shared_verdict(r, model_commit(r->admitted, r->message, r->round),
                                      r->wire->peer->intake.push);
        sim->verdict_due = true;
    }
}

/* -- The answer -- */

/* Staging is really short: it does not fit beside what is there, and nothing makes room. */
static bool lacks_staging(struct sim *sim, const struct request *r)
{
    const struct push_offer *offer = &r->message->offer;
    struct core_stats now;
    core_stats(sim->core, &now);
    uint64_t cost = pool_cost(offer->body_bytes) + PUSH_BLOCK_BYTES +
                    offer->n_contributions * sizeof(struct term);
    uint64_t used =
        now.staging_used > sim->stats.staging_used ? now.staging_used : sim->stats.staging_used;
    if (cost > now.staging_max)
        return true;
    return used + cost > now.staging_max && now.folds_running == 0 && sim->persisting == 0;
}

/* A push that was neither refused at its header nor is complete. */
static bool push_may_be_refused(struct sim *sim, const struct request *r, enum code code)
{
    switch (code) {
    case CODE_RESOURCE_EXHAUSTED:
        return lacks_staging(sim, r);
    case CODE_NOT_FOUND:
        return sim->just_deleted != NULL && r->admitted == sim->just_deleted;
    case CODE_UNAVAILABLE:
        return sim->current->kind == EVENT_STOP;
    default:
        return false;
    }
}

static bool push_is_right(struct sim *sim, struct request *r, const struct reply *reply)
{
    enum code code = reply->error.code;
    if (r != sim->current_request || !sim->verdict_due)
        return push_may_be_refused(sim, r, code);
    if (code != sim->verdict.code)
        return false;
    sim->verdict_due = false;
    if (code != CODE_OK)
        return true;
    if (sim->current->kind == EVENT_PERSISTED)
        return reply->verdict == VERDICT_ACCEPTED && reply->round == r->round &&
               reply->ignored == r->counted->ignored;
    sim->duplicates++;
    return sim->verdict.repeated && reply->verdict == VERDICT_DUPLICATE &&
           reply->round == r->round && reply->ignored == sim->verdict.ignored;
}

static bool other_is_right(struct sim *sim, struct request *r, const struct reply *reply)
{
    if (r != sim->current_request || !sim->verdict_due || reply->error.code != sim->verdict.code)
        return false;
    sim->verdict_due = false;
    if (reply->error.code != CODE_OK)
        return true;
    if (r->kind == EVENT_CREATE_JOB)
        return reply->created == sim->verdict.repeated;
    if (r->kind == EVENT_CLOSE_ROUND)
        return reply->round_status->number == r->close.round;
    if (r->kind == EVENT_DESCRIBE_JOB)
        r->reply_round = round_open(reply->job)->number;
    return true;
}

void expect_reply(struct sim *sim, struct request *r, const struct reply *reply)
{
    if (r->replied || !r->offered) {
        sim_fail(sim, "request %" PRIu64 " is answered twice", r->id);
        return;
    }
    r->replied = true;
    r->code = reply->error.code;
    r->verdict = reply->verdict;
    r->reply_round = reply->round;
    sim->refused += r->code != CODE_OK;
    bool right;
    if (r->kind == EVENT_PUSH)
        right = push_is_right(sim, r, reply);
    else if (r->kind == EVENT_PULL)
        right = expect_pulled(sim, r, reply);
    else
        right = other_is_right(sim, r, reply);
    sim_say(sim, "server: answers %s %" PRIu64 ": %s%s", request_name(r->kind), r->id,
            code_name((int)r->code),
            r->kind == EVENT_PUSH && r->code == CODE_OK
                ? (r->verdict == VERDICT_DUPLICATE ? ", DUPLICATE" : ", ACCEPTED")
                : "");
    if (!right)
        sim_fail(sim, "%s %" PRIu64 " of %s, round %" PRIu64 ": the answer is %s (%s)%s%s",
                 request_name(r->kind), r->id, r->job->name, r->round, code_name((int)r->code),
                 reply->error.message, sim->verdict_due ? ", not " : "",
                 sim->verdict_due ? code_name((int)sim->verdict.code) : "");
}

void expect_after(struct sim *sim)
{
    struct request *r = sim->current_request;
    if (sim->verdict_due)
        sim_fail(sim, "%s %" PRIu64 " of %s gets no answer; %s is due", request_name(r->kind),
                 r->id, r->job->name, code_name((int)sim->verdict.code));
    expect_no_overdue_pull(sim);
}
