/* Replies as they leave: Response messages, built in an arena. */
#pragma once

#include "base/arena.h"
#include "core/core.h"
#include "gradfold.pb-c.h"
#include "net/net.h"

struct showing;

/* *response borrows from the arena, the reply, the core and showing, and is to be packed at once.
 * showing: an OK pull is answered with that segment; NULL: with a body, of *body_bytes. Errors of
 * the reply itself become a status.
 * CODE_RESOURCE_EXHAUSTED: the answer takes more than the arena may. */
MUST_USE enum code response_build(struct arena *arena, const struct core *core,
                                  const struct reply *reply, const struct showing *showing,
                                  Gradfold__V1__Response *response, uint64_t *body_bytes,
                                  struct error *error);

/* Room for the parts of a response that has no result of unbounded size. */
struct short_response {
    Gradfold__V1__Response response;
    Gradfold__V1__Status status;
    union {
        Gradfold__V1__HelloResult hello;
        Gradfold__V1__AddBufferResult add_buffer;
        Gradfold__V1__DropBufferResult drop_buffer;
        Gradfold__V1__EndViewResult end_view;
    };
};

/* A refusal; error is borrowed. */
void response_refuse(struct short_response *parts, uint64_t request_id, const struct error *error);

/* The answer to Hello, of a server with this configuration, which is borrowed. */
void response_hello(struct short_response *parts, uint64_t request_id,
                    const struct net_config *config);

/* OK, to AddBuffer, DropBuffer or EndView. */
void response_shared(struct short_response *parts, uint64_t request_id,
                     Gradfold__V1__Response__ResultCase which);
