/* A listening socket.
 *
 * It is polled and accepted from by hand: when descriptors run out, the poll pauses and the peers
 * wait in the backlog, where libuv's own listener would close their connections, or spin. */
#pragma once

#include "net/state.h"

struct listener {
    struct list link; /* net.listeners */
    struct net *net;
    uv_poll_t poll;
    int fd;
    bool paused;
    bool closing;
};

/* Appends itself to net.listeners. */
MUST_USE enum code listener_new(struct net *net, const struct sockaddr *address,
                                struct error *error);

/* Takes up accepting again after a pause. */
void listener_resume(struct listener *listener);

/* Freed in the close callback. Harmless the second time. */
void listener_close(struct listener *listener);
