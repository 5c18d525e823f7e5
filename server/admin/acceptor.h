/* A listening socket on the loop, and who may come in. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/error.h"
#include "base/must.h"

struct acceptor {
    int fd;
    uv_poll_t poll;
    uv_timer_t again; /* looks again, after descriptors ran out */
    bool wanted;      /* the owner takes connections now */
    bool paused;      /* no descriptors: waiting for the timer */
    void (*accepted)(struct acceptor *acceptor, int fd, const struct sockaddr *peer,
                     socklen_t length);
    void (*closed)(struct acceptor *acceptor);
    unsigned handles; /* not closed yet */
};

/* Binds and listens. *fd is set on success. */
MUST_USE enum code acceptor_open(const struct sockaddr *address, int *fd, struct error *error);

/* Takes the socket over, also in failure (a libuv error; nothing to close then). `accepted` takes
 * over each connection's descriptor, non-blocking and close-on-exec. */
MUST_USE int acceptor_start(struct acceptor *acceptor, uv_loop_t *loop, int fd);

/* Accepts, or leaves whoever comes in the backlog. */
void acceptor_want(struct acceptor *acceptor, bool wanted);

/* closed() is called from the loop; the memory is the owner's again then. */
void acceptor_close(struct acceptor *acceptor);
