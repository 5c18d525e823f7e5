#include "shared.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GAP_MAX = 9 /* between tensors, so that they are not aligned */
};

/* -- Pushes -- */

/* From the last to the first, with gaps. */
static void scatter(struct sim *sim, struct request *r)
{
    struct sharing *s = r->sharing;
    const struct message *m = r->message;
    uint64_t at = 0;
    for (size_t i = m->offer.n_contributions; i-- > 0;) {
        at += sim_below(sim, GAP_MAX);
        s->places[i] = (struct tensor_place){.mapping = &s->mapping, .buffer = 1, .offset = at};
        memcpy(s->memory + at, m->body + m->offsets[i], message_bytes(m, i));
        at += message_bytes(m, i);
    }
}

static void misplace(struct sim *sim, struct sharing *s)
{
    struct tensor_place *place = &s->places[sim_below(sim, s->offer.n_contributions)];
    s->misplaced = true;
    if (sim_below(sim, 2) == 0)
        place->mapping = NULL;
    else
        place->offset = s->mapping.bytes + 1;
}

/* Will whoever adds rubbish notice? All of it must be floats, in a job that rejects NaN. */
static bool is_noticed(const struct message *m)
{
    bool some = false;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        const struct contribution *c = &m->contributions[i];
        if (!m->job->nodes[c->node].requires_grad)
            continue;
        if (!dtype_is_float((enum dtype)c->dtype))
            return false;
        some |= message_bytes(m, i) > 0;
    }
    return some && m->job->spec.non_finite == NON_FINITE_REJECT;
}

void shared_make(struct sim *sim, struct request *r)
{
    const struct message *m = r->message;
    struct sharing *s = calloc(1, sizeof *s);
    must(s != NULL);
    r->sharing = s;
    s->offer = m->offer;
    s->offer.body_bytes = m->length_wrong ? 1 : 0;
    s->offer.places = s->places;
    s->mapping.bytes = message_end(m) + MESSAGE_TERMS * GAP_MAX + 1;
    s->memory = calloc(1, s->mapping.bytes);
    must(s->memory != NULL);
    s->mapping.data = s->memory;
    atomic_init(&s->mapping.refs, 1);
    scatter(sim, r);
    sim->shared++;
    if (r->worker == NULL && m->offer.n_contributions > 0 && sim_below(sim, 8) == 0)
        misplace(sim, s);
    if (m->planned && is_noticed(m) && sim_below(sim, 3) == 0) {
        s->moods = 1 + (unsigned)sim_below(sim, 4);
        sim_later(sim, sim->plan.delay_ms + sim->plan.fold_ms, ITEM_RUBBISH, r);
    }
}

void shared_free(struct request *r)
{
    if (r->sharing != NULL)
        free(r->sharing->memory);
    free(r->sharing);
}

static void write_rubbish(struct sharing *s)
{
    memset(s->memory, 0xff, s->mapping.bytes); /* NaN in every float */
    s->rubbish = true;
}

static void make_amends(struct request *r)
{
    struct sharing *s = r->sharing;
    for (size_t i = 0; i < s->offer.n_contributions; i++)
        memcpy(s->memory + s->places[i].offset, r->message->body + r->message->offsets[i],
               message_bytes(r->message, i));
    s->rubbish = false;
}

void shared_item(struct sim *sim, struct request *r)
{
    struct sharing *s = r->sharing;
    if (s->answered)
        return;
    if (s->rubbish)
        make_amends(r);
    else if (s->moods-- > 0)
        write_rubbish(s);
    if (s->rubbish || s->moods > 0)
        sim_later(sim, 1 + sim->plan.fold_ms / 2, ITEM_RUBBISH, r);
}

void shared_answered(struct request *r)
{
    if (r->sharing == NULL || r->sharing->answered)
        return;
    r->sharing->answered = true;
    write_rubbish(r->sharing);
}

struct verdict_model shared_verdict(const struct request *r, struct verdict_model v,
                                    const struct push *push)
{
    const struct message *m = r->message;
    bool checked = m->offer.has_checksum;
    bool whole = (v.code == CODE_OK && !v.repeated) || v.code == CODE_NON_FINITE;
    if (r->sharing == NULL || !whole)
        return v;
    for (size_t i = 0; i < m->offer.n_contributions; i++) {
        uint64_t bytes = message_bytes(m, i);
        bool counts = checked || m->job->nodes[m->contributions[i].node].requires_grad;
        if (counts && bytes > 0 &&
            memcmp(push->body + m->offsets[i], m->body + m->offsets[i], bytes) != 0)
            v.code = checked ? CODE_CHECKSUM_MISMATCH : CODE_NON_FINITE;
    }
    return v;
}

struct request *shared_in_place(struct sim *sim, const struct push *push)
{
    struct request *r = sim->requests[push->request_id - 1];
    if (sim->current->kind != EVENT_FOLDED || r->sharing == NULL || r->replied ||
        r->counted != NULL || !r->message->offer.final || r->message->offer.has_checksum)
        return NULL;
    struct verdict_model v = model_commit(r->admitted, r->message, r->round);
    return v.code == CODE_OK && !v.repeated ? r : NULL;
}

/* -- Views -- */

static void keep_lost(struct sim *sim, struct request *r)
{
    const struct segment *segment = pull_segment(r->pull);
    struct lost_view *view = calloc(1, sizeof *view);
    must(view != NULL);
    view->bytes = segment->bytes;
    view->memory = mmap(NULL, segment->bytes, PROT_READ, MAP_SHARED, segment->fd, 0);
    must(view->memory != MAP_FAILED);
    view->request = r;
    for (; view->n < r->pull->n_nodes; view->n++)
        pull_gradient(r->pull, view->n, &view->gradients[view->n]);
    view->next = sim->lost_views;
    sim->lost_views = view;
    sim->views_lost++;
}

enum event_kind shared_end_view(struct sim *sim, struct request *r)
{
    if (pull_segment(r->pull) == NULL || r->wire->peer != NULL)
        return EVENT_SENT;
    keep_lost(sim, r);
    return EVENT_VIEW_LOST;
}

static uint64_t sum_bytes(const struct plan_job *job, uint64_t node)
{
    return job->elements[node] * dtype_size((enum dtype)job->nodes[node].dtype);
}

static void check_memory(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_requests; i++) {
        const struct request *r = sim->requests[i];
        if (r->sharing != NULL && atomic_load(&r->sharing->mapping.refs) != 1)
            sim_fail(sim, "the memory of push %lu is still held", (unsigned long)r->id);
    }
}

void shared_check_end(struct sim *sim)
{
    if (!sim->failed)
        check_memory(sim);
    while (sim->lost_views != NULL) {
        struct lost_view *view = sim->lost_views;
        for (size_t i = 0; i < view->n && !sim->failed; i++) {
            const struct gradient *g = &view->gradients[i];
            struct model_job *job = view->request->admitted;
            const struct model_sum *sum =
                model_sum(job, &job->rounds[view->request->round], (size_t)g->id);
            if (g->data != NULL &&
                memcmp(view->memory + g->offset, sum->bytes, sum_bytes(job->plan, g->id)) != 0)
                sim_fail(sim, "what pull %lu shows has changed after its view was lost",
                         (unsigned long)view->request->id);
        }
        munmap(view->memory, view->bytes);
        sim->lost_views = view->next;
        free(view);
    }
}
