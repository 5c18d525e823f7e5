#include "tell.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/round.h"

void tell(struct stage *s, const char *who, const char *arrow, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(s->out, "%6" PRIu64 " ms  %-12s %s  ", s->now_ms, who, arrow);
    vfprintf(s->out, format, args);
    fprintf(s->out, "\n");
    va_end(args);
}

void stage_tell(struct stage *s, const char *sentence)
{
    fprintf(s->out, "\n# %s\n", sentence);
}

static const char *name_of(const struct stage *s, const struct peer *peer)
{
    for (unsigned i = 0; i < s->n_actors; i++)
        if (&s->actors[i].peer == peer)
            return s->actors[i].name;
    return "?";
}

/* All elements of a node are the same here. */
static void tell_sums(struct stage *s, const char *who, const struct pull *pull)
{
    tell(s, who, "<-", "round %" PRIu64 ", %s:", pull->number,
         pull->state == ROUND_CLOSED ? "closed" : "still open");
    for (size_t i = 0; i < pull->n_nodes; i++) {
        struct gradient g;
        float f = 0;
        int32_t n = 0;
        pull_gradient(pull, i, &g);
        if (g.data != NULL) {
            memcpy(&f, g.data, sizeof f);
            memcpy(&n, g.data, sizeof n);
        }
        fprintf(s->out, "                                 %s = %g, contributions: %" PRIu32 "\n",
                g.node->name, g.node->dtype == DTYPE_I32 ? (double)n : (double)f, g.contributions);
    }
}

static void tell_reply(struct stage *s, const struct reply *reply)
{
    const char *who = name_of(s, reply->peer);
    if (reply->error.code != CODE_OK)
        tell(s, who, "<-", "%s: %s", code_name((int)reply->error.code), reply->error.message);
    else if (reply->request == REQUEST_PUSH)
        tell(s, who, "<-", "OK, %s in round %" PRIu64 "%s",
             reply->verdict == VERDICT_ACCEPTED ? "ACCEPTED" : "DUPLICATE", reply->round,
             reply->ignored > 0 ? ", a tensor of a frozen node ignored" : "");
    else if (reply->request == REQUEST_PULL)
        tell_sums(s, who, reply->pull);
    else
        tell(s, who, "<-", "OK");
}

void tell_action(struct stage *s, const struct action *action)
{
    switch (action->kind) {
    case ACTION_REPLY:
        tell_reply(s, action->reply);
        break;
    case ACTION_GRANT:
        if (action->granted->intake.push->body_bytes > 0)
            tell(s, name_of(s, action->granted), "<-", "granted: its body is read into staging");
        break;
    case ACTION_PERSIST:
        if (s->slow_disk)
            tell(s, "disk", "<-", "make worker %" PRIu32 "'s sequence %" PRIu64 " durable",
                 action->push->worker, action->push->sequence);
        break;
    case ACTION_FOLD:
        tell(s, "pool", "<-", "fold round %" PRIu64 "%s", action->task->batch->round->number,
             action->task->batch->purpose == BATCH_EARLY      ? " early: staging is needed"
             : action->task->batch->purpose == BATCH_COMPLETE ? ": nodes that are complete"
                                                              : ", which closes");
        break;
    case ACTION_ROUND_CLOSED:
        tell(s, "log", "<-", "round %" PRIu64 " is closed", action->round->number);
        break;
    }
}
