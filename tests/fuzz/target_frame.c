/* The frame reader: the same frames, whatever pieces the stream comes in.
 *
 * Input: a seed for the pieces (1 byte), limits (1 byte), the stream. The stream is read three
 * times: by a reader of two dozen lines below, fed as a whole, and fed in pieces, each of which
 * is a heap block of its own size. All three must see the same headers, the same end and no byte
 * beyond. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/frame.h"

enum {
    FRAMES_MAX = 64
};

struct seen {
    size_t n;
    struct {
        uint64_t at; /* of the header's first byte in the stream */
        uint32_t header_bytes;
        uint64_t body_bytes;
    } frames[FRAMES_MAX];
    enum code end;
};

/* -- The plain reader -- */

static uint64_t number(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void see_plainly(struct span in, const struct frame_limits *limits, struct seen *seen)
{
    uint64_t at = 0;
    while (seen->n < FRAMES_MAX && at < in.n && in.n - at >= FRAME_PREFIX_BYTES) {
        const uint8_t *prefix = in.at + at;
        uint64_t header = number(prefix + 4, 4);
        uint64_t body = number(prefix + 8, 8);
        if (memcmp(prefix, "GFD1", 4) != 0 || header == 0)
            seen->end = CODE_MALFORMED;
        else if (header > limits->header_bytes_max || body > limits->body_bytes_max)
            seen->end = CODE_TOO_LARGE;
        at += FRAME_PREFIX_BYTES;
        if (seen->end != CODE_OK || header > in.n - at)
            return;
        seen->frames[seen->n].at = at;
        seen->frames[seen->n].header_bytes = (uint32_t)header;
        seen->frames[seen->n++].body_bytes = body;
        at = body > in.n - at - header ? in.n : at + header + body;
    }
}

/* -- The reader under test -- */

struct feeding {
    struct frame_reader reader;
    struct span stream;
    uint64_t at;   /* of the stream, so far */
    uint64_t body; /* bytes to pass over */
    struct seen *seen;
};

static void see_header(struct feeding *f)
{
    const struct frame_prefix *prefix = &f->reader.prefix;
    uint64_t at = f->at - prefix->header_bytes;
    must(f->seen->n < FRAMES_MAX);
    must(at + prefix->header_bytes <= f->stream.n);
    must(memcmp(f->reader.header, f->stream.at + at, prefix->header_bytes) == 0);
    must(!frame_reader_in_frame(&f->reader));
    f->seen->frames[f->seen->n].at = at;
    f->seen->frames[f->seen->n].header_bytes = prefix->header_bytes;
    f->seen->frames[f->seen->n++].body_bytes = prefix->body_bytes;
    f->body = prefix->body_bytes;
}

static void feed_piece(struct feeding *f, const uint8_t *piece, size_t n)
{
    while (n > 0 && f->seen->end == CODE_OK && f->seen->n < FRAMES_MAX) {
        struct error error = {.code = CODE_OK};
        size_t used = f->body < n ? (size_t)f->body : n;
        enum frame_event event = FRAME_MORE;
        if (f->body > 0) {
            f->body -= used;
        } else {
            event = frame_reader_feed(&f->reader, piece, n, &used, &error);
            must(used <= n && (event != FRAME_MORE || used == n));
        }
        f->at += used;
        piece += used;
        n -= used;
        if (event == FRAME_HEADER)
            see_header(f);
        if (event == FRAME_ERROR)
            f->seen->end = error.code;
    }
}

static void check_broken(struct feeding *f)
{
    static const uint8_t good[FRAME_PREFIX_BYTES + 1] = {'G', 'F', 'D', '1', 1};
    struct error error;
    size_t used = 1;
    must(frame_reader_feed(&f->reader, good, sizeof good, &used, &error) == FRAME_ERROR);
    must(used == 0 && error.code == f->seen->end);
}

static void feed(struct span stream, const struct frame_limits *limits, uint8_t seed,
                 struct seen *seen)
{
    struct feeding f = {.stream = stream, .seen = seen};
    struct noise noise = {seed};
    frame_reader_init(&f.reader, limits);
    for (struct span rest = stream; rest.n > 0;) {
        size_t longest = seed == 0 ? rest.n : (size_t)1 << (noise_next(&noise) % 8);
        struct span piece =
            input_take(&rest, seed == 0 ? rest.n : 1 + noise_next(&noise) % longest);
        uint8_t *bytes = input_copy(piece);
        feed_piece(&f, bytes, piece.n);
        free(bytes);
    }
    if (seen->end != CODE_OK)
        check_broken(&f);
    must(f.reader.partial_capacity <= 2 * stream.n + 4096);
    frame_reader_free(&f.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = {data, n};
    uint8_t seed = input_u8(&in);
    uint8_t size = input_u8(&in);
    struct frame_limits limits = {UINT32_C(1) << (size & 31), UINT64_C(1) << (size >> 2 & 63)};
    struct seen plain = {0};
    struct seen whole = {0};
    struct seen pieces = {0};
    see_plainly(in, &limits, &plain);
    feed(in, &limits, 0, &whole);
    feed(in, &limits, seed | 1, &pieces);
    must(memcmp(&plain, &whole, sizeof plain) == 0);
    must(memcmp(&plain, &pieces, sizeof plain) == 0);
    return 0;
}
