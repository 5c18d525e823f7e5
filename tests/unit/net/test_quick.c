/* The short way for pushes and verdicts says what the ordinary way says, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/code.h"
#include "net/quick.h"
#include "net/response.h"
#include "proto/header.h"

enum {
    HEADER_MAX = 4096,
    NDIM_MAX = 4,
    CONTRIBUTIONS_MAX = 9,
    ARENA_BYTES = 1 << 20,
    MESSAGES = 2000,
    CHANGES = 100, /* of each message */
};

static uint64_t seed = 1;

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = (seed += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Of any length, small ones as often as large ones. */
static uint64_t draw_number(void)
{
    return draw() >> draw() % 64;
}

static bool draw_bool(void)
{
    return draw() % 2;
}

/* -- Messages as encoders make them -- */

static size_t draw_push(uint8_t header[static HEADER_MAX])
{
    uint64_t shapes[CONTRIBUTIONS_MAX][NDIM_MAX];
    Gradfold__V1__Contribution contributions[CONTRIBUTIONS_MAX];
    Gradfold__V1__Contribution *list[CONTRIBUTIONS_MAX];
    Gradfold__V1__Push push = GRADFOLD__V1__PUSH__INIT;
    char job[] = "a.job-of_9";
    job[draw() % sizeof job] = '\0';
    push.job = draw_bool() ? job : NULL;
    push.has_round = draw_bool();
    push.round = draw_number();
    push.has_worker = draw_bool();
    push.worker = (uint32_t)draw_number();
    push.has_sequence = draw_bool();
    push.sequence = draw_number();
    push.has_final = draw_bool();
    push.final = draw_bool();
    push.has_body_checksum = draw_bool();
    push.body_checksum = draw();
    push.n_contributions = draw() % (CONTRIBUTIONS_MAX + 1);
    push.contributions = list;
    for (size_t i = 0; i < push.n_contributions; i++) {
        Gradfold__V1__Contribution *c = list[i] = &contributions[i];
        gradfold__v1__contribution__init(c);
        c->has_node = draw_bool();
        c->node = draw_number();
        c->has_dtype = draw_bool();
        c->dtype = (Gradfold__V1__DType)(int)(draw() % 12 - 1);
        c->n_shape = draw() % (NDIM_MAX + 1);
        c->shape = shapes[i];
        for (size_t d = 0; d < c->n_shape; d++)
            shapes[i][d] = draw_number();
        c->has_buffer = draw() % 20 == 0;
        c->has_offset = draw() % 20 == 0;
    }
    Gradfold__V1__Request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = draw_bool();
    request.id = draw_number();
    request.op_case = GRADFOLD__V1__REQUEST__OP_PUSH;
    request.push = &push;
    assert_true(gradfold__v1__request__get_packed_size(&request) <= HEADER_MAX);
    return gradfold__v1__request__pack(&request, header);
}

/* -- The ordinary way -- */

static void read_ordinarily(struct arena *arena, const uint8_t *header, size_t n,
                            struct request *request)
{
    struct error error;
    Gradfold__V1__Request *message;
    assert_int_equal(header_unpack_request(arena, header, n, &message, &error), CODE_OK);
    assert_true(header_request_strings_ok(header, n));
    assert_int_equal(request_translate(arena, message, 99, NULL, request, &error), CODE_OK);
}

static void expect_equal(const struct request *a, const struct request *b)
{
    const struct push_offer *p = &a->push;
    const struct push_offer *q = &b->push;
    assert_int_equal(a->event.kind, b->event.kind);
    assert_true(a->event.request_id == b->event.request_id);
    assert_ptr_equal(a->event.offer, p);
    assert_string_equal(p->job, q->job);
    assert_int_equal(p->has_round, q->has_round);
    assert_true(p->round == q->round && p->sequence == q->sequence);
    assert_int_equal(p->worker, q->worker);
    assert_int_equal(p->final, q->final);
    assert_int_equal(p->has_checksum, q->has_checksum);
    assert_true(p->checksum == q->checksum);
    assert_int_equal(p->body_bytes, q->body_bytes);
    assert_null(p->places);
    assert_null(q->places);
    assert_int_equal(p->n_contributions, q->n_contributions);
    for (size_t i = 0; i < p->n_contributions; i++) {
        const struct contribution *c = &p->contributions[i];
        const struct contribution *d = &q->contributions[i];
        assert_true(c->node == d->node);
        assert_int_equal(c->dtype, d->dtype);
        assert_int_equal(c->ndim, d->ndim);
        for (size_t k = 0; k < c->ndim; k++)
            assert_true(c->shape[k] == d->shape[k]);
    }
}

/* Returns whether the short way took it; if so, the ordinary way reads the same. */
static bool compare(const uint8_t *header, size_t n)
{
    struct arena arena;
    struct request quick;
    struct request ordinary;
    arena_init(&arena, ARENA_BYTES);
    bool taken = quick_push(&arena, header, n, 99, &quick);
    if (taken) {
        read_ordinarily(&arena, header, n, &ordinary);
        expect_equal(&quick, &ordinary);
    }
    arena_free(&arena);
    return taken;
}

static void pushes_are_read_as_ever(void **state)
{
    uint8_t header[HEADER_MAX];
    unsigned taken = 0;
    (void)state;
    for (unsigned i = 0; i < MESSAGES; i++)
        taken += compare(header, draw_push(header));
    assert_in_range(taken, MESSAGES / 4, MESSAGES - 1); /* some are unusual */
}

static void changed_bytes_are_read_as_ever_or_not_at_all(void **state)
{
    uint8_t header[HEADER_MAX];
    uint8_t *changed; /* of the exact size, so that a byte too far is seen */
    unsigned taken = 0;
    (void)state;
    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t n = draw_push(header);
        changed = malloc(n + 1);
        assert_non_null(changed);
        for (unsigned k = 0; k < CHANGES; k++) {
            memcpy(changed, header, n);
            for (uint64_t edits = n == 0 ? 0 : 1 + draw() % 3; edits > 0; edits--)
                changed[draw() % n] = (uint8_t)draw_number();
            taken += compare(changed, n - (n > 0 && draw_bool() ? draw() % n : 0));
        }
        free(changed);
    }
    assert_in_range(taken, MESSAGES, MESSAGES * CHANGES);
}

/* What clients send must not miss the short way. */
static void a_usual_push_is_taken(void **state)
{
    (void)state;
    static const uint8_t header[] = {0x08, 1, 0x3A, 23,   0x0A, 1,    'j',  0x10, 0,
                                     0x18, 3, 0x20, 0x80, 0x01, 0x28, 1,    0x3A, 9,
                                     0x08, 0, 0x10, 1,    0x1A, 3,    0x10, 0x80, 0x01};
    assert_true(compare(header, sizeof header));
    assert_false(compare(header, sizeof header - 1));
}

static void verdicts_are_written_as_ever(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct reply reply = {.request = REQUEST_PUSH,
                              .request_id = draw_number(),
                              .verdict = draw_bool() ? VERDICT_ACCEPTED : VERDICT_DUPLICATE,
                              .round = draw_number(),
                              .ignored = (uint32_t)draw_number()};
        uint8_t quick[QUICK_VERDICT_BYTES];
        uint8_t ordinary[HEADER_MAX];
        Gradfold__V1__Response response;
        struct arena arena;
        struct error error;
        uint64_t body_bytes;
        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(response_build(&arena, NULL, &reply, NULL, &response, &body_bytes, &error),
                         CODE_OK);
        size_t n = gradfold__v1__response__pack(&response, ordinary);
        assert_int_equal(quick_verdict(&reply, quick), n);
        assert_memory_equal(quick, ordinary, n);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_are_read_as_ever),
        cmocka_unit_test(changed_bytes_are_read_as_ever_or_not_at_all),
        cmocka_unit_test(a_usual_push_is_taken),
        cmocka_unit_test(verdicts_are_written_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
