/* The connection to the server: made when there is something to send, greeted, lost, made again.
 *
 *     NONE ──► RESOLVING ──► CONNECTING ──► GREETING ──► READY
 *      ▲           │              │             │          │
 *      │           ▼              ▼             ▼          │
 *      │◄─────── PAUSING ◄────────┴─────────────┘          │
 *      └───────────────────────────────────────────────────┘  lost
 *
 * A Unix socket is connected at once: NONE ──► GREETING. A server that is reached over TCP, is on
 * this host and names a Unix socket is greeted there once more, with the TCP connection in reserve:
 * whatever goes wrong with that, TCP goes on as if nothing had been tried.
 *
 * What was not answered when a connection was lost is sent again on the next one.
 *
 * A connection that answered nothing but its greeting counts as a failure, so that a request that
 * makes the server hang up does not come back without a pause.
 *
 * All of it happens under the client's lock, and by whoever drives. */
#pragma once

#include <netdb.h>
#include <poll.h>

#include "base/arena.h"
#include "client/backoff.h"
#include "client/request.h"
#include "client/resolve.h"
#include "client/segment.h"
#include "proto/frame.h"

enum {
    RECEIVE_BYTES = 32 * 1024
};

enum connection_state {
    CONNECTION_NONE,
    CONNECTION_RESOLVING,
    CONNECTION_CONNECTING,
    CONNECTION_GREETING,
    CONNECTION_READY,
    CONNECTION_PAUSING,
};

/* What is being received behind a header. */
struct incoming {
    uint64_t left;           /* bytes of the body still to come */
    struct request *request; /* whose `into` takes them; NULL: they are dropped */
    struct cursor at;
};

struct connection {
    enum connection_state state;
    int fd;
    int tcp_fd;                 /* in reserve, while its Unix socket is greeted; -1: none */
    uint64_t instance;          /* of the server behind it */
    bool shared;                /* buffers and views work */
    bool give_up;               /* asked for by who does not drive */
    bool send_blocked;          /* the socket takes no more for now */
    const struct request *held; /* is not sent before others are answered; NULL: who knows */
    uint64_t timer_ms;          /* a pause or an attempt ends; NEVER: neither */
    uint64_t hold_ms;           /* the server is stopping: nothing new is sent until then; 0: no */
    struct backoff backoff;

    struct resolve *resolve;
    struct addrinfo *addresses;
    struct addrinfo *at;

    struct request *greeting; /* in none of the client's lists; NULL outside GREETING */
    bool proven;              /* it has answered more than the greeting */

    struct frame_reader reader;
    struct arena arena;
    uint8_t *in; /* RECEIVE_BYTES */
    size_t in_at;
    size_t in_end;
    struct incoming incoming;
    struct segments segments;
    gf_view *shown; /* by the answer at hand, until somebody takes it */

    gf_error trouble; /* why there was no connection last, until one is proven; GF_OK: none */
};

/* false without memory. */
bool connection_init(gf_client *client, const gf_options *options);
void connection_free(gf_client *client);

/* Does what time asks for: begins, tries again, gives up an attempt. */
void connection_tick(gf_client *client, uint64_t now_ms);

/* What to poll for; fd -1: nothing. */
struct pollfd connection_interest(const gf_client *client);

/* poll() said revents about it. */
void connection_event(gf_client *client, short revents);

/* When connection_tick() is due; NEVER. */
uint64_t connection_timer_ms(const gf_client *client);

/* There is no connection any more, for the reason in outcome. Requests go back to the queue. */
void connection_lost(gf_client *client, const gf_error *reason);

/* The same at our own wish: the next one is made without a pause. */
void connection_drop(gf_client *client);

/* The server greeted back. */
void connection_greeted(gf_client *client);

/* A reply came: the server is alive and well. */
void connection_proved(gf_client *client);

/* The server said that it is stopping: nothing new is sent for a while. */
void connection_hold(gf_client *client);
