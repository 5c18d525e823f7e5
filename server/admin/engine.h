/* libmicrohttpd, run by a libuv loop. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#include "admin/world.h"
#include "base/list.h"

struct engine {
    struct world *world; /* borrowed */
    struct MHD_Daemon *daemon;
    uv_poll_t events;        /* the daemon's epoll descriptor */
    uv_timer_t due;          /* what the daemon wants to do later */
    uv_timer_t overdue;      /* the earliest deadline of a connection */
    struct list connections; /* by deadline */
    unsigned answering;      /* requests that are not answered to the end */
    unsigned handles;        /* not closed yet */
    bool closing;
    /* Called from the loop. */
    void (*changed)(struct engine *engine); /* connections or answers came or went */
    void (*closed)(struct engine *engine);
};

/* changed and closed must be set. Returns a libuv error, or UV_ENOMEM when the daemon does not
 * start: nothing to close then. */
MUST_USE int engine_start(struct engine *engine, uv_loop_t *loop, struct world *world);

/* Takes the descriptor over. */
void engine_add(struct engine *engine, int fd, const struct sockaddr *peer, socklen_t length);

/* Ends all connections; closed() is called from the loop. */
void engine_close(struct engine *engine);
