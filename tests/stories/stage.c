#include "stage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tell.h"

enum {
    STAGING_BYTES = 128 * 1024
};

void stage_open(struct stage *s, FILE *out)
{
    static const uint64_t shapes[STAGE_NODES][2] = {{4}, {2}, {3}, {12, 1024}};
    static const struct core_config config = {.staging_bytes = STAGING_BYTES,
                                              .result_bytes = 1 << 20,
                                              .accumulator_bytes = 1 << 20,
                                              .max_body_bytes = 1 << 20,
                                              .fold_tasks = 1};
    *s = (struct stage){.out = out, .wake_at_ms = NO_WAKE};
    list_init(&s->persists);
    list_init(&s->folds);
    s->nodes[W] = (struct node_spec){"w", DTYPE_F32, shapes[W], 1, true, 0};
    s->nodes[B] = (struct node_spec){"b", DTYPE_I32, shapes[B], 1, true, 0};
    s->nodes[FROZEN] = (struct node_spec){"frozen", DTYPE_F32, shapes[FROZEN], 1, false, 0};
    s->nodes[BIG] = (struct node_spec){"big", DTYPE_F32, shapes[BIG], 2, true, 0};
    s->spec = (struct job_spec){.name = "train",
                                .nodes = s->nodes,
                                .n_nodes = STAGE_NODES,
                                .world_size = 2,
                                .reduction = REDUCTION_SUM,
                                .accumulation = ACCUMULATION_EXACT,
                                .non_finite = NON_FINITE_REJECT,
                                .retain_rounds = 2};
    s->core = core_new(&config);
    must(s->core != NULL);
}

struct actor *stage_actor(struct stage *s, const char *name)
{
    must(s->n_actors < STAGE_ACTORS);
    struct actor *a = &s->actors[s->n_actors++];
    a->name = name;
    peer_init(&a->peer);
    return a;
}

/* -- The core, and what it wants done -- */

static void raise_event(struct stage *s, struct event event)
{
    must(s->queue_n < STAGE_EVENTS);
    s->queue[s->queue_n++] = event;
}

static void carry_out(struct stage *s, struct action *action)
{
    tell_action(s, action);
    switch (action->kind) {
    case ACTION_REPLY:
        if (action->reply->pull != NULL)
            raise_event(s, (struct event){.kind = EVENT_SENT, .pull = action->reply->pull});
        if (action->reply->peer->intake.state == INTAKE_REFUSED)
            raise_event(s, (struct event){.kind = EVENT_BODY_DROPPED, .peer = action->reply->peer});
        break;
    case ACTION_PERSIST:
        list_append(&s->persists, &action->link);
        break;
    case ACTION_FOLD:
        list_append(&s->folds, &action->link);
        break;
    default:
        break;
    }
}

static void step(struct stage *s, struct event event)
{
    event.now_ms = s->now_ms;
    core_step(s->core, &event, &s->update);
    s->wake_at_ms = s->update.wake_at_ms;
    list_each (link, &s->update.actions) {
        list_remove(link);
        carry_out(s, list_entry(link, struct action, link));
    }
}

static bool disk_or_pool(struct stage *s, bool disk, bool pool)
{
    struct list *link = disk ? list_first(&s->persists) : NULL;
    if (link != NULL) {
        struct push *push = list_entry(link, struct action, link)->push;
        list_remove(link);
        if (s->slow_disk)
            tell(s, "disk", "->", "worker %" PRIu32 "'s sequence %" PRIu64 " is durable",
                 push->worker, push->sequence);
        step(s, (struct event){.kind = EVENT_PERSISTED, .push = push});
        return true;
    }
    link = pool ? list_first(&s->folds) : NULL;
    if (link == NULL)
        return false;
    struct fold_task *task = list_entry(link, struct action, link)->task;
    list_remove(link);
    fold_task_run(task);
    tell(s, "pool", "->", "folded");
    step(s, (struct event){.kind = EVENT_FOLDED, .task = task});
    return true;
}

/* The event, and all that follows from it by itself. */
static void submit(struct stage *s, struct event event)
{
    raise_event(s, event);
    do {
        for (size_t i = 0; i < s->queue_n; i++)
            step(s, s->queue[i]);
        s->queue_n = 0;
    } while (disk_or_pool(s, !s->slow_disk, !s->slow_pool) || s->queue_n > 0);
}

void stage_disk(struct stage *s)
{
    while (disk_or_pool(s, true, false))
        ;
    s->slow_disk = false;
    submit(s, (struct event){.kind = EVENT_TICK});
}

void stage_pool(struct stage *s)
{
    while (disk_or_pool(s, false, true))
        ;
    s->slow_pool = false;
    submit(s, (struct event){.kind = EVENT_TICK});
}

void stage_wait(struct stage *s, uint64_t ms)
{
    uint64_t until = s->now_ms + ms;
    while (s->wake_at_ms <= until) {
        s->now_ms = s->wake_at_ms;
        submit(s, (struct event){.kind = EVENT_TICK});
    }
    s->now_ms = until;
}

/* -- What actors do -- */

static struct event request(struct stage *s, struct actor *a, enum event_kind kind)
{
    return (struct event){.kind = kind, .peer = &a->peer, .request_id = ++s->last_request};
}

void stage_create(struct stage *s, struct actor *a)
{
    struct event event = request(s, a, EVENT_CREATE_JOB);
    event.spec = &s->spec;
    tell(s, a->name, "->",
         "create job train: %" PRIu32 " workers, quorum %" PRIu32 ", grace %" PRIu64 " ms",
         s->spec.world_size, s->spec.quorum == 0 ? s->spec.world_size : s->spec.quorum,
         s->spec.grace_ms);
    submit(s, event);
}

void stage_delete(struct stage *s, struct actor *a)
{
    struct event event = request(s, a, EVENT_DELETE_JOB);
    event.job = "train";
    tell(s, a->name, "->", "delete job train");
    submit(s, event);
}

void stage_close_round(struct stage *s, struct actor *a, uint64_t round)
{
    struct close_offer close = {.job = "train", .has_round = true, .round = round};
    struct event event = request(s, a, EVENT_CLOSE_ROUND);
    event.close = &close;
    tell(s, a->name, "->", "close round %" PRIu64, round);
    submit(s, event);
}

void stage_header(struct stage *s, struct actor *a, struct line line)
{
    static const uint64_t wrong[] = {7};
    a->value = line.value;
    a->offer = (struct push_offer){.job = "train",
                                   .has_round = true,
                                   .round = line.round,
                                   .worker = line.worker,
                                   .sequence = line.sequence,
                                   .final = line.final,
                                   .contributions = &a->contribution};
    if (line.node != NONE) {
        const struct node_spec *node = &s->nodes[line.node];
        a->contribution = (struct contribution){(uint64_t)line.node, node->dtype,
                                                line.wrong_shape ? wrong : node->shape,
                                                line.wrong_shape ? 1 : node->ndim};
        a->offer.n_contributions = 1;
        a->offer.body_bytes = 4;
        for (size_t d = 0; d < a->contribution.ndim; d++)
            a->offer.body_bytes *= a->contribution.shape[d];
    }
    tell(s, a->name, "->",
         "push as worker %" PRIu32 ", round %" PRIu64 ", sequence %" PRIu64 ": %s%s%s", line.worker,
         line.round, line.sequence, line.node == NONE ? "no tensor" : s->nodes[line.node].name,
         line.wrong_shape ? " of shape [7]" : "", line.final ? ", final" : "");
    struct event event = request(s, a, EVENT_PUSH);
    event.offer = &a->offer;
    submit(s, event);
}

static void fill(const struct actor *a, unsigned char *to, uint64_t bytes)
{
    int32_t integer = (int32_t)a->value;
    const void *element = a->contribution.dtype == DTYPE_I32 ? (const void *)&integer : &a->value;
    for (uint64_t i = 0; i + 4 <= bytes; i += 4)
        memcpy(to + i, element, 4);
}

void stage_body(struct stage *s, struct actor *a, unsigned percent)
{
    uint64_t room;
    must(a->peer.intake.state == INTAKE_GRANTED);
    unsigned char *to = body_room(&a->peer.intake, &room);
    uint64_t bytes = a->offer.body_bytes * percent / 100;
    if (bytes > room)
        bytes = room;
    fill(a, to, bytes);
    body_received(&a->peer.intake, bytes);
    if (bytes < room || percent < 100)
        tell(s, a->name, "->", "%" PRIu64 " of %" PRIu64 " bytes of the body",
             a->offer.body_bytes - room + bytes, a->offer.body_bytes);
    if (bytes < room)
        return;
    tell(s, a->name, "->", "the body, complete");
    submit(s, (struct event){.kind = EVENT_BODY_COMPLETE, .peer = &a->peer});
}

void stage_push(struct stage *s, struct actor *a, struct line line)
{
    stage_header(s, a, line);
    if (a->peer.intake.state == INTAKE_GRANTED)
        stage_body(s, a, 100);
}

void stage_pull(struct stage *s, struct actor *a, uint64_t round, int node, uint64_t wait_ms)
{
    uint64_t id = (uint64_t)node;
    struct pull_offer ask = {.job = "train",
                             .has_round = true,
                             .round = round,
                             .nodes = &id,
                             .n_nodes = node == NONE ? 0 : 1,
                             .wait_ms = wait_ms};
    struct event event = request(s, a, EVENT_PULL);
    event.ask = &ask;
    tell(s, a->name, "->", "pull round %" PRIu64 ": %s, waits up to %" PRIu64 " ms", round,
         node == NONE ? "all nodes" : s->nodes[node].name, wait_ms);
    submit(s, event);
}

static void lose(struct stage *s, struct actor *a)
{
    if (a->peer.intake.state == INTAKE_GRANTED || a->peer.intake.state == INTAKE_REFUSED)
        submit(s, (struct event){.kind = EVENT_BODY_DROPPED, .peer = &a->peer});
    submit(s, (struct event){.kind = EVENT_PEER_LOST, .peer = &a->peer});
    peer_init(&a->peer);
}

void stage_cut(struct stage *s, struct actor *a)
{
    tell(s, a->name, "--", "the connection is cut");
    lose(s, a);
}

void stage_stop(struct stage *s)
{
    tell(s, "operator", "->", "stop");
    submit(s, (struct event){.kind = EVENT_STOP});
}

void stage_close(struct stage *s)
{
    struct core_stats stats;
    s->slow_disk = false;
    s->slow_pool = false;
    for (unsigned i = 0; i < s->n_actors; i++)
        lose(s, &s->actors[i]);
    core_stats(s->core, &stats);
    bool empty = stats.staging_used + stats.accumulators_used == 0;
    fprintf(s->out,
            "\nAt the end: accepted %" PRIu64 ", duplicates %" PRIu64 ", rounds closed %" PRIu64
            "; %s.\n",
            stats.pushes_accepted, stats.pushes_duplicate, stats.rounds_closed,
            empty ? "nothing is staged" : "what the open round got is staged");
    core_free(s->core);
}
