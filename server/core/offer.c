/* One push, from its header to the moment where its body may be read.
 *
 * 1. The header is complete: everything that can be decided without the body is, in the order of
 * the wire (job, worker, repeated key, round, final; each contribution; body length; budget).
 * 2. The push waits for staging, first come first served (staging.c grants it).
 *
 * What can go wrong:
 *   1'  refused, or a repeated key   the verdict leaves at once; nothing is kept
 *   2'  connection lost              the push is forgotten
 *   2'' job deleted, server stops    the push is refused */
#include <inttypes.h>
#include <stdlib.h>
#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <xxhash.h>

#include "base/checked.h"
#include "base/shape.h"
#include "core/gather.h"
#include "core/state.h"

/* What a look at the contributions found out. */
struct summary {
    uint32_t n_terms;
    uint32_t ignored;
    uint64_t body_bytes;
    bool overflow; /* of body_bytes */
};

enum {
    HEAD_WORDS = 3,
    FLAT_WORDS = 64 /* contributions that fit so many are hashed at once */
};

static void write_head(uint64_t head[static HEAD_WORDS], const struct contribution *c)
{
    head[0] = c->node;
    head[1] = (uint64_t)(int64_t)c->dtype;
    head[2] = c->ndim;
}

static XXH128_hash_t hash_many(const struct push_offer *offer)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < offer->n_contributions; i++) {
        const struct contribution *c = &offer->contributions[i];
        uint64_t head[HEAD_WORDS];
        write_head(head, c);
        XXH3_128bits_update(&state, head, sizeof head);
        if (c->ndim > 0)
            XXH3_128bits_update(&state, c->shape, c->ndim * sizeof *c->shape);
    }
    return XXH3_128bits_digest(&state);
}

/* Of the contributions as they were sent; the same in one piece or in many. */
static XXH128_hash_t hash_contributions(const struct push_offer *offer)
{
    uint64_t flat[FLAT_WORDS];
    size_t n = 0;
    for (size_t i = 0; i < offer->n_contributions; i++) {
        const struct contribution *c = &offer->contributions[i];
        if (c->ndim > FLAT_WORDS || n + HEAD_WORDS + c->ndim > FLAT_WORDS)
            return hash_many(offer);
        write_head(flat + n, c);
        n += HEAD_WORDS;
        for (size_t d = 0; d < c->ndim; d++)
            flat[n++] = c->shape[d];
    }
    return XXH3_128bits(flat, n * sizeof *flat);
}

static struct key_print make_print(const struct push_offer *offer)
{
    bool elsewhere = offer->places != NULL;
    XXH128_hash_t hash = hash_contributions(offer);
    return (struct key_print){.contributions = {hash.low64, hash.high64},
                              .body_bytes = elsewhere ? places_bytes(offer) : offer->body_bytes,
                              .checksum = offer->has_checksum ? offer->checksum : 0,
                              .has_checksum = offer->has_checksum,
                              .final = offer->final};
}

static void add_bytes(struct summary *s, const struct contribution *c)
{
    uint64_t elements;
    uint64_t bytes;
    if (!shape_size((enum dtype)c->dtype, c->shape, c->ndim, &elements, &bytes) ||
        !checked_add(s->body_bytes, bytes, &s->body_bytes))
        s->overflow = true;
}

/* A contribution that is fine by itself: is there room for it? */
static enum code look_at(const struct job *job, struct round *round, const struct contribution *c,
                         struct summary *s, struct error *error)
{
    const struct node *node = &job->tape.nodes[c->node];
    add_bytes(s, c);
    if (!node->requires_grad)
        return CODE_OK;
    return slot_offer(node, &round->slots[c->node], c->node, error);
}

/* Sets the counts per slot back to 0 for the contributions that were looked at. */
static void forget_offered(struct round *round, const struct push_offer *offer, size_t looked_at)
{
    for (size_t i = 0; i < looked_at; i++)
        round->slots[offer->contributions[i].node].offered = 0;
}

/* The first error of the list is the push's: that of a contribution's own, or that a node has no
 * room for it. */
static enum code check_contributions(const struct job *job, struct round *round,
                                     const struct push_offer *offer, struct summary *s,
                                     struct error *error)
{
    size_t n = offer->n_contributions;
    size_t ignored;
    size_t fine = grad_decide_list(&job->tape, offer->contributions, n, &ignored, error);
    enum code code = CODE_OK;
    size_t i = 0;
    while (i < fine && code == CODE_OK)
        code = look_at(job, round, &offer->contributions[i++], s, error);
    forget_offered(round, offer, i);
    if (code != CODE_OK)
        return code;
    if (fine < n)
        return error->code;
    s->ignored = (uint32_t)ignored;
    s->n_terms = (uint32_t)(n - ignored);
    if (s->overflow)
        return error_set(error, CODE_MALFORMED, "the tensors' sizes overflow");
    if (offer->places != NULL)
        return places_check(offer, error);
    if (s->body_bytes != offer->body_bytes)
        return error_set(error, CODE_MALFORMED,
                         "the body has %" PRIu64 " bytes, the tensors need %" PRIu64,
                         offer->body_bytes, s->body_bytes);
    return CODE_OK;
}

/* The push with its terms; their place in the body is known already. */
static struct push *push_new(struct core *core, struct job *job, const struct event *event,
                             uint64_t round_number, const struct summary *s)
{
    const struct push_offer *offer = event->offer;
    uint64_t terms_end = sizeof(struct push) + s->n_terms * sizeof(struct term);
    bool inlined = s->body_bytes <= PUSH_INLINE_BYTES;
    uint64_t own_bytes = terms_end + (inlined ? s->body_bytes : 0);
    struct push *push = push_alloc(core, &own_bytes);
    struct source *sources = offer->places == NULL ? NULL : sources_new(offer);
    if (push == NULL || (offer->places != NULL && sources == NULL)) {
        sources_free(sources, offer->n_contributions);
        free(push);
        return NULL;
    }
    *push = (struct push){.job = job,
                          .round_number = round_number,
                          .peer = event->peer,
                          .request_id = event->request_id,
                          .sequence = offer->sequence,
                          .worker = offer->worker,
                          .ignored = s->ignored,
                          .final = offer->final,
                          .sources = sources,
                          .n_sources = offer->n_contributions,
                          .body = inlined ? (unsigned char *)push + terms_end : NULL,
                          .body_bytes = s->body_bytes,
                          .own_bytes = own_bytes,
                          .n_terms = s->n_terms,
                          .unfolded = s->n_terms};
    list_init(&push->link);
    list_init(&push->peer_link);
    uint64_t offset = 0;
    struct term *term = push->terms;
    for (size_t i = 0; i < offer->n_contributions; i++) {
        const struct contribution *c = &offer->contributions[i];
        uint64_t elements;
        uint64_t bytes;
        must(shape_size((enum dtype)c->dtype, c->shape, c->ndim, &elements, &bytes));
        if (job->tape.nodes[c->node].requires_grad)
            *term++ = (struct term){.push = push,
                                    .offset = offset,
                                    .node = (uint32_t)c->node,
                                    .dtype = (enum dtype)c->dtype};
        else if (sources != NULL)
            sources[i].ignored = true;
        offset += bytes;
    }
    return push;
}

static bool begin_checks(struct intake *intake, const struct push_offer *offer)
{
    const struct job *job = intake->push->job;
    intake->check = (struct body_check){.reject_non_finite = job->non_finite == NON_FINITE_REJECT};
    if (!offer->has_checksum)
        return true;
    intake->check.hash = XXH3_createState();
    if (intake->check.hash == NULL)
        return false;
    XXH3_64bits_reset(intake->check.hash);
    return true;
}

static enum code check_budget(const struct core *core, const struct push *push, struct error *error)
{
    if (push_cost(push) > core->config.staging_bytes)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "the body of %" PRIu64 " bytes can never fit the staging of %" PRIu64
                         " bytes (--staging-bytes)",
                         push->body_bytes, core->config.staging_bytes);
    return CODE_OK;
}

static enum code start_intake(struct core *core, const struct event *event, struct push *push,
                              struct error *error)
{
    struct intake *intake = &event->peer->intake;
    must(intake->state == INTAKE_NONE);
    enum code code = check_budget(core, push, error);
    intake->push = push;
    if (code == CODE_OK && !begin_checks(intake, event->offer))
        code = error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    if (code != CODE_OK) {
        intake->push = NULL;
        push_free(core, push);
        return code;
    }
    intake->state = INTAKE_WAITING;
    job_ref(push->job);
    list_append(&push->job->intakes, &intake->link);
    core->pushes_waiting++;
    if (!gather_join(core, intake, event->now_ms))
        staging_queue(core, intake);
    return CODE_OK;
}

/* CODE_OK: the intake waits for staging, or *repeated is set. */
static enum code admit(struct core *core, const struct event *event, const struct key **repeated,
                       uint64_t *number, struct error *error)
{
    const struct push_offer *offer = event->offer;
    struct job *job = jobs_need(core, offer->job, error);
    if (job == NULL)
        return CODE_NOT_FOUND;
    if (offer->worker >= job->world_size)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "the job's workers are 0 to %" PRIu32 " (world_size)",
                         job->world_size - 1);
    *number = offer->has_round ? offer->round : round_open(job)->number;
    struct push probe = {.job = job,
                         .round_number = *number,
                         .worker = offer->worker,
                         .sequence = offer->sequence,
                         .final = offer->final,
                         .print = make_print(offer)};
    struct round *round;
    struct summary summary = {0};
    enum code code = push_check_round(job, &probe, &round, repeated, error);
    if (code == CODE_OK && *repeated == NULL)
        code = check_contributions(job, round, offer, &summary, error);
    if (code != CODE_OK || *repeated != NULL)
        return code;
    struct push *push = push_new(core, job, event, *number, &summary);
    if (push == NULL)
        return error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
    push->print = probe.print;
    return start_intake(core, event, push, error);
}

void push_offer(struct core *core, const struct event *event, struct update *update)
{
    struct reply *reply = reply_to(update, event, REQUEST_PUSH);
    const struct key *repeated = NULL;
    uint64_t number = 0;
    enum code code = admit(core, event, &repeated, &number, &reply->error);
    if (code == CODE_OK && repeated == NULL)
        return;
    if (repeated != NULL) {
        core->stats.pushes_duplicate++;
        reply->verdict = VERDICT_DUPLICATE;
        reply->round = number;
        reply->ignored = repeated->ignored;
    }
    if (code != CODE_OK)
        error_prefix(&reply->error, "push from worker %" PRIu32 ": ", event->offer->worker);
    reply_send(core, update, &update->action, reply);
}
