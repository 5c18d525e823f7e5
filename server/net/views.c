#include "net/views.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "core/pull.h"
#include "net/socket.h"

bool views_full(const struct views *v)
{
    return v->n == LIMIT_VIEWS;
}

/* -- Segments -- */

static bool knows(const struct views *v, uint64_t segment)
{
    for (size_t i = 0; i < v->n_known; i++)
        if (v->known[i] == segment)
            return true;
    return false;
}

/* Room for one more segment to know. */
static bool make_room(struct views *v)
{
    if (v->n_known < v->capacity)
        return true;
    size_t capacity = v->capacity == 0 ? 8 : 2 * v->capacity;
    uint64_t *known = realloc(v->known, capacity * sizeof *known);
    if (!known)
        return false;
    v->known = known;
    v->capacity = capacity;
    return true;
}

/* Brings those that do not exist any more to the front, and returns how many. */
static size_t sort_retired(struct views *v, const struct core *core)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_known; i++) {
        uint64_t segment = v->known[i];
        if (core_segment_exists(core, segment))
            continue;
        v->known[i] = v->known[n];
        v->known[n++] = segment;
    }
    return n;
}

static void forget(struct views *v, size_t n)
{
    if (n == 0)
        return;
    v->n_known -= n;
    memmove(v->known, v->known + n, v->n_known * sizeof *v->known);
}

/* -- Views -- */

bool views_show(struct views *v, const struct core *core, const struct segment *segment,
                struct showing *showing)
{
    if (!make_room(v))
        return false;
    *showing = (struct showing){.segment = segment, .fd = SOCKET_NO_FD, .retired = v->known};
    if (!knows(v, segment->id)) {
        /* One of our own: the segment may go before the answer has left. */
        showing->fd = fcntl(segment->fd, F_DUPFD_CLOEXEC, 0);
        if (showing->fd < 0)
            return false;
    }
    showing->n_retired = sort_retired(v, core);
    return true;
}

void views_cancel(const struct showing *showing)
{
    if (showing->fd != SOCKET_NO_FD)
        close(showing->fd);
}

void views_hold(struct views *v, const struct showing *showing, uint64_t id, struct pull *pull)
{
    must(!views_full(v));
    forget(v, showing->n_retired);
    if (showing->fd != SOCKET_NO_FD)
        v->known[v->n_known++] = showing->segment->id;
    v->held[v->n++] = (struct view){id, pull};
}

struct pull *views_end(struct views *v, uint64_t id)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->held[i].id != id)
            continue;
        struct pull *pull = v->held[i].pull;
        v->held[i] = v->held[--v->n];
        return pull;
    }
    return NULL;
}

struct pull *views_take(struct views *v)
{
    return v->n == 0 ? NULL : v->held[--v->n].pull;
}

void views_free(struct views *v)
{
    must(v->n == 0);
    free(v->known);
}
