/* A request off the wire, as the core's event. */
#pragma once

#include "base/arena.h"
#include "core/core.h"
#include "gradfold.pb-c.h"
#include "net/buffers.h"

struct request {
    struct event event; /* points into this structure; peer is the caller's to set */
    union {
        struct job_spec spec;
        struct push_offer push;
        struct pull_offer pull;
        struct close_offer close;
    };
};

/* Fills *request, which must stay where it is, from a message with an op other than Hello. It
 * borrows from the message, the arena and the buffers (NULL: the connection cannot share memory).
 * Absent strings are "", absent numbers and enums 0 unless
 * the schema gives them a default, and enums go through as they are: what they must be is the
 * core's to say.
 * CODE_INVALID_ARGUMENT: no op that this server knows, or a push of which only some tensors lie in
 * buffers; CODE_RESOURCE_EXHAUSTED: the arena is. */
MUST_USE enum code request_translate(struct arena *arena, const Gradfold__V1__Request *message,
                                     uint64_t body_bytes, const struct buffers *buffers,
                                     struct request *request, struct error *error);
