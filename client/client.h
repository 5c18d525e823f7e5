/* The handle, as its parts see it. One lock guards all of it; whoever drives (drive.h) lets go of
 * the lock for poll() and for the system calls that move bytes. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "client/address.h"
#include "client/connection.h"
#include "client/request.h"

struct gf_op {
    gf_client *client; /* not to be touched once it is complete: the handle may be closed */
    struct list link;  /* client.ops, while it is in flight */
    /* Set last of all: from then on the operation is its owner's alone, who needs no lock. */
    atomic_bool complete;
    struct request *push;
    struct request *pull;
    struct request *other; /* of blocking calls */
};

struct gf_client {
    struct address address;
    char text[300]; /* the address, as the caller wrote it */
    uint32_t call_timeout_ms;
    char *name;
    char *token;

    pthread_mutex_t lock;
    pthread_cond_t
        changed; /* something is done, the driver's place is free, or moving bytes ended */

    struct list ops;   /* in flight */
    struct list queue; /* to be sent, in the order of submission; only the first may be SENDING */
    struct list awaiting; /* sent, in that order */
    struct heap deadlines;
    _Atomic uint64_t last_id; /* so that a header can be made without the lock */
    uint64_t last_order;
    uint64_t finished; /* requests so far: has anything happened? */
    struct connection connection;
    gf_server_info server; /* as of the last greeting */

    bool no_shared_memory;
    struct list buffers; /* buffer.c */
    atomic_uint n_buffers;
    _Atomic uint64_t last_buffer;
    struct list views; /* view.c: those of a segment */
    struct zeros *zeros;

    /* Who drives: drive.c. */
    bool driving;
    bool news;          /* something is done that those who wait were not told yet */
    bool polling;       /* the driver sleeps in poll(): wake_fd wakes it */
    bool moving;        /* the driver moves bytes without the lock: requests must not be touched */
    unsigned waiters;   /* threads in drive_until() */
    unsigned prompt;    /* small pushes that were sent, whose answers come at once … */
    unsigned behind;    /* … and others that were submitted behind them, and wait to be sent */
    unsigned slow;      /* all else that is in flight */
    uint64_t active;    /* counts what threads do here: is anybody about? */
    unsigned onlookers; /* threads that wait for `moving` to end */
    int wake_fd;

    /* background.c */
    bool background_started;
    bool background_watches; /* it looks again soon, and need not be woken */
    bool background_stop;
    pthread_t background;
    pthread_cond_t background_wanted;
};

/* Is there anything to be sent or answered? */
bool client_busy(const gf_client *client);

/* A new operation with no requests; NULL without memory. */
struct gf_op *op_new(gf_client *client);

/* Puts its requests in flight. background: nobody is going to wait at once. */
gf_code op_submit(struct gf_op *op, bool background, gf_error *error);

/* All its parts are. Under the lock. */
bool op_done(const struct gf_op *op);

/* It is done: hands it to its owner. Whoever calls this does not touch it any more. */
void op_complete(struct gf_op *op);

/* Ends all operations; their owners still have to free them. Nobody drives. */
void ops_cancel_all(gf_client *client);
