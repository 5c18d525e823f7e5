/* The short way for what there is most of, small pushes and their verdicts: read and written by
 * hand, as every encoder writes them. Whatever is unusual takes the ordinary way, through
 * protobuf-c, which decides what it means. */
#pragma once

#include "net/request.h"

/* The header is that of a push without places, its fields in their order, each once: fills *request
 * as header_unpack_request() and request_translate() would. False: it may be anything else, and the
 * arena may have been used. */
MUST_USE bool quick_push(struct arena *arena, const uint8_t *header, size_t n, uint64_t body_bytes,
                         struct request *request);

enum {
    QUICK_VERDICT_BYTES = 64
};

/* The header of the response to an accepted or repeated push, as response_build() and protobuf-c
 * would make it. Returns its length. */
size_t quick_verdict(const struct reply *reply, uint8_t header[static QUICK_VERDICT_BYTES]);
