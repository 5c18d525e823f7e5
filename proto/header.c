#include "proto/header.h"

#include <stdbool.h>

/* What protobuf-c allocates from. Freeing does nothing; after the first refusal nothing is given
 * any more, so that a message that does not fit is abandoned instead of continued with smaller
 * fields. */
struct source {
    struct arena *arena;
    bool exhausted;
};

static void *source_alloc(void *data, size_t size)
{
    struct source *source = data;
    void *p = source->exhausted ? NULL : arena_alloc(source->arena, size);
    if (p == NULL)
        source->exhausted = true;
    return p;
}

static void source_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

static enum code failure(const struct source *source, size_t n, struct error *error)
{
    if (source->exhausted)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "a header of %zu bytes needs more than %zu bytes of memory", n,
                         source->arena->limit);
    return error_set(error, CODE_MALFORMED, "a header of %zu bytes is not a valid message", n);
}

enum code header_unpack_request(struct arena *arena, const uint8_t *bytes, size_t n,
                                Gradfold__V1__Request **request, struct error *error)
{
    struct source source = {.arena = arena};
    ProtobufCAllocator allocator = {source_alloc, source_free, &source};
    Gradfold__V1__Request *unpacked = gradfold__v1__request__unpack(&allocator, n, bytes);
    if (unpacked == NULL)
        return failure(&source, n, error);
    *request = unpacked;
    return CODE_OK;
}

enum code header_unpack_response(struct arena *arena, const uint8_t *bytes, size_t n,
                                 Gradfold__V1__Response **response, struct error *error)
{
    struct source source = {.arena = arena};
    ProtobufCAllocator allocator = {source_alloc, source_free, &source};
    Gradfold__V1__Response *unpacked = gradfold__v1__response__unpack(&allocator, n, bytes);
    if (unpacked == NULL)
        return failure(&source, n, error);
    *response = unpacked;
    return CODE_OK;
}
