/* The frame codec: finds the frames in a stream of bytes. No I/O, no protobuf (README.md has the
 * bytes).
 *
 * The reader consumes prefixes and headers; bodies are the caller's, who puts them where they
 * belong. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/must.h"

enum {
    FRAME_PREFIX_BYTES = 16
};

struct frame_limits {
    uint32_t header_bytes_max;
    uint64_t body_bytes_max;
};

struct frame_prefix {
    uint32_t header_bytes; /* 1 … header_bytes_max */
    uint64_t body_bytes;   /* 0 … body_bytes_max */
};

/*@ logic integer le32{L}(uint8_t *b) =
  @     b[0] + 0x100 * b[1] + 0x10000 * b[2] + 0x1000000 * b[3];
  @ logic integer le64{L}(uint8_t *b) = le32(b) + 0x100000000 * le32(b + 4);
  @ predicate has_magic{L}(uint8_t *b) =
  @     b[0] == 'G' && b[1] == 'F' && b[2] == 'D' && b[3] == '1'; */

/* CODE_MALFORMED: wrong magic or empty header; CODE_TOO_LARGE: a length beyond its limit. */
/*@ requires \valid_read(bytes + (0 .. FRAME_PREFIX_BYTES - 1));
  @ requires \valid_read(limits) && \valid(prefix) && \valid(error);
  @ requires \separated(bytes + (0 .. FRAME_PREFIX_BYTES - 1), prefix, error, limits);
  @ assigns prefix->header_bytes, prefix->body_bytes, *error;
  @ ensures \result == CODE_OK ==> has_magic(bytes) &&
  @     1 <= prefix->header_bytes == le32(bytes + 4) <= limits->header_bytes_max &&
  @     prefix->body_bytes == le64(bytes + 8) <= limits->body_bytes_max;
  @ ensures \result != CODE_OK ==> error->code == \result;
  @ behavior good:
  @   assumes has_magic(bytes);
  @   assumes 1 <= le32(bytes + 4) <= limits->header_bytes_max;
  @   assumes le64(bytes + 8) <= limits->body_bytes_max;
  @   ensures \result == CODE_OK;
  @ behavior malformed:
  @   assumes !has_magic(bytes) || le32(bytes + 4) == 0;
  @   ensures \result == CODE_MALFORMED && *prefix == \old(*prefix);
  @ behavior too_large:
  @   assumes has_magic(bytes) && le32(bytes + 4) > 0;
  @   assumes le32(bytes + 4) > limits->header_bytes_max ||
  @           le64(bytes + 8) > limits->body_bytes_max;
  @   ensures \result == CODE_TOO_LARGE && *prefix == \old(*prefix);
  @ complete behaviors;
  @ disjoint behaviors; */
MUST_USE enum code frame_prefix_decode(const uint8_t bytes[static FRAME_PREFIX_BYTES],
                                       const struct frame_limits *limits,
                                       struct frame_prefix *prefix, struct error *error);

/*@ requires \valid(bytes + (0 .. FRAME_PREFIX_BYTES - 1));
  @ assigns bytes[0 .. FRAME_PREFIX_BYTES - 1];
  @ ensures has_magic(bytes);
  @ ensures le32(bytes + 4) == header_bytes;
  @ ensures le64(bytes + 8) == body_bytes; */
void frame_prefix_encode(uint8_t bytes[static FRAME_PREFIX_BYTES], uint32_t header_bytes,
                         uint64_t body_bytes);

enum frame_event {
    FRAME_MORE,   /* all input is consumed, the header is not complete */
    FRAME_HEADER, /* reader.header is complete; the next prefix.body_bytes of the stream are the
                     body */
    FRAME_ERROR,  /* the stream cannot be followed any further; the reader stays in this state */
};

struct frame_reader {
    struct frame_limits limits;
    struct frame_prefix prefix; /* of the frame at hand, once its 16 bytes are there */
    const uint8_t
        *header; /* with FRAME_HEADER: valid until the next call, maybe within its input */
    /* private */
    uint8_t prefix_bytes[FRAME_PREFIX_BYTES];
    uint8_t *partial; /* a header that came in pieces */
    size_t partial_capacity;
    size_t have; /* bytes of prefix + header so far */
    enum code broken;
};

/*@ predicate frame_room{L}(struct frame_reader *r) =
  @     r->partial_capacity > 0 ==> \valid(r->partial + (0 .. r->partial_capacity - 1));
  @ predicate frame_progress{L}(struct frame_reader *r) =
  @     r->have < FRAME_PREFIX_BYTES ||
  @     (1 <= r->prefix.header_bytes <= r->limits.header_bytes_max &&
  @      r->prefix.body_bytes <= r->limits.body_bytes_max &&
  @      r->have - FRAME_PREFIX_BYTES < r->prefix.header_bytes &&
  @      r->have - FRAME_PREFIX_BYTES <= r->partial_capacity);
  @ predicate frame_reader_ok{L}(struct frame_reader *r) =
  @     \valid(r) && frame_room(r) && (r->broken == CODE_OK ==> frame_progress(r)); */

void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits);
void frame_reader_free(struct frame_reader *reader);

/* Consumes up to n bytes of prefix and header; *used says how many. Stops behind a complete header:
 * the body is the caller's to take, then the next call begins a new frame. Nothing is allocated
 * when a header arrives in one piece. CODE_RESOURCE_EXHAUSTED in error when there is no memory for
 * a partial one. */
/*@ requires frame_reader_ok(reader);
  @ requires n > 0 ==> \valid_read(bytes + (0 .. n - 1));
  @ requires \valid(used) && \valid(error) && \separated(reader, used, error);
  @ requires \separated(reader, bytes + (0 .. n - 1)) &&
  @          \separated(used, bytes + (0 .. n - 1)) && \separated(error, bytes + (0 .. n - 1));
  @ ensures frame_reader_ok(reader);
  @ ensures 0 <= *used <= n;
  @ ensures \result == FRAME_MORE ==> *used == n;
  @ ensures \result == FRAME_HEADER ==>
  @     1 <= reader->prefix.header_bytes <= reader->limits.header_bytes_max &&
  @     reader->prefix.body_bytes <= reader->limits.body_bytes_max &&
  @     \valid_read(reader->header + (0 .. reader->prefix.header_bytes - 1));
  @ ensures \result == FRAME_ERROR ==> reader->broken != CODE_OK && error->code != CODE_OK;
  @ ensures \old(reader->broken) != CODE_OK ==> \result == FRAME_ERROR; */
MUST_USE enum frame_event frame_reader_feed(struct frame_reader *reader, const uint8_t *bytes,
                                            size_t n, size_t *used, struct error *error);

/* In the middle of a prefix or header? */
int frame_reader_in_frame(const struct frame_reader *reader);
