/* One push, from its complete body to its verdict.
 *
 * 1. The body is complete: what may have changed since the admission is decided again (job, key,
 * round, final, expected), then checksum and non-finite values.
 * 2. The push is committed: its key is remembered, it counts. It is handed out to be persisted.
 * 3. Persisted: the verdict ACCEPTED leaves, and the fold may have it.
 *
 * What can go wrong:
 *   1'  refused, or a repeated key   the verdict leaves, the staging goes back, nothing was applied
 *   2'  connection lost              nobody is told; the push counts, a retry is a DUPLICATE
 *   2'' job deleted                  the push is forgotten with its job when it is persisted */
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/state.h"

/* A key that was used: for the same push (*repeated), or not. */
static enum code check_key(const struct push *push, const struct key *key,
                           const struct key **repeated, struct error *error)
{
    if (!key_print_equal(&key->print, &push->print))
        return error_set(error, CODE_CONFLICT,
                         "round %" PRIu64 ", sequence %" PRIu64
                         ": the key was used for another push",
                         push->round_number, push->sequence);
    if (!key->persisted)
        return error_set(error, CODE_UNAVAILABLE,
                         "round %" PRIu64 ", sequence %" PRIu64
                         ": the same push is being made durable; try again",
                         push->round_number, push->sequence);
    *repeated = key;
    return CODE_OK;
}

enum code push_check_round(const struct job *job, const struct push *push, struct round **round,
                           const struct key **repeated, struct error *error)
{
    struct round *open = round_open(job);
    *round = round_find(job, push->round_number);
    const struct key *key =
        *round == NULL ? NULL : keys_find(&(*round)->keys, push->worker, push->sequence);
    if (key != NULL)
        return check_key(push, key, repeated, error);
    if (push->round_number < open->number)
        return error_set(error, CODE_STALE_ROUND,
                         "round %" PRIu64 " is over; round %" PRIu64 " is open", push->round_number,
                         open->number);
    if (push->round_number > open->number)
        return error_set(error, CODE_FUTURE_ROUND,
                         "round %" PRIu64 " has not begun; round %" PRIu64 " is open",
                         push->round_number, open->number);
    if (round_worker_final(open, push->worker))
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "round %" PRIu64 ": the worker has sent its final push already",
                         push->round_number);
    return CODE_OK;
}

static enum code check_expected(const struct push *push, struct round *round, struct error *error)
{
    const struct node *nodes = push->job->tape.nodes;
    enum code code = CODE_OK;
    uint32_t i = 0;
    for (; i < push->n_terms && code == CODE_OK; i++) {
        uint32_t id = push->terms[i].node;
        code = slot_offer(&nodes[id], &round->slots[id], id, error);
    }
    slots_forget_offered(round->slots, push->terms, i);
    return code;
}

static enum code check_body(const struct intake *intake, struct error *error)
{
    const struct push *push = intake->push;
    const struct body_check *check = &intake->check;
    if (check->hash != NULL) {
        uint64_t is = XXH3_64bits_digest(check->hash);
        if (is != push->print.checksum)
            return error_set(error, CODE_CHECKSUM_MISMATCH,
                             "the body's XXH3-64 is %016" PRIx64 ", not %016" PRIx64, is,
                             push->print.checksum);
    }
    if (check->non_finite)
        return error_set(error, CODE_NON_FINITE,
                         "node %" PRIu32 ": element %" PRIu64 " is NaN or infinite",
                         check->bad_node, check->bad_index);
    return CODE_OK;
}

static enum code decide(const struct intake *intake, struct round **round,
                        const struct key **repeated, struct error *error)
{
    const struct push *push = intake->push;
    enum code code = push_check_round(push->job, push, round, repeated, error);
    if (code != CODE_OK || *repeated != NULL)
        return code;
    code = check_expected(push, *round, error);
    if (code == CODE_OK)
        code = check_body(intake, error);
    if (code == CODE_OK && (*round)->keys.count >= LIMIT_KEYS_PER_ROUND)
        code = error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "round %" PRIu64 " has %" PRIu32 " pushes, the limit", (*round)->number,
                         LIMIT_KEYS_PER_ROUND);
    if (code == CODE_OK && !keys_reserve(&(*round)->keys, 1))
        code = error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    return code;
}

void push_commit(struct core *core, struct update *update, struct round *round, struct push *push,
                 uint64_t now_ms)
{
    sources_free(push->sources, push->n_sources); /* nobody looks there any more */
    push->sources = NULL;
    struct keys *keys = &round->keys;
    /* keys_insert is proved for these. */
    must(keys->count < keys->n_buckets && keys_find(keys, push->worker, push->sequence) == NULL);
    struct key *key = keys_insert(keys, push->worker, push->sequence);
    key->print = push->print;
    key->ignored = push->ignored;
    round->pushes++;
    round->bytes += push->body_bytes;
    slots_accept(round->slots, push->terms, push->n_terms);
    push->round = round;
    list_append(&round->persisting, &push->link);
    list_append(&push->peer->committed, &push->peer_link);
    core->persisting++;
    push->action.kind = ACTION_PERSIST;
    push->action.push = push;
    list_append(&update->actions, &push->action.link);
    if (push->final && round_set_final(core, round, push->worker, now_ms))
        round_start_closing(core, round, now_ms);
}

void push_body_complete(struct core *core, const struct event *event, struct update *update)
{
    struct intake *intake = &event->peer->intake;
    if (intake->state == INTAKE_REFUSED) {
        intake_end(core, event->peer);
        return;
    }
    struct push *push = intake->push;
    must(intake->state == INTAKE_GRANTED && intake->check.received == push->body_bytes);
    struct reply *reply = reply_to(update, event, REQUEST_PUSH);
    reply->request_id = push->request_id;
    struct round *round = NULL;
    const struct key *repeated = NULL;
    enum code code = decide(intake, &round, &repeated, &reply->error);
    if (code == CODE_OK && repeated == NULL) {
        intake_take(core, event->peer);
        push_commit(core, update, round, push, event->now_ms);
        return;
    }
    if (code == CODE_OK) {
        core->stats.pushes_duplicate++;
        reply->verdict = VERDICT_DUPLICATE;
        reply->round = push->round_number;
        reply->ignored = repeated->ignored;
    } else {
        error_prefix(&reply->error, "push from worker %" PRIu32 ": ", push->worker);
    }
    intake_end(core, event->peer);
    reply_send(core, update, &update->action, reply);
}

static void answer(struct core *core, const struct event *event, struct update *update,
                   struct push *push)
{
    struct reply *reply = reply_to(update, event, REQUEST_PUSH);
    reply->peer = push->peer;
    reply->request_id = push->request_id;
    reply->verdict = VERDICT_ACCEPTED;
    reply->round = push->round_number;
    reply->ignored = push->ignored;
    list_remove(&push->peer_link);
    push->peer = NULL;
    reply_send(core, update, &update->action, reply);
}

void push_persisted(struct core *core, const struct event *event, struct update *update)
{
    struct push *push = event->push;
    struct round *round = push->round;
    core->persisting--;
    core->stats.pushes_accepted++;
    core->stats.accepted_bytes += push->body_bytes;
    core->stats.contributions_accepted += push->n_terms;
    core->stats.contributions_ignored += push->ignored;
    if (push->peer != NULL)
        answer(core, event, update, push);
    if (round == NULL) {
        push_free(core, push);
        return;
    }
    keys_find(&round->keys, push->worker, push->sequence)->persisted = true;
    round_take_push(core, round, push);
    if (round->state == ROUND_CLOSING || round->n_gathering > 0)
        schedule_want(core, round);
}
