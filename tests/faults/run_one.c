#include "run_one.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    SHORT_MS = 40, /* a call's time under a fault that lasts */
    FDS_MAX = 128,
    LEAK_TRIALS = 3, /* what is kept once and for all does not grow again and again */
};

struct outstanding {
    long allocations;
    long mapped;
    int fds;
};

static struct outstanding outstanding(void)
{
    struct outstanding o = {plan_allocations(), plan_mapped_bytes(), 0};
    for (int fd = 0; fd < FDS_MAX; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            o.fds++;
    return o;
}

/* Threads that look up names end a little after their result was taken. */
static bool all_returned(const struct outstanding *before, struct outstanding *after)
{
    for (int i = 0; i < 50; i++) {
        *after = outstanding();
        if (after->allocations <= before->allocations && after->mapped <= before->mapped &&
            after->fds <= before->fds)
            return true;
        poll(NULL, 0, 2);
    }
    return false;
}

static unsigned act(const struct scenario *scenario, const struct injection *injection,
                    struct rig *rig)
{
    rig_init(rig);
    rig->strict = true;
    if (scenario->options != NULL)
        scenario->options(rig);
    if (!scenario->starts)
        rig_serve(rig);
    if (scenario->prepare != NULL)
        scenario->prepare(rig);
    rig->strict = injection->fault == NULL;
    rig->forever = injection->mode == MODE_FOREVER;
    if (rig->forever)
        rig->timeout_ms = SHORT_MS;
    plan_arm(injection->fault, injection->side, injection->n, injection->mode);
    plan_enter(SIDE_CLIENT);
    scenario->act(rig);
    plan_enter(SIDE_TEST);
    if (!rig->serving) {
        /* A server that stops has its last words under the fault, too. */
        rig_end(rig);
        plan_disarm();
    } else {
        plan_disarm();
        rig_audit(rig);
        rig_end(rig);
    }
    return plan_strikes();
}

unsigned run_one(const struct scenario *scenario, const struct injection *injection,
                 char failure[static 600])
{
    static struct rig rig;
    struct outstanding after;
    unsigned strikes = 0;
    failure[0] = '\0';
    for (int trial = 0; trial < LEAK_TRIALS; trial++) {
        plan_mark();
        const struct outstanding before = outstanding();
        strikes = act(scenario, injection, &rig);
        if (rig.failure[0] != '\0') {
            snprintf(failure, 600, "%s", rig.failure);
            return strikes;
        }
        if (all_returned(&before, &after))
            return strikes;
        int used = snprintf(failure, 600,
                            "leak: %ld allocations, %ld mapped bytes, %d descriptors; callers:",
                            after.allocations - before.allocations, after.mapped - before.mapped,
                            after.fds - before.fds);
        plan_outstanding(failure + used, 600 - (size_t)used);
        if (strikes == 0 && injection->fault != NULL)
            break;
    }
    return strikes;
}
