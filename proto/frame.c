#include "proto/frame.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTIAL_MIN = 4 * 1024,
    PARTIAL_KEPT_MAX = 64 * 1024
};

/*@ requires \valid_read(b + (0 .. 3));
  @ assigns \nothing;
  @ ensures \result == le32(b); */
static uint32_t load_u32(const uint8_t *b)
{
    return b[0] + 0x100U * b[1] + 0x10000U * b[2] + 0x1000000U * b[3];
}

/*@ requires \valid_read(b + (0 .. 7));
  @ assigns \nothing;
  @ ensures \result == le64(b); */
static uint64_t load_u64(const uint8_t *b)
{
    return load_u32(b) + 0x100000000U * load_u32(b + 4);
}

/*@ requires \valid(b + (0 .. 3));
  @ assigns b[0 .. 3];
  @ ensures le32(b) == value; */
static void store_u32(uint8_t *b, uint32_t value)
{
    b[0] = (uint8_t)(value % 0x100);
    b[1] = (uint8_t)(value / 0x100 % 0x100);
    b[2] = (uint8_t)(value / 0x10000 % 0x100);
    b[3] = (uint8_t)(value / 0x1000000);
}

/*@ requires \valid_read(bytes + (0 .. 3));
  @ assigns \nothing;
  @ ensures \result <==> has_magic(bytes); */
static bool begins_with_magic(const uint8_t *bytes)
{
    return bytes[0] == 'G' && bytes[1] == 'F' && bytes[2] == 'D' && bytes[3] == '1';
}

enum code frame_prefix_decode(const uint8_t bytes[static FRAME_PREFIX_BYTES],
                              const struct frame_limits *limits, struct frame_prefix *prefix,
                              struct error *error)
{
    if (!begins_with_magic(bytes))
        return error_set(error, CODE_MALFORMED,
                         "a frame begins with %02x %02x %02x %02x instead of GFD1", bytes[0],
                         bytes[1], bytes[2], bytes[3]);
    uint32_t header_bytes = load_u32(bytes + 4);
    uint64_t body_bytes = load_u64(bytes + 8);
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
    bytes[0] = 'G';
    bytes[1] = 'F';
    bytes[2] = 'D';
    bytes[3] = '1';
    store_u32(bytes + 4, header_bytes);
    store_u32(bytes + 8, (uint32_t)(body_bytes % 0x100000000));
    store_u32(bytes + 12, (uint32_t)(body_bytes / 0x100000000));
}

void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits)
{
    *reader = (struct frame_reader){.limits = *limits};
}

/*@ requires \valid(reader) && frame_room(reader);
  @ assigns reader->partial, reader->partial_capacity;
  @ ensures reader->partial_capacity == 0; */
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

/*@ requires \valid(reader) && code != CODE_OK;
  @ assigns reader->broken;
  @ ensures \result == FRAME_ERROR && reader->broken == code; */
static enum frame_event fail(struct frame_reader *reader, enum code code)
{
    reader->broken = code;
    return FRAME_ERROR;
}

/*@ assigns \nothing;
  @ ensures \result == \min(a, b); */
static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*@ requires n > 0 ==> \valid(to + (0 .. n - 1)) && \valid_read(from + (0 .. n - 1));
  @ assigns to[0 .. n - 1];
  @ ensures \separated(to + (0 .. n - 1), from + (0 .. n - 1)) ==>
  @     \forall integer i; 0 <= i < n ==> to[i] == from[i]; */
static void copy(uint8_t *to, const uint8_t *from, size_t n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant \separated(to + (0 .. n - 1), from + (0 .. n - 1)) ==>
      @     \forall integer k; 0 <= k < i ==> to[k] == from[k];
      @ loop assigns i, to[0 .. n - 1];
      @ loop variant n - i; */
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* Room for `need` bytes of header. It grows with what came, not with what was announced, so that
 * sixteen bytes cannot claim megabytes. */
/*@ requires \valid(reader) && frame_room(reader) && need <= reader->prefix.header_bytes;
  @ assigns reader->partial, reader->partial_capacity;
  @ ensures frame_room(reader);
  @ ensures \old(reader->partial_capacity) <= reader->partial_capacity;
  @ ensures \result ==> need <= reader->partial_capacity; */
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

/*@ requires \valid(reader);
  @ assigns reader->header, reader->have;
  @ ensures \result == FRAME_HEADER && reader->header == header && reader->have == 0; */
static enum frame_event complete(struct frame_reader *reader, const uint8_t *header)
{
    reader->header = header;
    reader->have = 0;
    return FRAME_HEADER;
}

/* The prefix is there; n more bytes are. */
/*@ requires frame_reader_ok(reader) && reader->broken == CODE_OK;
  @ requires reader->have >= FRAME_PREFIX_BYTES;
  @ requires n > 0 ==> \valid_read(bytes + (0 .. n - 1));
  @ requires \valid(used) && \valid(error) && *used + n <= SIZE_MAX;
  @ requires \separated(reader, used, error) &&
  @          \separated(reader, bytes + (0 .. n - 1)) &&
  @          \separated(used, bytes + (0 .. n - 1)) && \separated(error, bytes + (0 .. n - 1));
  @ ensures frame_reader_ok(reader);
  @ ensures \old(*used) <= *used <= \old(*used) + n;
  @ ensures \result == FRAME_MORE ==> *used == \old(*used) + n;
  @ ensures \result == FRAME_HEADER ==>
  @     1 <= reader->prefix.header_bytes <= reader->limits.header_bytes_max &&
  @     reader->prefix.body_bytes <= reader->limits.body_bytes_max &&
  @     \valid_read(reader->header + (0 .. reader->prefix.header_bytes - 1));
  @ ensures \result == FRAME_ERROR ==> reader->broken != CODE_OK && error->code != CODE_OK; */
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
    copy(reader->partial + have, bytes, take);
    reader->have += take;
    return take == wanted ? complete(reader, reader->partial) : FRAME_MORE;
}

/*@ requires \valid(reader) && frame_room(reader);
  @ assigns reader->header, reader->partial, reader->partial_capacity;
  @ ensures frame_room(reader); */
static void begin_frame(struct frame_reader *reader)
{
    reader->header = NULL;
    if (reader->partial_capacity > PARTIAL_KEPT_MAX)
        drop_partial(reader);
}

/* As much as is there of what the prefix lacks. */
/*@ requires frame_reader_ok(reader) && reader->have < FRAME_PREFIX_BYTES;
  @ requires n > 0 ==> \valid_read(bytes + (0 .. n - 1));
  @ requires \separated(reader, bytes + (0 .. n - 1));
  @ assigns reader->have, reader->prefix_bytes[0 .. FRAME_PREFIX_BYTES - 1];
  @ ensures \result == \min(FRAME_PREFIX_BYTES - \old(reader->have), n);
  @ ensures reader->have == \old(reader->have) + \result;
  @ ensures frame_room(reader);
  @ ensures reader->have < FRAME_PREFIX_BYTES ==> frame_reader_ok(reader);
  @ ensures \forall integer i; 0 <= i < \result ==>
  @     reader->prefix_bytes[\old(reader->have) + i] == bytes[i]; */
static size_t feed_prefix(struct frame_reader *reader, const uint8_t *bytes, size_t n)
{
    size_t take = smaller(FRAME_PREFIX_BYTES - reader->have, n);
    copy(reader->prefix_bytes + reader->have, bytes, take);
    reader->have += take;
    return take;
}

/* The prefix is complete: what it says, if the limits allow it. */
/*@ requires \valid(reader) && frame_room(reader);
  @ requires reader->have == FRAME_PREFIX_BYTES && reader->broken == CODE_OK;
  @ requires \valid(error) && \separated(reader, error);
  @ assigns reader->prefix.header_bytes, reader->prefix.body_bytes, reader->broken, *error;
  @ ensures frame_reader_ok(reader);
  @ ensures \result <==> reader->broken == CODE_OK;
  @ ensures !\result ==> error->code == reader->broken;
  @ ensures \result ==> has_magic(&reader->prefix_bytes[0]) &&
  @     reader->prefix.header_bytes == le32(&reader->prefix_bytes[4]) &&
  @     reader->prefix.body_bytes == le64(&reader->prefix_bytes[8]); */
static bool accept_prefix(struct frame_reader *reader, struct error *error)
{
    reader->broken =
        frame_prefix_decode(reader->prefix_bytes, &reader->limits, &reader->prefix, error);
    return reader->broken == CODE_OK;
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
        *used = feed_prefix(reader, bytes, n);
        //@ assert frame_room(reader);
        if (reader->have < FRAME_PREFIX_BYTES)
            return FRAME_MORE;
        if (!accept_prefix(reader, error))
            return FRAME_ERROR;
    }
    return feed_header(reader, bytes + *used, n - *used, used, error);
}
