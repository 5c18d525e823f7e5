/* The views that a connection holds, and the segments that its client knows. Used with the core's
 * mutex held: an answer may be prepared by another loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "core/limits.h"

struct core;
struct pull;
struct segment;

/* Zeroed: there are none. */
struct views {
    struct view {
        uint64_t id;       /* of the pull's request */
        struct pull *pull; /* lent by the core */
    } held[LIMIT_VIEWS];
    unsigned n;
    uint64_t *known; /* segments whose descriptor was sent */
    size_t n_known;
    size_t capacity;
};

/* There is no room for another one. */
bool views_full(const struct views *views);

/* How a pull is answered with a segment. */
struct showing {
    const struct segment *segment;
    int fd; /* goes along with the answer; SOCKET_NO_FD: the client has it */
    const uint64_t *retired;
    size_t n_retired;
};

/* Prepares it; *showing borrows from the views and the core. False: there is no memory or no
 * descriptor, and the answer had better have a body. */
MUST_USE bool views_show(struct views *views, const struct core *core,
                         const struct segment *segment, struct showing *showing);

/* The answer does not leave. */
void views_cancel(const struct showing *showing);

/* The answer is queued, and has taken showing->fd over: the client looks at the pull from now on,
 * which is known by its request's id. There must be room. */
void views_hold(struct views *views, const struct showing *showing, uint64_t id, struct pull *pull);

/* The client does so no more. NULL: it holds no such view. */
struct pull *views_end(struct views *views, uint64_t id);

/* One of those that are held, which then is not. NULL: there is none. */
struct pull *views_take(struct views *views);

/* None is held. */
void views_free(struct views *views);
