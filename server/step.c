/* The core is stepped, and its actions are carried out in their order: by one loop at a time, which
 * holds the mutex.
 *
 * 1. What other loops have for connections of this one is collected, so that what a connection has
 *    been told is never older than what it says.
 * 2. A step, and its actions. Those for a connection of another loop go to that loop's net, which
 *    is woken.
 * 3. An action that is over at once (a push that is persisted in memory) leads to an event of its
 *    own. The core is never stepped from within a step, and what an action points to stays valid
 *    until all actions are done: the event waits. It is the answer to an action about something
 *    that is lent until then, so it waits in the action's own link: no memory is needed, and
 *    nothing can fail. */
#include <stdlib.h>

#include "core/batch.h"
#include "core/pull.h"
#include "root.h"

struct fold_work {
    uv_work_t work;
    struct io_loop *loop;
    struct fold_task *task;
};

uint64_t server_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* The action is over: its event follows when all actions of this step are carried out. */
static void answer_later(struct server *s, struct action *action)
{
    list_remove(&action->link);
    list_append(&s->answers, &action->link);
}

/* What an action leads to when it is over. */
static struct event answer_to(const struct action *action)
{
    switch (action->kind) {
    case ACTION_PERSIST:
        return (struct event){.kind = EVENT_PERSISTED, .push = action->push};
    case ACTION_FOLD:
        return (struct event){.kind = EVENT_FOLDED, .task = action->task};
    default: /* the reply of a pull that could not be sent */
        must(action->kind == ACTION_REPLY && action->reply->pull);
        return (struct event){.kind = EVENT_SENT, .pull = action->reply->pull};
    }
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
    struct io_loop *l = fold->loop;
    struct event event = {.kind = EVENT_FOLDED, .task = fold->task};
    (void)status; /* never cancelled */
    free(fold);
    l->folds--;
    server_submit(l, &event);
}

/* False when it cannot be done elsewhere. */
static bool start_fold(struct io_loop *l, struct fold_task *task)
{
    struct fold_work *fold = malloc(sizeof *fold);
    if (!fold)
        return false;
    *fold = (struct fold_work){.loop = l, .task = task};
    fold->work.data = fold;
    if (uv_queue_work(l->uv, &fold->work, on_fold, on_folded) != 0) {
        free(fold);
        return false;
    }
    l->folds++;
    return true;
}

/* -- Actions -- */

static void carry_out(struct io_loop *l, struct action *action)
{
    struct server *s = l->server;
    switch (action->kind) {
    case ACTION_REPLY:
        journal_reply(s, action->reply);
        if (!net_reply(l->net, action->reply))
            answer_later(s, action);
        break;
    case ACTION_GRANT:
        net_grant(l->net, action->granted);
        break;
    case ACTION_PERSIST: /* there is no store: what is in memory is all the durability there is */
        answer_later(s, action);
        break;
    case ACTION_FOLD:
        if (!start_fold(l, action->task)) {
            fold_task_run(action->task);
            answer_later(s, action);
        }
        break;
    case ACTION_ROUND_CLOSED:
        journal_round(s, action->round);
        break;
    }
}

/* Returns when the core wants a TICK. */
static uint64_t step(struct io_loop *l, struct event *event)
{
    struct server *s = l->server;
    s->current = event;
    core_step(s->core, event, &s->update);
    list_each (link, &s->update.actions)
        carry_out(l, list_entry(link, struct action, link));
    s->current = NULL;
    return s->update.wake_at_ms;
}

static uint64_t step_all(struct io_loop *l, const struct event *first)
{
    struct server *s = l->server;
    struct list *link;
    struct event event = *first;
    uint64_t now_ms = event.now_ms = server_now_ms();
    uint64_t wake_at_ms = step(l, &event);
    while ((link = list_first(&s->answers))) {
        list_remove(link);
        event = answer_to(list_entry(link, struct action, link));
        event.now_ms = now_ms;
        wake_at_ms = step(l, &event);
    }
    return wake_at_ms;
}

/* -- Time: a TICK too many does no harm, so the timer is only ever set to an earlier time -- */

static void arm(struct server *s)
{
    uint64_t now_ms = uv_now(server_loop(s));
    if (s->wake_at_ms != NO_WAKE)
        uv_timer_start(&s->wake, server_on_wake,
                       s->wake_at_ms > now_ms ? s->wake_at_ms - now_ms : 0, 0);
}

void server_arm(struct server *s)
{
    uv_mutex_lock(&s->mutex);
    arm(s);
    uv_mutex_unlock(&s->mutex);
}

static void want_wake(struct io_loop *l, uint64_t at_ms)
{
    struct server *s = l->server;
    if (at_ms >= s->wake_at_ms)
        return;
    s->wake_at_ms = at_ms;
    if (l == s->loops)
        arm(s);
    else
        uv_async_send(&s->news);
}

void server_on_wake(uv_timer_t *timer)
{
    struct server *s = timer->data;
    uv_mutex_lock(&s->mutex);
    s->wake_at_ms = NO_WAKE;
    uv_mutex_unlock(&s->mutex);
    server_submit(s->loops, &(struct event){.kind = EVENT_TICK});
}

/* -- Events -- */

void server_submit(void *loop, const struct event *event)
{
    struct io_loop *l = loop;
    struct server *s = l->server;
    uv_mutex_lock(&s->mutex);
    if (l->net)
        net_collect(l->net);
    want_wake(l, step_all(l, event));
    if (event->peer)
        net_look(event->peer);
    if (s->stopping && l != s->loops)
        uv_async_send(&s->news);
    uv_mutex_unlock(&s->mutex);
}
