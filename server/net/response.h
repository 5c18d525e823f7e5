/* Replies as they leave: Response messages, built in an arena. */
#pragma once

#include "base/arena.h"
#include "core/core.h"
#include "gradfold.pb-c.h"

/* *response borrows from the arena, the reply and the core, and is to be packed at once.
 * *body_bytes: of an OK pull's gradients. Errors of the reply itself become a status.
 * CODE_RESOURCE_EXHAUSTED: the answer takes more than the arena may. */
MUST_USE enum code response_build(struct arena *arena, const struct core *core,
                                  const struct reply *reply, Gradfold__V1__Response *response,
                                  uint64_t *body_bytes, struct error *error);

/* Room for the parts of a response that has no result of unbounded size. */
struct short_response {
    Gradfold__V1__Response response;
    Gradfold__V1__Status status;
    Gradfold__V1__HelloResult hello;
};

/* A refusal; error is borrowed. */
void response_refuse(struct short_response *parts, uint64_t request_id, const struct error *error);

/* The answer to Hello; version is borrowed. */
void response_hello(struct short_response *parts, uint64_t request_id, const char *version,
                    uint64_t max_header_bytes, uint64_t max_body_bytes);
