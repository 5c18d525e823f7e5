/* A final push whose tensors lie in shared memory, folded where they lie: nobody copies them.
 *
 * 1. Offered: it gathers, until every other worker of the round is final or gathers too.
 * 2. All are there: what is decided about a push when its body is complete is decided about all of
 *    them together, and the trial begins: the fold of a round that closes, over what is staged and
 *    what lies in the workers' memory, into the round's results, where nobody looks yet.
 * 3. The trial is back. If it failed nowhere, and if the round is as it was at step 2, all pushes
 *    are committed in this one step. From now on the workers' memory is not looked at.
 * 4. All workers are final, so no other push can enter: when the last one is persisted the round
 *    closes with exactly what the trial folded, and its results are the round's.
 *
 * Whatever goes wrong before step 3 is over, the pushes that are left go the way of all pushes:
 *   1'   the others take longer than GATHER_MS, the round is closed on request
 *   2'   a push would be refused or is a duplicate, memory is lacking
 *   3'   an element is not finite, or out of range; another push was accepted meanwhile, the round
 *        is closing; one that gathered is gone: its connection is lost
 *   any  the job is deleted, the server stops: they are refused, as those that wait for staging
 *
 * A worker may write to its memory while the trial reads it. Then its elements are anything, as in
 * a copy that is torn; but that sum is either finite, or the trial has failed: the results are
 * checked, not what they are made of, and a sum with a NaN or infinity in it is never finite. */
#include "core/gather.h"

#include "core/push.h"
#include "core/state.h"

/* -- Gathering -- */

static struct push *push_of(struct list *wait)
{
    return list_entry(wait, struct intake, wait)->push;
}

static uint64_t *word_of(const struct round *round, uint32_t worker)
{
    return &round->gathers[worker / 64];
}

static uint64_t bit_of(uint32_t worker)
{
    return UINT64_C(1) << (worker % 64);
}

/* One trial a round, so that a worker who makes them fail costs one fold. One push a worker: of
 * two, one will be a duplicate or refused. */
static bool may_join(const struct core *core, const struct round *round, const struct push *push)
{
    const struct job *job = push->job;
    return push->sources != NULL && push->final && push->n_terms > 0 && !push->print.has_checksum &&
           push->body_bytes >= core->config.share_bytes_min && job->quorum == job->world_size &&
           !round->tried && (*word_of(round, push->worker) & bit_of(push->worker)) == 0;
}

bool gather_join(struct core *core, struct intake *intake, uint64_t now_ms)
{
    struct push *push = intake->push;
    struct round *round = round_open(push->job);
    if (!may_join(core, round, push))
        return false;
    if (round->n_gathering == 0)
        heap_insert(&core->gathers, &round->gather_until, now_ms + GATHER_MS);
    list_append(&round->gathering, &intake->wait);
    *word_of(round, push->worker) |= bit_of(push->worker);
    round->n_gathering++;
    core->gathering++;
    push->round = round;
    schedule_want(core, round);
    return true;
}

/* Takes the push from those that gather; its link of `wait` is left alone. */
static void take_out(struct core *core, struct push *push)
{
    struct round *round = push->round;
    *word_of(round, push->worker) &= ~bit_of(push->worker);
    core->gathering--;
    if (--round->n_gathering == 0)
        heap_remove(&core->gathers, &round->gather_until);
    push->round = NULL;
}

void gather_leave(struct core *core, struct push *push)
{
    if (push->trial != NULL)
        push->trial->spoilt = true;
    else if (push->round != NULL)
        take_out(core, push);
}

static void to_staging(struct core *core, struct list *wait)
{
    list_remove(wait);
    staging_queue(core, list_entry(wait, struct intake, wait));
}

void gather_release(struct core *core, struct round *round)
{
    list_each (wait, &round->gathering) {
        take_out(core, push_of(wait));
        to_staging(core, wait);
    }
}

void gather_expire(struct core *core, uint64_t now_ms)
{
    struct heap_node *first;
    while ((first = heap_first(&core->gathers)) != NULL && first->key <= now_ms)
        gather_release(core, list_entry(first, struct round, gather_until));
}

bool gather_complete(const struct round *round)
{
    return round->n_gathering > 0 && round->state == ROUND_OPEN && list_empty(&round->persisting) &&
           round->n_final + round->n_gathering == round->job->world_size;
}

/* -- The trial -- */

/* Counts the push's terms in slot->offered, beside those of the pushes before it. */
static bool would_be_accepted(struct round *round, const struct push *push)
{
    const struct job *job = round->job;
    const struct key *repeated = NULL;
    struct round *same;
    bool fine = push_check_round(job, push, &same, &repeated, NULL) == CODE_OK && repeated == NULL;
    for (uint32_t i = 0; i < push->n_terms; i++) {
        uint32_t id = push->terms[i].node;
        fine &= slot_offer(&job->tape.nodes[id], &round->slots[id], id, NULL) == CODE_OK;
    }
    return fine;
}

static void forget_offered(struct round *round)
{
    list_each (wait, &round->gathering) {
        const struct push *push = push_of(wait);
        slots_forget_offered(round->slots, push->terms, push->n_terms);
    }
}

void gather_try(struct core *core, struct update *update, struct round *round)
{
    struct batch *trial = NULL;
    bool fine = round->keys.count + round->n_gathering <= LIMIT_KEYS_PER_ROUND &&
                keys_reserve(&round->keys, round->n_gathering);
    list_each (wait, &round->gathering)
        fine &= would_be_accepted(round, push_of(wait));
    if (fine && batch_start(core, update, round, BATCH_TRIAL, &trial)) {
        round->tried = true;
        trial->pushes = round->pushes;
        list_each (wait, &round->gathering) {
            struct push *push = push_of(wait);
            push->trial = trial;
        }
    }
    forget_offered(round);
    if (trial == NULL) {
        gather_release(core, round);
        return;
    }
    list_each (wait, &round->gathering)
        take_out(core, push_of(wait));
    list_move(&trial->gathered, &round->gathering);
}

/* -- Its end -- */

/* Nothing was decided about this round since the trial began. */
static bool is_as_it_was(const struct batch *trial)
{
    const struct round *round = trial->round;
    return !trial->spoilt && !round->job->deleted && round->state == ROUND_OPEN &&
           round->pushes == trial->pushes;
}

static void commit_all(struct core *core, struct update *update, struct batch *trial,
                       uint64_t now_ms)
{
    list_each (wait, &trial->gathered) {
        struct intake *intake = list_entry(wait, struct intake, wait);
        struct push *push = intake_take(core, list_entry(intake, struct peer, intake));
        push->in_place = true;
        push_commit(core, update, trial->round, push, now_ms);
    }
}

void gather_tried(struct core *core, struct update *update, struct batch *trial, uint64_t now_ms)
{
    struct round *round = trial->round;
    list_each (wait, &trial->gathered)
        push_of(wait)->trial = NULL;
    list_each (link, &trial->orphans) {
        list_entry(link, struct push, link)->trial = NULL;
        push_free(core, list_entry(link, struct push, link));
    }
    if (is_as_it_was(trial) && !atomic_load(&trial->failed)) {
        commit_all(core, update, trial, now_ms);
        return;
    }
    list_each (wait, &trial->gathered)
        to_staging(core, wait);
    batch_drop(trial);
    schedule_want(core, round);
}
