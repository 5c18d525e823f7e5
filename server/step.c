/* The core is stepped, and its actions are carried out in their order.
 *
 * An event that is raised while actions are carried out waits: the core is never stepped from
 * within a step, and what an action points to stays valid until all actions are done. Such an
 * event is always the answer to an action about something that is lent until then, so it waits in
 * the action's own link: no memory is needed, and nothing can fail. */
#include <stdlib.h>

#include "core/batch.h"
#include "core/pull.h"
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
    struct server *s = fold->server;
    struct event event = {.kind = EVENT_FOLDED, .task = fold->task};
    (void)status; /* never cancelled */
    free(fold);
    s->folds--;
    server_submit(s, &event);
}

/* False when it cannot be done elsewhere. */
static bool start_fold(struct server *s, struct fold_task *task)
{
    struct fold_work *fold = malloc(sizeof *fold);
    if (!fold)
        return false;
    *fold = (struct fold_work){.server = s, .task = task};
    fold->work.data = fold;
    if (uv_queue_work(s->loop, &fold->work, on_fold, on_folded) != 0) {
        free(fold);
        return false;
    }
    s->folds++;
    return true;
}

/* -- Actions -- */

static void carry_out(struct server *s, struct action *action)
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
        answer_later(s, action);
        break;
    case ACTION_FOLD:
        if (!start_fold(s, action->task)) {
            fold_task_run(action->task);
            answer_later(s, action);
        }
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
    list_each (link, &s->update.actions)
        carry_out(s, list_entry(link, struct action, link));
    set_wake(s, s->update.wake_at_ms);
    s->current = NULL;
}

void server_submit(void *ctx, const struct event *event)
{
    struct server *s = ctx;
    struct list *link;
    if (s->stepping) {
        must(event->kind == EVENT_SENT);
        answer_later(s, &event->pull->action);
        return;
    }
    struct event next = *event;
    s->stepping = true;
    step(s, &next);
    while ((link = list_first(&s->answers))) {
        list_remove(link);
        next = answer_to(list_entry(link, struct action, link));
        step(s, &next);
    }
    s->stepping = false;
}

void server_on_wake(uv_timer_t *timer)
{
    struct server *s = timer->data;
    s->wake_at_ms = NO_WAKE;
    server_submit(s, &(struct event){.kind = EVENT_TICK});
}
