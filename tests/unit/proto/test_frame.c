/* The frame codec: prefixes to the byte, headers in any number of pieces, limits, errors that stay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

static const struct frame_limits limits = {.header_bytes_max = 4096, .body_bytes_max = 1u << 20};

static void prefix_is_laid_out_as_the_contract_says(void **state)
{
    (void)state;
    uint8_t bytes[FRAME_PREFIX_BYTES];
    const uint8_t expected[] = {'G',  'F',  'D',  '1',  0x04, 0x03, 0x02, 0x01,
                                0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
    frame_prefix_encode(bytes, 0x01020304, 0x1112131415161718);
    assert_memory_equal(bytes, expected, sizeof expected);
}

static enum code decode(uint32_t header, uint64_t body, struct frame_prefix *prefix)
{
    uint8_t bytes[FRAME_PREFIX_BYTES];
    struct error error;
    frame_prefix_encode(bytes, header, body);
    return frame_prefix_decode(bytes, &limits, prefix, &error);
}

static void lengths_up_to_the_limits_are_taken(void **state)
{
    (void)state;
    struct frame_prefix prefix;
    assert_int_equal(decode(1, 0, &prefix), CODE_OK);
    assert_int_equal(decode(4096, 1u << 20, &prefix), CODE_OK);
    assert_int_equal(prefix.header_bytes, 4096);
    assert_int_equal(prefix.body_bytes, 1u << 20);
}

static void lengths_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    struct frame_prefix prefix;
    assert_int_equal(decode(4097, 0, &prefix), CODE_TOO_LARGE);
    assert_int_equal(decode(UINT32_MAX, 0, &prefix), CODE_TOO_LARGE);
    assert_int_equal(decode(1, (1u << 20) + 1, &prefix), CODE_TOO_LARGE);
    assert_int_equal(decode(1, UINT64_MAX, &prefix), CODE_TOO_LARGE);
    assert_int_equal(decode(0, 0, &prefix), CODE_MALFORMED);
}

static void every_wrong_byte_of_the_magic_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint8_t bytes[FRAME_PREFIX_BYTES];
        struct frame_prefix prefix;
        struct error error;
        frame_prefix_encode(bytes, 1, 0);
        bytes[i] ^= 0x20;
        assert_int_equal(frame_prefix_decode(bytes, &limits, &prefix, &error), CODE_MALFORMED);
    }
}

/* -- The reader ------------------------------------------------------------------------------- */

enum {
    FRAMES = 3,
    HEADER = 37,
    BODY = 5,
    STREAM = FRAMES * (FRAME_PREFIX_BYTES + HEADER + BODY)
};

/* Each header is filled with its number, each body with 0xbb. */
static void make_stream(uint8_t stream[static STREAM])
{
    for (uint8_t i = 0; i < FRAMES; i++) {
        frame_prefix_encode(stream, HEADER, BODY);
        memset(stream + FRAME_PREFIX_BYTES, i, HEADER);
        memset(stream + FRAME_PREFIX_BYTES + HEADER, 0xbb, BODY);
        stream += FRAME_PREFIX_BYTES + HEADER + BODY;
    }
}

struct taker {
    struct frame_reader reader;
    size_t body_left;
    uint8_t frames;
};

static void take_header(struct taker *taker)
{
    assert_int_equal(taker->reader.prefix.header_bytes, HEADER);
    assert_int_equal(taker->reader.prefix.body_bytes, BODY);
    for (size_t i = 0; i < HEADER; i++)
        assert_int_equal(taker->reader.header[i], taker->frames);
    assert_false(frame_reader_in_frame(&taker->reader));
    taker->frames++;
    taker->body_left = BODY;
}

/* bytes are a copy of their own, so that a read beyond them is seen by the sanitizer. */
static void take(struct taker *taker, const uint8_t *from, size_t n)
{
    uint8_t *bytes = malloc(n + 1);
    memcpy(bytes, from, n);
    for (size_t at = 0; at < n;) {
        size_t used = 0;
        struct error error;
        if (taker->body_left > 0) {
            assert_int_equal(bytes[at++], 0xbb);
            taker->body_left--;
            continue;
        }
        enum frame_event event =
            frame_reader_feed(&taker->reader, bytes + at, n - at, &used, &error);
        at += used;
        assert_int_not_equal(event, FRAME_ERROR);
        if (event == FRAME_HEADER)
            take_header(taker);
        else
            assert_int_equal(at, n);
    }
    free(bytes);
}

static void frames_cut_at_any_two_offsets_are_found(void **state)
{
    (void)state;
    uint8_t stream[STREAM];
    make_stream(stream);
    for (size_t a = 0; a <= STREAM; a++) {
        for (size_t b = a; b <= STREAM; b += 3) {
            struct taker taker = {0};
            frame_reader_init(&taker.reader, &limits);
            take(&taker, stream, a);
            take(&taker, stream + a, b - a);
            take(&taker, stream + b, STREAM - b);
            assert_int_equal(taker.frames, FRAMES);
            assert_int_equal(taker.body_left, 0);
            frame_reader_free(&taker.reader);
        }
    }
}

static void frames_that_come_byte_by_byte_are_found(void **state)
{
    (void)state;
    uint8_t stream[STREAM];
    struct taker taker = {0};
    make_stream(stream);
    frame_reader_init(&taker.reader, &limits);
    for (size_t i = 0; i < STREAM; i++)
        take(&taker, stream + i, 1);
    assert_int_equal(taker.frames, FRAMES);
    frame_reader_free(&taker.reader);
}

static void a_header_in_one_piece_is_not_copied(void **state)
{
    (void)state;
    uint8_t stream[STREAM];
    size_t used;
    struct error error;
    struct frame_reader reader;
    make_stream(stream);
    frame_reader_init(&reader, &limits);
    assert_int_equal(frame_reader_feed(&reader, stream, STREAM, &used, &error), FRAME_HEADER);
    assert_ptr_equal(reader.header, stream + FRAME_PREFIX_BYTES);
    assert_int_equal(used, FRAME_PREFIX_BYTES + HEADER);
    assert_int_equal(reader.partial_capacity, 0);
    frame_reader_free(&reader);
}

static void an_announced_header_claims_no_memory_before_it_comes(void **state)
{
    (void)state;
    const struct frame_limits large = {.header_bytes_max = 4u << 20, .body_bytes_max = 0};
    uint8_t bytes[FRAME_PREFIX_BYTES + 1] = {0};
    size_t used;
    struct error error;
    struct frame_reader reader;
    frame_prefix_encode(bytes, 4u << 20, 0);
    frame_reader_init(&reader, &large);
    assert_int_equal(frame_reader_feed(&reader, bytes, sizeof bytes, &used, &error), FRAME_MORE);
    assert_true(reader.partial_capacity <= 4096);
    assert_true(frame_reader_in_frame(&reader));
    frame_reader_free(&reader);
}

static void a_large_partial_header_is_given_back_with_the_next_frame(void **state)
{
    (void)state;
    enum {
        LARGE = 300 * 1000
    };
    const struct frame_limits large = {.header_bytes_max = LARGE, .body_bytes_max = 0};
    uint8_t prefix[FRAME_PREFIX_BYTES];
    uint8_t *header = calloc(1, LARGE);
    size_t used;
    struct error error;
    struct frame_reader reader;
    frame_prefix_encode(prefix, LARGE, 0);
    frame_reader_init(&reader, &large);
    assert_int_equal(frame_reader_feed(&reader, prefix, sizeof prefix, &used, &error), FRAME_MORE);
    for (size_t at = 0; at < LARGE; at += used) {
        size_t n = LARGE - at < 1000 ? LARGE - at : 1000;
        (void)!frame_reader_feed(&reader, header + at, n, &used, &error);
    }
    assert_true(reader.partial_capacity >= LARGE);
    assert_int_equal(frame_reader_feed(&reader, prefix, 1, &used, &error), FRAME_MORE);
    assert_int_equal(reader.partial_capacity, 0);
    frame_reader_free(&reader);
    free(header);
}

static void an_error_stays(void **state)
{
    (void)state;
    uint8_t bytes[2 * FRAME_PREFIX_BYTES] = "GET / HTTP/1.1\r\n";
    size_t used;
    struct error error;
    struct frame_reader reader;
    frame_reader_init(&reader, &limits);
    assert_int_equal(frame_reader_feed(&reader, bytes, 16, &used, &error), FRAME_ERROR);
    assert_int_equal(error.code, CODE_MALFORMED);
    assert_non_null(strstr(error.message, "47 45 54 20"));
    frame_prefix_encode(bytes, 1, 0);
    assert_int_equal(frame_reader_feed(&reader, bytes, 17, &used, &error), FRAME_ERROR);
    assert_int_equal(used, 0);
    frame_reader_free(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_is_laid_out_as_the_contract_says),
        cmocka_unit_test(lengths_up_to_the_limits_are_taken),
        cmocka_unit_test(lengths_beyond_the_limits_are_refused),
        cmocka_unit_test(every_wrong_byte_of_the_magic_is_refused),
        cmocka_unit_test(frames_cut_at_any_two_offsets_are_found),
        cmocka_unit_test(frames_that_come_byte_by_byte_are_found),
        cmocka_unit_test(a_header_in_one_piece_is_not_copied),
        cmocka_unit_test(an_announced_header_claims_no_memory_before_it_comes),
        cmocka_unit_test(a_large_partial_header_is_given_back_with_the_next_frame),
        cmocka_unit_test(an_error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
