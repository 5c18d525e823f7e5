/* Headers: protobuf messages unpacked into a bounded arena.
 *
 * protobuf-c allocates field by field without a bound; here every allocation is a pointer increment
 * in the caller's arena, and what exceeds the arena's limit fails cleanly, so that a hostile header
 * costs bounded memory and time. The message dies with the arena (arena_reset); it is never freed
 * by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/must.h"
#include "gradfold.pb-c.h"

/* CODE_MALFORMED: no such message; CODE_RESOURCE_EXHAUSTED: a valid beginning that needs more than
 * the arena may take. *request is set on success only and lives in the arena alone. */
MUST_USE enum code header_unpack_request(struct arena *arena, const uint8_t *bytes, size_t n,
                                         Gradfold__V1__Request **request, struct error *error);
MUST_USE enum code header_unpack_response(struct arena *arena, const uint8_t *bytes, size_t n,
                                          Gradfold__V1__Response **response, struct error *error);

/* The id in a request's header, 0 without one; also of a header that is too large to unpack. */
uint64_t header_request_id(const uint8_t *bytes, size_t n);

/* Is every string of the request's header UTF-8 without a NUL? The unpacked message cannot tell:
 * its strings end at the first NUL. */
MUST_USE bool header_request_strings_ok(const uint8_t *bytes, size_t n);
