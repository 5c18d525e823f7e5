/* The buffers that a connection has registered: memory of its client, mapped to be read. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/must.h"
#include "core/limits.h"

struct mapping;

/* What all connections of a server may register together, and what they have: counted from any
 * thread. */
struct buffer_budget {
    uint64_t bytes_max;
    atomic_uint_fast64_t bytes;
};

struct buffer {
    uint64_t number; /* the client's choice, 1 … */
    struct mapping *mapping;
};

/* Zeroed: there are none. */
struct buffers {
    struct buffer *list; /* ascending */
    size_t n;
    size_t capacity;
};

/* May a buffer of that number and size be added? Takes its bytes from the budget, and room for it.
 * CODE_INVALID_ARGUMENT: the number is 0 or in use; CODE_RESOURCE_EXHAUSTED: a limit is reached, or
 * there is no memory. */
MUST_USE enum code buffers_reserve(struct buffers *buffers, struct buffer_budget *budget,
                                   uint64_t number, uint64_t bytes, struct error *error);

/* The reservation is not used. */
void buffers_cancel(struct buffer_budget *budget, uint64_t bytes);

/* What was reserved; takes the reference over. */
void buffers_add(struct buffers *buffers, uint64_t number, struct mapping *mapping);

/* Borrowed; NULL: there is none. */
struct mapping *buffers_find(const struct buffers *buffers, uint64_t number);

/* False: there is none. */
MUST_USE bool buffers_drop(struct buffers *buffers, struct buffer_budget *budget, uint64_t number);

/* Drops all. */
void buffers_free(struct buffers *buffers, struct buffer_budget *budget);
