#include "proto/frame.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTIAL_MIN = 4 * 1024,
    PARTIAL_KEPT_MAX = 64 * 1024
};

static const uint8_t magic[4] = {'G', 'F', 'D', '1'};

static uint64_t load(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static void store(uint8_t *bytes, size_t n, uint64_t value)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

enum code frame_prefix_decode(const uint8_t bytes[static FRAME_PREFIX_BYTES],
                              const struct frame_limits *limits, struct frame_prefix *prefix,
                              struct error *error)
{
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return error_set(error, CODE_MALFORMED,
                         "a frame begins with %02x %02x %02x %02x instead of GFD1", bytes[0],
                         bytes[1], bytes[2], bytes[3]);
    uint32_t header_bytes = (uint32_t)load(bytes + 4, 4);
    uint64_t body_bytes = load(bytes + 8, 8);
    if (header_bytes == 0)
        return error_set(error, CODE_MALFORMED, "a frame has an empty header");
    if (header_bytes > limits->header_bytes_max)
        return error_set(error, CODE_TOO_LARGE,
                         "a header of %" PRIu32 " bytes, the limit is %" PRIu32, header_bytes,
                         limits->header_bytes_max);
    if (body_bytes > limits->body_bytes_max)
        return error_set(error, CODE_TOO_LARGE,
                         "a body of %" PRIu64 " bytes, the limit is %" PRIu64, body_bytes,
                         limits->body_bytes_max);
    prefix->header_bytes = header_bytes;
    prefix->body_bytes = body_bytes;
    return CODE_OK;
}

void frame_prefix_encode(uint8_t bytes[static FRAME_PREFIX_BYTES], uint32_t header_bytes,
                         uint64_t body_bytes)
{
    memcpy(bytes, magic, sizeof magic);
    store(bytes + 4, 4, header_bytes);
    store(bytes + 8, 8, body_bytes);
}

void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits)
{
    *reader = (struct frame_reader){.limits = *limits};
}

static void drop_partial(struct frame_reader *reader)
{
    free(reader->partial);
    reader->partial = NULL;
    reader->partial_capacity = 0;
}

void frame_reader_free(struct frame_reader *reader)
{
    drop_partial(reader);
}

int frame_reader_in_frame(const struct frame_reader *reader)
{
    return reader->have > 0;
}

static enum frame_event fail(struct frame_reader *reader, enum code code)
{
    reader->broken = code;
    return FRAME_ERROR;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Room for `need` bytes of header. It grows with what came, not with what was announced, so that
 * sixteen bytes cannot claim megabytes. */
static bool reserve(struct frame_reader *reader, size_t need)
{
    if (need <= reader->partial_capacity)
        return true;
    size_t capacity =
        smaller(need < PARTIAL_MIN ? PARTIAL_MIN : 2 * need, reader->prefix.header_bytes);
    uint8_t *partial = realloc(reader->partial, capacity);
    if (partial == NULL)
        return false;
    reader->partial = partial;
    reader->partial_capacity = capacity;
    return true;
}

static enum frame_event complete(struct frame_reader *reader, const uint8_t *header)
{
    reader->header = header;
    reader->have = 0;
    return FRAME_HEADER;
}

/* The prefix is there; n more bytes are. */
static enum frame_event feed_header(struct frame_reader *reader, const uint8_t *bytes, size_t n,
                                    size_t *used, struct error *error)
{
    size_t have = reader->have - FRAME_PREFIX_BYTES;
    size_t wanted = reader->prefix.header_bytes - have;
    size_t take = smaller(wanted, n);
    *used += take;
    if (have == 0 && take == wanted)
        return complete(reader, bytes);
    if (take == 0)
        return FRAME_MORE;
    if (!reserve(reader, have + take)) {
        error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory for a header of %" PRIu32 " bytes",
                  reader->prefix.header_bytes);
        return fail(reader, CODE_RESOURCE_EXHAUSTED);
    }
    memcpy(reader->partial + have, bytes, take);
    reader->have += take;
    return take == wanted ? complete(reader, reader->partial) : FRAME_MORE;
}

static void begin_frame(struct frame_reader *reader)
{
    reader->header = NULL;
    if (reader->partial_capacity > PARTIAL_KEPT_MAX)
        drop_partial(reader);
}

enum frame_event frame_reader_feed(struct frame_reader *reader, const uint8_t *bytes, size_t n,
                                   size_t *used, struct error *error)
{
    *used = 0;
    if (reader->broken != CODE_OK) {
        error_set(error, reader->broken, "the stream broke off at an earlier frame");
        return FRAME_ERROR;
    }
    if (n == 0)
        return FRAME_MORE;
    if (reader->have == 0)
        begin_frame(reader);
    if (reader->have < FRAME_PREFIX_BYTES) {
        size_t take = smaller(FRAME_PREFIX_BYTES - reader->have, n);
        memcpy(reader->prefix_bytes + reader->have, bytes, take);
        reader->have += take;
        *used = take;
        if (reader->have < FRAME_PREFIX_BYTES)
            return FRAME_MORE;
        enum code code =
            frame_prefix_decode(reader->prefix_bytes, &reader->limits, &reader->prefix, error);
        if (code != CODE_OK)
            return fail(reader, code);
    }
    return feed_header(reader, bytes + *used, n - *used, used, error);
}
