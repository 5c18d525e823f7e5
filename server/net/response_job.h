/* Jobs and rounds as messages of the wire. */
#pragma once

#include "base/arena.h"
#include "core/round.h"
#include "gradfold.pb-c.h"

/* Both give NULL when the arena is exhausted; the message borrows from the arena and the core. */

Gradfold__V1__RoundStatus *response_round(struct arena *arena, const struct round *round,
                                          uint64_t now_ms);

/* Defaults filled in; the spec's nodes only when asked for. */
Gradfold__V1__JobStatus *response_job(struct arena *arena, const struct job *job, bool with_nodes,
                                      uint64_t now_ms);

/* protobuf-c's fields are not const, but packing only reads them. */
static inline char *unconst_text(const char *text)
{
    union {
        const char *from;
        char *to;
    } u = {text};
    return u.to;
}

static inline uint64_t *unconst_shape(const uint64_t *shape)
{
    union {
        const uint64_t *from;
        uint64_t *to;
    } u = {shape};
    return u.to;
}
