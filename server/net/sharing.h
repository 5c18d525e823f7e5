/* What a connection on a Unix socket shares with its client: descriptors that came along, buffers,
 * views, and the work that the thread pool does for it. */
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "gradfold.pb-c.h"
#include "net/buffers.h"
#include "net/socket.h"
#include "net/views.h"

struct connection;

/* A descriptor that came with bytes [begin, end) of the stream. */
struct passed {
    int fd; /* SOCKET_NO_FD: none; SOCKET_FD_LOST */
    uint64_t begin, end;
};

struct sharing {
    struct connection *connection;
    struct passed passed[2]; /* of the read that began the frame at hand, and of the last one */
    struct buffers buffers;
    struct views views; /* with the core's mutex held */
    /* A push is copied, on the thread pool. */
    uv_work_t work;
    bool working;
    atomic_bool cancelled;
};

/* NULL without memory. */
struct sharing *sharing_new(struct connection *connection);

/* No work is under way, no view is held. NULL is allowed. */
void sharing_free(struct sharing *sharing);

/* A descriptor, or SOCKET_FD_LOST, came with bytes [begin, end) of the stream. */
void sharing_passed(struct sharing *sharing, int fd, uint64_t begin, uint64_t end);

/* Descriptors that came before this byte, with which a frame may begin, belong to nobody: one could
 * be the other end of this very connection, which then would not end with its client. */
void sharing_forget(struct sharing *sharing, uint64_t next);

/* Answers AddBuffer, DropBuffer and EndView; not possible on a connection without sharing. */
void sharing_request(struct connection *connection, const Gradfold__V1__Request *message);

/* Copies the body of the push at hand to its staging, here or on the pool; work may be under way
 * then. */
void sharing_copy(struct sharing *sharing);

/* The work's result is not wanted any more: it ends soon. */
void sharing_cancel(struct sharing *sharing);

/* The client looks at nothing any more that could be given back: views are lost. */
void sharing_lose(struct sharing *sharing);
