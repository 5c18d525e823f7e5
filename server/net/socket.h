/* A connected stream socket in a loop, TCP or Unix: bytes in and out, and on a Unix socket
 * descriptors, which libuv's own streams cannot receive.
 *
 * Nothing here buffers. Reading and writing happen when the owner wants them, which saves libuv's
 * turn of the loop for each write that is over at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/must.h"

enum socket_family {
    SOCKET_TCP,
    SOCKET_UNIX
};

struct socket {
    uv_poll_t poll; /* its data is the owner's, until the close callback */
    int fd;         /* -1: closed */
    enum socket_family family;
    int wanted; /* UV_READABLE, UV_WRITABLE */
    int polled; /* what the loop waits for: at least what is wanted */
    /* From the loop: the socket may be read, or written to, and its owner wants that. */
    void (*ready)(struct socket *socket, bool readable, bool writable);
};

/* Takes fd over, which is non-blocking already; also when it fails. 0, or libuv's error. Nothing is
 * waited for yet. */
MUST_USE int socket_open(struct socket *socket, uv_loop_t *loop, int fd, enum socket_family family,
                         void (*ready)(struct socket *socket, bool readable, bool writable));

/* What to wait for from now on. 0, or libuv's error. */
MUST_USE int socket_want(struct socket *socket, bool readable, bool writable);

/* Up to n bytes (1 …). How many came; 0: the peer has shut its side; else a negative errno, -EAGAIN
 * when there is nothing now. Descriptors that come along are closed. */
ssize_t socket_read(struct socket *socket, void *to, size_t n);

enum {
    SOCKET_NO_FD = -1,
    SOCKET_FD_LOST = -2, /* one came, but this process may not have any more */
};

/* The same; *fd is the descriptor that came along (the first of several; the caller's to close),
 * SOCKET_NO_FD, or SOCKET_FD_LOST. */
ssize_t socket_read_fd(struct socket *socket, void *to, size_t n, int *fd);

/* Writes what it can, n runs (1 …). fd goes along with the first byte (SOCKET_NO_FD: none), and
 * stays the caller's. How many bytes left; else a negative errno, -EAGAIN when none can now. */
ssize_t socket_write(struct socket *socket, struct iovec *runs, size_t n, int fd);

/* The descriptor is closed at once, `closed` is called later. */
void socket_close(struct socket *socket, uv_close_cb closed);
