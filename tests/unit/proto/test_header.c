/* Headers: what a client sends arrives, and what an attacker sends costs bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/header.h"

enum {
    HEADER_MAX = 4 * 1024 * 1024,
    ARENA_MAX = 16 * 1024 * 1024
};

/* Keys of Request: field number << 3 | wire type. */
enum {
    ID = 1 << 3,
    CREATE_JOB = 3 << 3 | 2,
    PUSH = 7 << 3 | 2,
    PULL = 8 << 3 | 2
};

struct fixture {
    struct arena arena;
    uint8_t *bytes; /* HEADER_MAX */
    size_t n;
    struct error error;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->bytes = malloc(HEADER_MAX);
    arena_init(&f->arena, ARENA_MAX);
    *state = f;
    return f->bytes == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->arena);
    free(f->bytes);
    free(f);
    return 0;
}

static enum code unpack(struct fixture *f, Gradfold__V1__Request **request)
{
    /* Exactly as long as the header, so that a read beyond it is seen by the sanitizer. */
    uint8_t *exact = malloc(f->n + 1);
    memcpy(exact, f->bytes, f->n);
    arena_reset(&f->arena);
    enum code code = header_unpack_request(&f->arena, exact, f->n, request, &f->error);
    free(exact);
    assert_true(f->arena.used <= ARENA_MAX);
    return code;
}

static void put(struct fixture *f, const void *bytes, size_t n)
{
    assert_true(f->n + n <= HEADER_MAX);
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void put_varint(struct fixture *f, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        f->bytes[f->n++] = (uint8_t)(value | 0x80);
    f->bytes[f->n++] = (uint8_t)value;
}

/* Fills what is left with this pattern, again and again. */
static void put_until_full(struct fixture *f, const void *pattern, size_t n)
{
    while (f->n + n <= HEADER_MAX)
        put(f, pattern, n);
}

/* Wraps all bytes so far as the submessage of this key. */
static void wrap(struct fixture *f, uint8_t key)
{
    size_t n = f->n;
    assert_true(n + 6 <= HEADER_MAX);
    memmove(f->bytes + 6, f->bytes, n);
    f->bytes[0] = key;
    for (int i = 0; i < 5; i++)
        f->bytes[1 + i] = (uint8_t)((n >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    f->n = n + 6;
}

static void a_push_arrives_as_it_was_sent(void **state)
{
    struct fixture *f = *state;
    uint64_t shape[] = {3, 0, UINT64_MAX};
    Gradfold__V1__Request message = GRADFOLD__V1__REQUEST__INIT;
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    Gradfold__V1__Contribution entry = GRADFOLD__V1__CONTRIBUTION__INIT;
    Gradfold__V1__Contribution *list[] = {&entry};
    Gradfold__V1__Request *got = NULL;
    entry.has_node = entry.has_dtype = true;
    entry.node = 17;
    entry.dtype = GRADFOLD__V1__DTYPE__DTYPE_BF16;
    entry.shape = shape;
    entry.n_shape = 3;
    push.job = (char[]){"digits"};
    push.has_sequence = true;
    push.sequence = UINT64_MAX;
    push.contributions = list;
    push.n_contributions = 1;
    message.has_id = true;
    message.id = 9;
    message.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    message.push = &push;
    f->n = gradfold__v1__request__pack(&message, f->bytes);

    assert_int_equal(unpack(f, &got), CODE_OK);
    assert_int_equal(got->id, 9);
    assert_int_equal(got->op_case, GRADFOLD__V1__REQUEST__OP_PUSH);
    assert_string_equal(got->push->job, "digits");
    assert_true(got->push->sequence == UINT64_MAX);
    assert_false(got->push->has_round);
    assert_false(got->push->has_body_checksum);
    assert_int_equal(got->push->n_contributions, 1);
    assert_int_equal(got->push->contributions[0]->dtype, GRADFOLD__V1__DTYPE__DTYPE_BF16);
    assert_memory_equal(got->push->contributions[0]->shape, shape, sizeof shape);
}

static void absent_fields_have_the_defaults_of_the_contract(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got = NULL;
    put(f, (uint8_t[]){CREATE_JOB, 4, 0x0a, 2, 0x12, 0}, 6); /* spec with one empty node */
    assert_int_equal(unpack(f, &got), CODE_OK);
    Gradfold__V1__JobSpec *spec = got->create_job->spec;
    assert_int_equal(spec->reduction, GRADFOLD__V1__REDUCTION__REDUCTION_SUM);
    assert_int_equal(spec->accumulation, GRADFOLD__V1__ACCUMULATION__ACCUMULATION_EXACT);
    assert_int_equal(spec->non_finite, GRADFOLD__V1__NON_FINITE__NON_FINITE_REJECT);
    assert_int_equal(spec->retain_rounds, 2);
    assert_int_equal(spec->quorum, 0);
    assert_int_equal(spec->n_nodes, 1);
    assert_true(spec->nodes[0]->requires_grad);
    assert_false(spec->nodes[0]->has_dtype);
}

static void every_truncation_of_a_push_is_refused_or_shorter(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    put(f, (uint8_t[]){0x0a, 1, 'j', 0x10, 0, 0x18, 1, 0x20, 1, 0x3a, 6, 8, 1, 16, 1, 0x1a, 0}, 17);
    wrap(f, PUSH);
    size_t whole = f->n;
    assert_int_equal(unpack(f, &got), CODE_OK);
    for (f->n = 1; f->n < whole; f->n++)
        assert_int_equal(unpack(f, &got), CODE_MALFORMED);
}

static void bytes_that_are_no_message_are_malformed(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got = NULL;
    static const struct {
        const char *what;
        uint8_t bytes[12];
        size_t n;
    } cases[] = {
        {"field number 0", {0x00, 0x01}, 2},
        {"start of a group", {0x0b, 0x08, 0x01, 0x0c}, 4},
        {"start of an unknown group", {0x7b, 0x7c}, 2},
        {"wire type 6", {0x0e, 0x01}, 2},
        {"wire type 7", {0x0f, 0x01}, 2},
        {"submessage longer than all", {PUSH, 0x7f, 0x00}, 3},
        {"submessage as a number", {7 << 3, 0x01}, 2},
        {"length of 2^64 - 1",
         {PUSH, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
         11},
        {"a key without an end",
         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
         12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->n = 0;
        put(f, cases[i].bytes, cases[i].n);
        if (unpack(f, &got) != CODE_MALFORMED)
            fail_msg("%s: not malformed", cases[i].what);
    }
    assert_null(got);
}

static void unknown_fields_are_skipped(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    put(f, (uint8_t[]){ID, 5, 0xf8, 0x7f, 1, 0xfa, 0x7f, 2, 'x', 'y', PULL, 0}, 12);
    assert_int_equal(unpack(f, &got), CODE_OK);
    assert_int_equal(got->id, 5);
    assert_int_equal(got->op_case, GRADFOLD__V1__REQUEST__OP_PULL);
}

static void a_request_without_an_op_is_a_request(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    put(f, (uint8_t[]){ID, 5}, 2);
    assert_int_equal(unpack(f, &got), CODE_OK);
    assert_int_equal(got->op_case, GRADFOLD__V1__REQUEST__OP__NOT_SET);
}

/* -- Hostile: 4 MiB each; what they may cost is what unpack() asserts ------------------------- */

static void empty_submessages_exhaust_the_arena_only(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    f->n = 0;
    while (f->n + 8 <= HEADER_MAX)
        put(f, (uint8_t[]){0x3a, 0}, 2); /* Push.contributions, empty */
    wrap(f, PUSH);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(f->error.code, CODE_RESOURCE_EXHAUSTED);
}

static void a_singular_message_repeated_is_merged_within_the_arena(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    /* Each repetition brings one contribution: merging copies the growing list every time. */
    put_until_full(f, (uint8_t[]){PUSH, 2, 0x3a, 0}, 4);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
}

static void ops_that_replace_each_other_stay_within_the_arena(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    put_until_full(f, (uint8_t[]){PUSH, 0, PULL, 0}, 4);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
}

static void a_string_repeated_stays_within_the_arena(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    while (f->n + 9 <= HEADER_MAX)
        put(f, (uint8_t[]){0x0a, 1, 'j'}, 3);
    wrap(f, PUSH);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
}

static void unknown_fields_exhaust_the_arena_only(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    put_until_full(f, (uint8_t[]){0x78, 0}, 2);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
}

static void a_deep_nest_of_unknown_messages_is_not_followed(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    enum {
        DEPTH = 100 * 1000
    };
    for (int i = 0; i < DEPTH; i++) { /* field 15, whose content is field 15, whose content … */
        f->bytes[f->n++] = 15 << 3 | 2;
        put_varint(f, (uint64_t)(DEPTH - i) * 4);
    }
    size_t declared = (size_t)DEPTH * 4 + 8;
    while (f->n < declared)
        f->bytes[f->n++] = 0;
    (void)!unpack(f, &got); /* whatever it is: no crash, bounded memory */
}

static void a_packed_list_of_numbers_fits_or_is_refused(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    enum {
        NODES = 1000 * 1000
    };
    memset(f->bytes, 1, NODES);
    f->n = NODES;
    wrap(f, 3 << 3 | 2); /* Pull.nodes: 8 MB unpacked */
    wrap(f, PULL);
    assert_int_equal(unpack(f, &got), CODE_OK);
    assert_int_equal(got->pull->n_nodes, NODES);
    f->n = 0;
    memset(f->bytes, 1, 3 * NODES);
    f->n = 3 * NODES; /* 24 MB */
    wrap(f, 3 << 3 | 2);
    wrap(f, PULL);
    assert_int_equal(unpack(f, &got), CODE_RESOURCE_EXHAUSTED);
}

static void no_mutation_of_a_valid_header_breaks_out(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Request *got;
    const uint8_t valid[] = {0x0a, 1, 'j', 0x10, 0, 0x18, 1, 0x20, 1, 0x3a,
                             6,    8, 1,   16,   1, 0x1a, 0, 0x28, 1};
    uint64_t random = 42;
    for (int round = 0; round < 20000; round++) {
        f->n = 0;
        put(f, valid, sizeof valid);
        wrap(f, PUSH);
        for (int i = 0; i < 3; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            f->bytes[(random >> 33) % f->n] = (uint8_t)(random >> 24);
        }
        enum code code = unpack(f, &got);
        assert_true(code == CODE_OK || code == CODE_MALFORMED);
    }
}

static void a_response_is_unpacked_too(void **state)
{
    struct fixture *f = *state;
    Gradfold__V1__Response message = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__Status status = GRADFOLD__V1__STATUS__INIT;
    Gradfold__V1__Response *got;
    status.has_code = true;
    status.code = GRADFOLD__V1__CODE__CODE_STALE_ROUND;
    status.message = (char[]){"round 3 is over"};
    message.status = &status;
    f->n = gradfold__v1__response__pack(&message, f->bytes);
    assert_int_equal(header_unpack_response(&f->arena, f->bytes, f->n, &got, &f->error), CODE_OK);
    assert_int_equal(got->status->code, GRADFOLD__V1__CODE__CODE_STALE_ROUND);
    assert_string_equal(got->status->message, "round 3 is over");
    assert_int_equal(header_unpack_response(&f->arena, f->bytes, f->n - 1, &got, &f->error),
                     CODE_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_push_arrives_as_it_was_sent),
        TEST(absent_fields_have_the_defaults_of_the_contract),
        TEST(every_truncation_of_a_push_is_refused_or_shorter),
        TEST(bytes_that_are_no_message_are_malformed),
        TEST(unknown_fields_are_skipped),
        TEST(a_request_without_an_op_is_a_request),
        TEST(empty_submessages_exhaust_the_arena_only),
        TEST(a_singular_message_repeated_is_merged_within_the_arena),
        TEST(ops_that_replace_each_other_stay_within_the_arena),
        TEST(a_string_repeated_stays_within_the_arena),
        TEST(unknown_fields_exhaust_the_arena_only),
        TEST(a_deep_nest_of_unknown_messages_is_not_followed),
        TEST(a_packed_list_of_numbers_fits_or_is_refused),
        TEST(no_mutation_of_a_valid_header_breaks_out),
        TEST(a_response_is_unpacked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
