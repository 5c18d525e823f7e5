/* What the files of net share. */
#pragma once

#include "base/arena.h"
#include "net/net.h"
#include "proto/frame.h"

enum {
    READ_BYTES = 64 << 10, /* a read of headers, small bodies, and what is dropped */
    BODY_BYTES =
        1 << 20, /* a read into staging: it still fits a core's cache, to be checked there */
    TURN_BYTES = 1 << 20,   /* what a connection may read before the others have their turn … */
    REQUEST_COST = 1 << 10, /* … a request counting as so much more */
    GOODBYE_MS = 1000,      /* how long a peer may take to read our last words */
    REJECTS_MAX = 64,       /* connections beyond the limit that are told so at the same time */
};

struct net {
    struct net_config config;
    uv_loop_t *loop;
    struct frame_limits limits;
    struct list listeners;   /* struct listener.link */
    struct list connections; /* struct connection.link */
    struct list dirty;       /* struct connection.dirty: have news that was not looked at yet */
    unsigned next_net;       /* where to begin to look for the one with the fewest connections */
    unsigned rejects;        /* of the connections, those beyond the limit */
    unsigned handles;        /* whose close callback is still to come */
    uv_async_t bell;         /* there is mail, or the end */
    uv_prepare_t prepare;
    uv_timer_t sweep;
    uint64_t turn;         /* counts the loop's polls */
    struct arena requests; /* the request at hand */
    bool closing;
    bool finishing;
    uint64_t close_deadline_ms;

    /* Used with the mutex held, by other loops too. */
    struct arena replies;      /* the response being packed for a connection of ours */
    struct list mailed;        /* struct connection.mailed: have mail */
    struct list arrivals;      /* struct connection.link: to be opened */
    void (*closed)(void *ctx); /* NULL: may go on */
    void *closed_ctx;
    uint64_t farewell_ms;

    /* One for all connections: what is read is handled at once, or copied when it has to wait. */
    unsigned char shared[READ_BYTES];
};

/* To be called when a handle's close callback ran, after it was forgotten. */
void net_handle_closed(struct net *net);

/* Submits an event of this kind for the peer. */
void net_raise(struct net *net, enum event_kind kind, struct peer *peer);
