/* What a connection has to say: an outgoing queue of response headers and pull bodies.
 *
 * Small replies are collected and leave in one write; a body is written straight from the results,
 * in pieces, one in each turn of the loop, so that a big pull does not keep others waiting. */
#pragma once

#include "base/counter.h"
#include "base/list.h"
#include "base/must.h"
#include "gradfold.pb-c.h"
#include "net/socket.h"

struct pull;

struct sender {
    struct socket *socket;
    struct list queue; /* struct parcel: not wholly written */
    uint64_t bytes;    /* of their headers */
    unsigned pulls;    /* that are not given back */
    struct counter *bytes_out;
    bool blocked;      /* until the socket may be written to */
    uint64_t moved_ms; /* when something was written last, or the queue was empty */
    /* The pull is not read from any more. Not called from within sender_add(). */
    void (*give_back)(struct sender *sender, struct pull *pull);
};

/* socket, bytes_out: borrowed as long as the sender. */
void sender_init(struct sender *sender, struct socket *socket, struct counter *bytes_out);

/* Queues a frame. The response is packed at once; pull (NULL: there is no body) is lent until
 * give_back. fd goes along with the frame's first byte, and is closed then (SOCKET_NO_FD: none).
 * False, with nothing queued and fd still the caller's: the header exceeds
 * LIMIT_RESPONSE_HEADER_BYTES, or there is no memory; *too_large tells one from the other. */
MUST_USE bool sender_add(struct sender *sender, const Gradfold__V1__Response *response,
                         struct pull *pull, uint64_t body_bytes, int fd, bool *too_large);

/* Queues a frame whose header, of n bytes, is packed already. False, with nothing queued: there is
 * no memory. */
MUST_USE bool sender_add_packed(struct sender *sender, const uint8_t *header, size_t n);

/* As sender_add(), for the sender of another loop: packs the frame into the last parcel of the
 * list, or a new one. Returns the bytes that it added there; 0 for false. */
MUST_USE size_t sender_pack(struct list *parcels, const Gradfold__V1__Response *response,
                            struct pull *pull, uint64_t body_bytes, int fd, bool *too_large);

/* Queues parcels; the list is empty afterwards. */
void sender_put(struct sender *sender, struct list *parcels);

/* Writes a piece, unless the socket takes nothing: what is queued then leaves when it does. 0, or a
 * negative errno. */
MUST_USE int sender_flush(struct sender *sender);

/* The socket may be written to. */
void sender_unblock(struct sender *sender);

/* Everything is written. */
bool sender_idle(const struct sender *sender);

/* So much is unsent that no request should be read; and so little that they may be again. */
bool sender_full(const struct sender *sender);
bool sender_drained(const struct sender *sender);

/* Has nothing left for idle_ms, though there is something to say? */
bool sender_stalled(const struct sender *sender, uint64_t now_ms, uint64_t idle_ms);

/* The socket is closed: forgets everything, gives all pulls back. */
void sender_drop(struct sender *sender);
