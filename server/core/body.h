/* The body of a push while it arrives: where the next bytes go, and the two checks that are made on
 * each piece while it is still in the cache (checksum, non-finite values). Runs outside the core's
 * step, on any thread, on memory that was granted to this connection: one call at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intake;
struct XXH3_state_s;

struct body_check {
    uint64_t received; /* bytes that are in the staging */
    uint64_t scanned;  /* of these, looked at for non-finite values */
    uint32_t term;     /* the term at `scanned` */
    bool reject_non_finite;
    bool non_finite; /* found, at: */
    uint32_t bad_node;
    uint64_t bad_index;
    struct XXH3_state_s *hash; /* NULL: no checksum was given */
    size_t source;             /* of a push whose tensors lie elsewhere, the one at hand … */
    uint64_t copied;           /* … and how much of it was copied */
};

/* Where the next bytes belong: *room bytes at the returned address; NULL and 0 when the body is
 * complete. */
unsigned char *body_room(const struct intake *intake, uint64_t *room);

/* n more bytes (at most the room) have been put there: check them. */
void body_received(struct intake *intake, uint64_t n);

/* Of a push that was offered with places: copies and checks the next piece, a few hundred kilobytes
 * at most. False when the body is complete. */
bool body_copy(struct intake *intake);
