#include "core/pull.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/must.h"
#include "core/state.h"

static uint32_t node_at(const struct pull *pull, size_t i)
{
    return pull->all ? (uint32_t)i : pull->nodes[i];
}

void pull_gradient(const struct pull *pull, size_t i, struct gradient *gradient)
{
    must(i < pull->n_nodes);
    uint32_t id = node_at(pull, i);
    const struct node *node = &pull->job->tape.nodes[id];
    const struct results *results = pull->results;
    *gradient = (struct gradient){.node = node, .id = id};
    if (results == NULL || results->contributions[id] == 0)
        return;
    gradient->contributions = results->contributions[id];
    gradient->data = results->data + node->offset;
    if (results->segment != NULL)
        gradient->offset = (uint64_t)(gradient->data - results->segment->data);
}

const struct segment *pull_segment(const struct pull *pull)
{
    return pull->view && pull->results != NULL ? pull->results->segment : NULL;
}

static uint64_t listed_ids(const struct pull *pull)
{
    return pull->all ? 0 : pull->n_nodes;
}

static void count_waiting_no_more(struct core *core, const struct pull *pull)
{
    core->pulls_waiting--;
    pull->reply.peer->n_pulls--;
    pull->reply.peer->n_pull_ids -= listed_ids(pull);
}

void pull_free(struct core *core, struct pull *pull, bool view_lost)
{
    if (pull->round != NULL)
        count_waiting_no_more(core, pull);
    heap_remove(&core->deadlines, &pull->deadline);
    list_remove(&pull->link);
    list_remove(&pull->peer_link);
    if (pull->view && pull->results != NULL)
        results_take_back(core, pull->results, view_lost);
    results_unref(core, pull->results);
    job_unref(pull->job);
    free(pull);
}

/* Takes the pull from those that wait. */
static void stop_waiting(struct core *core, struct pull *pull)
{
    if (pull->round == NULL)
        return;
    pull->round = NULL;
    count_waiting_no_more(core, pull);
    heap_remove(&core->deadlines, &pull->deadline);
    list_remove(&pull->link);
    list_remove(&pull->peer_link);
}

static void refuse(struct core *core, struct update *update, struct pull *pull)
{
    stop_waiting(core, pull);
    list_append(&core->garbage, &pull->link);
    reply_send(core, update, &pull->action, &pull->reply);
}

/* Is the node's sum final? That of a frozen node always is. */
static bool node_ready(const struct round *round, uint32_t id)
{
    return round->state == ROUND_CLOSED || round->slots[id].complete ||
           !round->job->tape.nodes[id].requires_grad;
}

static bool ready(struct pull *pull, const struct round *round)
{
    while (pull->ready < pull->n_nodes && node_ready(round, node_at(pull, pull->ready)))
        pull->ready++;
    return pull->ready == pull->n_nodes;
}

/* CODE_OUT_OF_RANGE naming the first asked node whose integer sum does not fit. */
static enum code check_range(const struct pull *pull, const struct round *round,
                             struct error *error)
{
    for (size_t i = 0; i < pull->n_nodes && round->out_of_range > 0; i++) {
        uint32_t id = node_at(pull, i);
        if (round->slots[id].out_of_range)
            return error_set(error, CODE_OUT_OF_RANGE,
                             "pull: round %" PRIu64 ": node %" PRIu32
                             ": the sum is out of the range of %s",
                             round->number, id, dtype_name((int)round->job->tape.nodes[id].dtype));
    }
    return CODE_OK;
}

static void answer(struct core *core, struct update *update, struct pull *pull, struct round *round)
{
    if (check_range(pull, round, &pull->reply.error) != CODE_OK) {
        refuse(core, update, pull);
        return;
    }
    stop_waiting(core, pull);
    pull->results = round->results;
    results_ref(pull->results);
    pull->view = pull->view && results_lend(core, pull->results);
    pull->number = round->number;
    pull->state = round->state == ROUND_CLOSED ? ROUND_CLOSED : ROUND_OPEN;
    pull->reply.pull = pull;
    reply_send(core, update, &pull->action, &pull->reply);
}

void pull_answer_ready(struct core *core, struct update *update, struct round *round)
{
    list_each (link, &round->pulls) {
        struct pull *pull = list_entry(link, struct pull, link);
        if (ready(pull, round))
            answer(core, update, pull, round);
    }
}

void pull_refuse_all(struct core *core, struct update *update, struct round *round, enum code code,
                     const char *why)
{
    list_each (link, &round->pulls) {
        struct pull *pull = list_entry(link, struct pull, link);
        error_set(&pull->reply.error, code, "pull: round %" PRIu64 ": %s", round->number, why);
        refuse(core, update, pull);
    }
}

void pull_expire(struct core *core, struct update *update, uint64_t now_ms)
{
    struct heap_node *first;
    while ((first = heap_first(&core->deadlines)) != NULL && first->key <= now_ms) {
        struct pull *pull = list_entry(first, struct pull, deadline);
        error_set(&pull->reply.error, CODE_DEADLINE_EXCEEDED,
                  "pull: round %" PRIu64 " did not close in time", pull->round->number);
        refuse(core, update, pull);
    }
}

/* The round that is meant. Absent: the newest closed one, or the first that will be. */
static struct round *find_round(const struct job *job, const struct pull_offer *ask,
                                struct error *error)
{
    struct round *round = round_newest_closed(job);
    struct round *open = round_open(job);
    if (!ask->has_round)
        return round != NULL ? round : list_entry(job->rounds.next, struct round, link);
    round = round_find(job, ask->round);
    if (round == NULL && ask->round > open->number)
        error_set(error, CODE_FUTURE_ROUND,
                  "pull: round %" PRIu64 " has not begun; round %" PRIu64 " is open", ask->round,
                  open->number);
    else if (round == NULL)
        error_set(error, CODE_NOT_FOUND,
                  "pull: round %" PRIu64 " is retired; round %" PRIu64 " is open", ask->round,
                  open->number);
    return round;
}

static enum code check_nodes(const struct job *job, const struct pull_offer *ask,
                             struct error *error)
{
    for (size_t i = 0; i < ask->n_nodes; i++)
        if (ask->nodes[i] >= job->tape.size)
            return error_set(error, CODE_UNKNOWN_NODE,
                             "pull: node %" PRIu64 " is not on the tape, which has %zu nodes",
                             ask->nodes[i], job->tape.size);
    return CODE_OK;
}

static struct pull *pull_new(struct job *job, const struct pull_offer *ask)
{
    struct pull *pull = calloc(1, sizeof *pull + ask->n_nodes * sizeof *pull->nodes);
    if (pull == NULL)
        return NULL;
    list_init(&pull->link);
    list_init(&pull->peer_link);
    pull->job = job;
    job_ref(job);
    pull->all = ask->n_nodes == 0;
    pull->view = ask->view;
    pull->n_nodes = pull->all ? job->tape.size : ask->n_nodes;
    for (size_t i = 0; i < ask->n_nodes; i++)
        pull->nodes[i] = (uint32_t)ask->nodes[i];
    return pull;
}

static void wait_for(struct core *core, const struct event *event, struct pull *pull,
                     struct round *round)
{
    uint64_t wait_ms = event->ask->wait_ms < LIMIT_TIME_MS ? event->ask->wait_ms : LIMIT_TIME_MS;
    pull->round = round;
    list_append(&round->pulls, &pull->link);
    list_append(&event->peer->pulls, &pull->peer_link);
    event->peer->n_pulls++;
    event->peer->n_pull_ids += listed_ids(pull);
    core->pulls_waiting++;
    heap_insert(&core->deadlines, &pull->deadline, event->now_ms + wait_ms);
}

/* May the pull wait for its round? */
static enum code check_wait(const struct event *event, const struct round *round,
                            struct error *error)
{
    if (event->ask->wait_ms == 0)
        return error_set(error, CODE_DEADLINE_EXCEEDED,
                         "pull: round %" PRIu64 " is not closed and wait_ms is 0", round->number);
    if (event->peer->n_pulls >= LIMIT_WAITING_PULLS)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "pull: %d pulls of this connection wait already", LIMIT_WAITING_PULLS);
    if (event->ask->n_nodes > LIMIT_WAITING_PULL_IDS - event->peer->n_pull_ids)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "pull: %zu node ids; %d may wait on a connection, %" PRIu64 " do",
                         event->ask->n_nodes, LIMIT_WAITING_PULL_IDS, event->peer->n_pull_ids);
    return CODE_OK;
}

void pull_ask(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_PULL);
    struct job *job = jobs_need(core, event->ask->job, &reply->error);
    struct round *round = job == NULL ? NULL : find_round(job, event->ask, &reply->error);
    if (round == NULL || check_nodes(job, event->ask, &reply->error) != CODE_OK) {
        reply_send(core, update, &update->action, reply);
        return;
    }
    struct pull *pull = pull_new(job, event->ask);
    if (pull == NULL) {
        error_set(&reply->error, CODE_RESOURCE_EXHAUSTED, "pull: no memory");
        reply_send(core, update, &update->action, reply);
        return;
    }
    pull->reply = *reply;
    if (ready(pull, round))
        answer(core, update, pull, round);
    else if (check_wait(event, round, &pull->reply.error) == CODE_OK)
        wait_for(core, event, pull, round);
    else
        refuse(core, update, pull);
}
