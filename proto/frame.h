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

/* CODE_MALFORMED: wrong magic or empty header; CODE_TOO_LARGE: a length beyond its limit. */
MUST_USE enum code frame_prefix_decode(const uint8_t bytes[static FRAME_PREFIX_BYTES],
                                       const struct frame_limits *limits,
                                       struct frame_prefix *prefix, struct error *error);

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

void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits);
void frame_reader_free(struct frame_reader *reader);

/* Consumes up to n bytes of prefix and header; *used says how many. Stops behind a complete header:
 * the body is the caller's to take, then the next call begins a new frame. Nothing is allocated
 * when a header arrives in one piece. CODE_RESOURCE_EXHAUSTED in error when there is no memory for
 * a partial one. */
MUST_USE enum frame_event frame_reader_feed(struct frame_reader *reader, const uint8_t *bytes,
                                            size_t n, size_t *used, struct error *error);

/* In the middle of a prefix or header? */
int frame_reader_in_frame(const struct frame_reader *reader);
