/* What a connection has to say: an outgoing queue of response headers and pull bodies.
 *
 * Small replies are collected and leave in one write; a body is written straight from the results,
 * in pieces, one in each turn of the loop, so that a big pull does not keep others waiting. */
#pragma once

#include <uv.h>

#include "base/list.h"
#include "base/must.h"
#include "gradfold.pb-c.h"

struct pull;

struct sender {
    uv_stream_t *stream;
    struct list queue;   /* struct parcel: not yet, or not wholly, in a write */
    struct list flying;  /* struct parcel: their last byte is in the write under way */
    uint64_t bytes;      /* of headers that are not written */
    unsigned pulls;      /* that are not given back */
    uint64_t *bytes_out; /* counted here */
    bool writing;
    uv_write_t write;
    uint64_t write_bytes; /* in the write under way */
    uint64_t unwritten;   /* of these, when progress was last seen … */
    uint64_t moved_ms;    /* … at this time of the loop */
    /* The pull is not read from any more. Not called from within sender_add(). */
    void (*give_back)(struct sender *sender, struct pull *pull);
    /* A write is over, maybe badly (status < 0); the owner flushes again. */
    void (*written)(struct sender *sender, int status);
};

/* stream, bytes_out: borrowed as long as the sender. */
void sender_init(struct sender *sender, uv_stream_t *stream, uint64_t *bytes_out);

/* Queues a frame. The response is packed at once; pull (NULL: there is no body) is lent until
 * give_back. False, with nothing queued: the header exceeds LIMIT_RESPONSE_HEADER_BYTES, or there
 * is no memory; *too_large tells one from the other. */
MUST_USE bool sender_add(struct sender *sender, const Gradfold__V1__Response *response,
                         struct pull *pull, uint64_t body_bytes, bool *too_large);

/* Starts a write unless one is under way or there is nothing to say. 0, or libuv's error. */
MUST_USE int sender_flush(struct sender *sender);

/* Everything is written. */
bool sender_idle(const struct sender *sender);

/* So much is unsent that no request should be read; and so little that they may be again. */
bool sender_full(const struct sender *sender);
bool sender_drained(const struct sender *sender);

/* Has a write been under way without any progress for idle_ms? */
bool sender_stalled(struct sender *sender, uint64_t now_ms, uint64_t idle_ms);

/* The stream is closed: forgets everything, gives all pulls back. */
void sender_drop(struct sender *sender);
