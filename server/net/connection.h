/* One connection: requests in, responses out. The machine is in connection.c, what a complete
 * header leads to in dispatch.c, its socket in stream.c. */
#pragma once

#include "core/core.h"
#include "net/sender.h"
#include "net/sharing.h"
#include "net/state.h"
#include "proto/frame.h"

enum connection_state {
    CONNECTION_HEADER,  /* between frames, or in a prefix or header */
    CONNECTION_WAIT,    /* a push waits for staging: nothing is read */
    CONNECTION_BODY,    /* a body goes into its staging */
    CONNECTION_WORK,    /* the thread pool copies the body: nothing is read */
    CONNECTION_DRAIN,   /* a body is dropped */
    CONNECTION_FLUSH,   /* the peer will send no more: what is decided leaves, then the end */
    CONNECTION_GOODBYE, /* we will read no more: last words leave, their arrival is waited for */
    CONNECTION_CLOSED,
};

/* Bytes that were read and not looked at yet. */
struct input {
    const unsigned char *at; /* in net.shared, or in `held` */
    size_t n;
    unsigned char *held; /* owned copy of what had to wait */
};

struct connection {
    struct peer peer; /* the core's */
    struct net *net;
    struct list link;         /* net.connections, or net.arrivals before */
    struct list dirty;        /* net.dirty */
    enum intake_state intake; /* of the peer, as far as we have been told; */
    bool committed;           /* and whether pushes of it wait for their verdict */
    struct list mailed;       /* net.mailed: other loops have … */
    struct list mail;         /* … parcels to be sent, … */
    bool mail_broken;         /* … or could not make one, for want of memory */
    struct socket socket;
    char name[NET_NAME_MAX]; /* of the other end, for the log */
    enum connection_state state;
    struct frame_reader reader;
    uint64_t body_left; /* of the frame at hand, not taken from the stream yet */
    struct input input;
    struct sender sender;
    struct sharing *sharing; /* NULL on TCP */
    uint64_t received;       /* bytes of the stream so far … */
    uint64_t frame_at;       /* … of which this one began the frame at hand */
    uint64_t read_ms;        /* when bytes came last, or reading began again */
    uint64_t turn;           /* of the loop, in which … */
    size_t turn_bytes;       /* … so much was read */
    uint64_t goodbye_ms;     /* the latest end of GOODBYE; 0: the last words have not left yet */
    bool rejected;           /* beyond the limit: the core never hears of it */
    bool lost;               /* the core knows no more of it … */
    bool losing;             /* … or will not, when the work for it is over */
    bool gone;               /* its socket's handle is closed */
    bool reading;
    bool throttled; /* replies pile up: no request is read */
    bool shut;      /* our side of the stream is shut, and */
    bool eof;       /* theirs is */
    bool broken;    /* cannot go on: to be closed by the next tick */
};

/* -- stream.c -- */

/* Takes fd over, which is non-blocking. May be called for the net of another loop, nothing of which
 * is touched but a counter. NULL: there is no memory, and fd is closed. */
MUST_USE struct connection *connection_new(struct net *net, int fd, enum socket_family family,
                                           bool rejected);

/* Begins to serve it, in its loop. From here on the connection owns itself, and is freed when it is
 * closed. False, and it is gone already: the system refuses. */
bool connection_open(struct connection *connection);

/* Reads or does not, as the state wants it; writes when there is something to say. */
void connection_set_reading(struct connection *connection, bool wanted);

/* Shuts our side, once; from then on the other side has GOODBYE_MS. */
void connection_shut(struct connection *connection);

/* Closes the socket and frees, later. */
void connection_free_later(struct connection *connection);

/* Frees, unless the socket's handle or work on the pool is still to come back. */
void connection_maybe_free(struct connection *connection);

/* -- connection.c -- */

/* Sets the name. */
void connection_name(struct connection *connection);

/* There is news of its intake: whoever calls holds the core's mutex. */
void connection_look(struct connection *connection);

/* To be ticked before the loop polls again. */
void connection_set_dirty(struct connection *connection);

/* Goes on as far as it can; may close the connection. */
void connection_tick(struct connection *connection);

/* The only way from state to state; the move must be in the table. */
void connection_move(struct connection *connection, enum connection_state to);

/* What holds after each tick. */
void connection_check(const struct connection *connection);

/* -- ending.c -- */

/* The peer has shut its side, or the socket failed. Ticks. */
void connection_ended(struct connection *connection, bool failed);

/* To GOODBYE: what was queued leaves, the core forgets the peer. A tick is due. */
void connection_say_goodbye(struct connection *connection);

/* Answers with id 0 and says goodbye. Ticks. */
void connection_reject(struct connection *connection, const struct error *error);

/* The server ends: no more requests; at once when nothing is going on. Ticks. */
void connection_farewell(struct connection *connection);

/* To CLOSED, at once. Harmless the second time. */
void connection_close(struct connection *connection);

/* The pool's work for it is over. */
void connection_worked(struct connection *connection);

/* Time passed. */
void connection_sweep(struct connection *connection, uint64_t now_ms);

/* -- dispatch.c -- */

/* A header is complete; body_left is set. */
void dispatch(struct connection *connection, const uint8_t *header, size_t n);

/* The core's answer, packed while the core's mutex is held; here: in the connection's own loop, and
 * otherwise as mail. False: the reply has a pull, which cannot be sent. */
MUST_USE bool dispatch_reply(struct connection *connection, const struct reply *reply, bool here);

/* Net's own answer. */
void dispatch_refuse(struct connection *connection, uint64_t request_id, const struct error *error);
void dispatch_answer(struct connection *connection, const Gradfold__V1__Response *response);
