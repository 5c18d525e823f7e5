#include "core/round.h"

#include <stdlib.h>

#include "core/gather.h"
#include "core/state.h"

static size_t final_words(const struct job *job)
{
    return (job->world_size + UINT64_C(63)) / 64;
}

static bool has_quorum_rule(const struct job *job)
{
    return job->quorum < job->world_size;
}

/* Lists of held pushes, one a worker, where a quorum makes them necessary. */
static bool allocate_held(struct round *round)
{
    const struct job *job = round->job;
    if (!has_quorum_rule(job))
        return true;
    round->held = malloc(job->world_size * sizeof *round->held);
    if (round->held == NULL)
        return false;
    for (uint32_t w = 0; w < job->world_size; w++)
        list_init(&round->held[w]);
    return true;
}

static void free_arrays(struct round *round)
{
    free(round->final);
    free(round->slots);
    free(round->complete);
    free(round->held);
    free(round);
}

struct round *round_new(struct job *job, uint64_t number, uint64_t now_ms)
{
    struct round *round = calloc(1, sizeof *round);
    if (round == NULL)
        return NULL;
    round->job = job;
    round->number = number;
    round->state = ROUND_OPEN;
    round->opened_ms = now_ms;
    round->final = calloc(2 * final_words(job), sizeof *round->final);
    round->slots = calloc(job->tape.size + 1, sizeof *round->slots);
    round->complete = malloc((job->tape.size + 1) * sizeof *round->complete);
    if (round->final == NULL || round->slots == NULL || round->complete == NULL ||
        !allocate_held(round)) {
        free_arrays(round);
        return NULL;
    }
    round->gathers = round->final + final_words(job);
    round->keys.hint = list_empty(&job->rounds) ? 0 : round_open(job)->keys.count;
    list_init(&round->gathering);
    list_init(&round->persisting);
    list_init(&round->staged);
    list_init(&round->wanting);
    list_init(&round->pulls);
    list_append(&job->rounds, &round->link);
    return round;
}

static uint64_t free_pushes(struct core *core, struct list *pushes)
{
    uint64_t n = 0;
    list_each (link, pushes) {
        push_free(core, list_entry(link, struct push, link));
        n++;
    }
    return n;
}

void round_discard_held(struct core *core, struct round *round)
{
    for (uint32_t w = 0; round->held != NULL && w < round->job->world_size; w++)
        core->stats.pushes_discarded += free_pushes(core, &round->held[w]);
}

void round_free_sum(struct core *core, struct slot *slot)
{
    if (slot->sum == NULL)
        return;
    accumulator_free(slot->sum);
    slot->sum = NULL;
    core->accumulators_freed++;
}

void round_free(struct core *core, struct round *round)
{
    must(list_empty(&round->pulls) && list_empty(&round->gathering) && round->batch == NULL);
    list_each (link, &round->persisting) {
        list_remove(link);
        list_entry(link, struct push, link)->round = NULL;
    }
    free_pushes(core, &round->staged);
    round_discard_held(core, round);
    for (size_t i = 0; i < round->job->tape.size; i++)
        round_free_sum(core, &round->slots[i]);
    if (round->state == ROUND_CLOSING)
        core->closing--;
    keys_free(&round->keys);
    results_retire(core, round->results);
    results_unref(core, round->results);
    heap_remove(&core->graces, &round->grace);
    list_remove(&round->wanting);
    list_remove(&round->link);
    free_arrays(round);
}

struct round *round_find(const struct job *job, uint64_t number)
{
    for (const struct list *link = job->rounds.prev; link != &job->rounds; link = link->prev) {
        struct round *round = list_entry(link, struct round, link);
        if (round->number == number)
            return round;
    }
    return NULL;
}

struct round *round_open(const struct job *job)
{
    return list_entry(job->rounds.prev, struct round, link);
}

struct round *round_newest_closed(const struct job *job)
{
    for (const struct list *link = job->rounds.prev; link != &job->rounds; link = link->prev) {
        struct round *round = list_entry(link, struct round, link);
        if (round->state == ROUND_CLOSED)
            return round;
    }
    return NULL;
}

bool round_worker_final(const struct round *round, uint32_t worker)
{
    return round->final[worker / 64] >> (worker % 64) & 1;
}

bool round_set_final(struct core *core, struct round *round, uint32_t worker, uint64_t now_ms)
{
    const struct job *job = round->job;
    round->final[worker / 64] |= UINT64_C(1) << (worker % 64);
    round->n_final++;
    bool closes_soon = heap_contains(&round->grace); /* a close on request, short of memory */
    if (!closes_soon && has_quorum_rule(job) && round->n_final == job->quorum)
        heap_insert(&core->graces, &round->grace, now_ms + job->grace_ms);
    return round->n_final == job->world_size;
}

bool round_start_closing(struct core *core, struct round *round, uint64_t now_ms)
{
    must(round->state == ROUND_OPEN);
    heap_remove(&core->graces, &round->grace);
    if (round_new(round->job, round->number + 1, now_ms) == NULL) {
        heap_insert(&core->graces, &round->grace, now_ms + RETRY_MS);
        return false;
    }
    gather_release(core, round);
    round->state = ROUND_CLOSING;
    round->closing_ms = now_ms;
    core->closing++;
    schedule_want(core, round);
    return true;
}

/* Appends the push's terms to their slots; nodes that got all they expect are queued. */
static void make_eligible(struct core *core, struct round *round, struct push *push)
{
    const struct node *nodes = round->job->tape.nodes;
    for (uint32_t i = 0; i < push->n_terms; i++) {
        struct term *term = &push->terms[i];
        struct slot *slot = &round->slots[term->node];
        if (slot->last == NULL)
            slot->first = term;
        else
            slot->last->next = term;
        slot->last = term;
        slot->eligible++;
        if (nodes[term->node].expected > 0 && slot->eligible == nodes[term->node].expected)
            round->complete[round->n_complete++] = term->node;
    }
    list_append(&round->staged, &push->link);
    round->staged_bytes += push_cost(push);
    round->stuck_at = 0;
    if (round->n_complete > 0)
        schedule_want(core, round);
}

static void make_worker_eligible(struct core *core, struct round *round, uint32_t worker)
{
    list_each (link, &round->held[worker]) {
        list_remove(link);
        make_eligible(core, round, list_entry(link, struct push, link));
    }
}

void round_take_push(struct core *core, struct round *round, struct push *push)
{
    uint32_t worker = push->worker;
    bool held = has_quorum_rule(round->job) && !round_worker_final(round, worker);
    list_remove(&push->link);
    if (round->held != NULL && !held)
        make_worker_eligible(core, round, worker);
    if (push->n_terms == 0)
        push_free(core, push);
    else if (held)
        list_append(&round->held[worker], &push->link);
    else
        make_eligible(core, round, push);
}

/* `retain_rounds` newer ones have closed: the round is forgotten with the next step. */
static void retire_old(struct core *core, struct job *job, uint64_t newest_closed)
{
    list_each (link, &job->rounds) {
        struct round *round = list_entry(link, struct round, link);
        if (newest_closed < job->retain_rounds ||
            round->number > newest_closed - job->retain_rounds)
            return;
        results_retire(core, round->results); /* at once: the next fold may need the budget */
        list_remove(&round->link);
        list_append(&core->retired, &round->link);
        job_ref(job);
    }
}

void round_closed(struct core *core, struct update *update, struct round *round, uint64_t now_ms)
{
    round->state = ROUND_CLOSED;
    round->closed_ms = now_ms;
    core->closing--;
    core->stats.rounds_closed++;
    round->note.kind = ACTION_ROUND_CLOSED;
    round->note.round = round;
    list_append(&update->actions, &round->note.link);
    pull_answer_ready(core, update, round);
    retire_old(core, round->job, round->number);
    for (struct list *l = round->link.next; l != &round->job->rounds; l = l->next)
        schedule_want(core, list_entry(l, struct round, link));
}
