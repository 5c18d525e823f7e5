/* A bounded bump allocator: many small objects that live and die together.
 *
 * Allocation is a pointer increment, freeing is one call for all of it, and the bound turns a
 * hostile input into a NULL instead of an exhausted machine. */
#pragma once

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    unsigned char *at;
    unsigned char *end;
    size_t used;  /* bytes of all chunks */
    size_t limit; /* which never exceed this */
};

/* No allocation yet. limit: bytes that all chunks together may take. */
void arena_init(struct arena *arena, size_t limit);

/* size bytes aligned for any type, not zeroed; NULL when the limit or the memory is exhausted. size
 * 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* Forgets all objects; keeps one chunk of ordinary size, so that a steady state allocates nothing.
 */
void arena_reset(struct arena *arena);

/* Gives everything back. */
void arena_free(struct arena *arena);
