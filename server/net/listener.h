/* A listening socket.
 *
 * It is polled and accepted from by hand: when descriptors run out, the poll pauses and the peers
 * wait in the backlog, where libuv's own listener would close their connections, or spin. */
#pragma once

#include "net/state.h"
#include "net/unix_file.h"

struct listener {
    struct list link; /* net.listeners */
    struct net *net;
    uv_poll_t poll;
    int fd;
    struct unix_file file; /* of a Unix socket; its path is "" on TCP */
    bool paused;
    bool closing;
};

/* Both append themselves to net.listeners. */
MUST_USE enum code listener_new(struct net *net, const struct sockaddr *address,
                                struct error *error);
MUST_USE enum code listener_new_unix(struct net *net, const char *path, mode_t mode,
                                     struct error *error);

/* Takes up accepting again after a pause. */
void listener_resume(struct listener *listener);

/* Unlinks a Unix socket's file. Freed in the close callback. Harmless the second time. */
void listener_close(struct listener *listener);
