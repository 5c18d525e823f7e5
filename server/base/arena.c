#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum {
    ALIGN = 16,
    CHUNK_MIN = 8 * 1024,
    CHUNK_MAX = 1024 * 1024
};

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of the room behind this header */
    _Alignas(ALIGN) unsigned char room[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

static void use(struct arena *arena, struct arena_chunk *chunk)
{
    arena->at = chunk->room;
    arena->end = chunk->room + chunk->size;
}

/* A new chunk with room for size; each is twice as large as all before it, within bounds. */
static struct arena_chunk *grow(struct arena *arena, size_t size)
{
    size_t want = arena->used < CHUNK_MIN ? CHUNK_MIN : arena->used;
    if (want > CHUNK_MAX)
        want = CHUNK_MAX;
    if (want < size)
        want = size;
    size_t left = arena->limit - arena->used;
    if (want > left)
        want = left;
    if (want < size)
        return NULL;
    struct arena_chunk *chunk = malloc(sizeof *chunk + want);
    if (chunk == NULL)
        return NULL;
    chunk->older = arena->chunks;
    chunk->size = want;
    arena->chunks = chunk;
    arena->used += want;
    use(arena, chunk);
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        return NULL;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (size > (size_t)(arena->end - arena->at) && grow(arena, size) == NULL)
        return NULL;
    if (arena->chunks == NULL && grow(arena, ALIGN) == NULL)
        return NULL;
    void *p = arena->at;
    arena->at += size;
    return p;
}

static void free_older(struct arena *arena, struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        arena->used -= chunk->size;
        free(chunk);
        chunk = older;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *newest = arena->chunks;
    if (newest == NULL)
        return;
    if (newest->size > CHUNK_MAX) {
        arena_free(arena);
        return;
    }
    free_older(arena, newest->older);
    newest->older = NULL;
    use(arena, newest);
}

void arena_free(struct arena *arena)
{
    free_older(arena, arena->chunks);
    arena_init(arena, arena->limit);
}
