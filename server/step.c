/* The core is stepped, and its actions are carried out in their order.
 *
 * An event that is raised while actions are carried out waits in a queue: the core is never stepped
 * from within a step, and what an action points to stays valid until all actions are done. */
#include <stdlib.h>

#include "core/batch.h"
#include "root.h"

struct fold_work {
    uv_work_t work;
    struct server *server;
    struct fold_task *task;
};

uint64_t server_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* A few dozen bytes: whoever does not get them cannot keep any promise. */
static void enqueue(struct server *s, const struct event *event)
{
    if (s->queue_n == s->queue_capacity) {
        s->queue_capacity = s->queue_capacity ? 2 * s->queue_capacity : 16;
        s->queue = realloc(s->queue, s->queue_capacity * sizeof *s->queue);
        must(s->queue);
    }
    s->queue[s->queue_n++] = *event;
}

/* -- Folds -- */

static void on_fold(uv_work_t *work)
{
    struct fold_work *fold = work->data;
    fold_task_run(fold->task);
}

static void on_folded(uv_work_t *work, int status)
{
    struct fold_work *fold = work->data;
    struct server *s = fold->server;
    struct event event = {.kind = EVENT_FOLDED, .task = fold->task};
    (void)status; /* never cancelled */
    free(fold);
    s->folds--;
    server_submit(s, &event);
}

static void start_fold(struct server *s, struct fold_task *task)
{
    struct fold_work *fold = malloc(sizeof *fold);
    if (fold) {
        *fold = (struct fold_work){.server = s, .task = task};
        fold->work.data = fold;
        s->folds++;
        uv_queue_work(s->loop, &fold->work, on_fold, on_folded);
        return;
    }
    /* No memory to have it done elsewhere. */
    fold_task_run(task);
    enqueue(s, &(struct event){.kind = EVENT_FOLDED, .task = task});
}

/* -- Actions -- */

static void carry_out(struct server *s, const struct action *action)
{
    switch (action->kind) {
    case ACTION_REPLY:
        journal_reply(s, action->reply);
        net_reply(s->net, action->reply);
        break;
    case ACTION_GRANT:
        net_grant(s->net, action->granted);
        break;
    case ACTION_PERSIST: /* there is no store: what is in memory is all the durability there is */
        enqueue(s, &(struct event){.kind = EVENT_PERSISTED, .push = action->push});
        break;
    case ACTION_FOLD:
        start_fold(s, action->task);
        break;
    case ACTION_ROUND_CLOSED:
        journal_round(s, action->round);
        break;
    }
}

/* The timer counts on the loop's clock, ours too, but it may lag behind: so it is never early. */
static void set_wake(struct server *s, uint64_t wake_at_ms)
{
    if (wake_at_ms == s->wake_at_ms)
        return;
    s->wake_at_ms = wake_at_ms;
    if (wake_at_ms == NO_WAKE) {
        uv_timer_stop(&s->wake);
        return;
    }
    uint64_t now_ms = uv_now(s->loop);
    uv_timer_start(&s->wake, server_on_wake, wake_at_ms > now_ms ? wake_at_ms - now_ms : 0, 0);
}

static void step(struct server *s, struct event *event)
{
    event->now_ms = server_now_ms();
    s->current = event;
    core_step(s->core, event, &s->update);
    list_each(link, &s->update.actions) carry_out(s, list_entry(link, struct action, link));
    set_wake(s, s->update.wake_at_ms);
    s->current = NULL;
}

void server_submit(void *ctx, const struct event *event)
{
    struct server *s = ctx;
    if (s->stepping) {
        enqueue(s, event);
        return;
    }
    struct event first = *event;
    s->stepping = true;
    step(s, &first);
    for (size_t i = 0; i < s->queue_n; i++) {
        struct event next = s->queue[i]; /* the queue may grow meanwhile */
        step(s, &next);
    }
    s->queue_n = 0;
    s->stepping = false;
}

void server_on_wake(uv_timer_t *timer)
{
    struct server *s = timer->data;
    s->wake_at_ms = NO_WAKE;
    server_submit(s, &(struct event){.kind = EVENT_TICK});
}
