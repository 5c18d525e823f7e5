/* A server in this process does its main job over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/code.h"
#include "served.h"
#include "wire.h"

struct fixture {
    struct served served;
    struct wire a, b;
};

static int setup(void **state)
{
    static struct fixture f;
    served_options(&f.served);
    served_start(&f.served, 1);
    wire_connect(&f.a, &f.served.address[0]);
    wire_connect(&f.b, &f.served.address[0]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->a);
    wire_close(&f->b);
    served_end(&f->served);
    return 0;
}

static int hello(struct wire *w, bool has_protocol, uint32_t protocol)
{
    Gradfold__V1__Hello message = GRADFOLD__V1__HELLO__INIT;
    message.has_protocol = has_protocol;
    message.protocol = protocol;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = 5;
    request.op_case = GRADFOLD__V1__REQUEST__OP_HELLO;
    request.hello = &message;
    return wire_ask(w, &request);
}

static void hello_names_protocol_and_limits(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(hello(&f->a, true, 1), CODE_OK);
    const Gradfold__V1__HelloResult *r = f->a.response->hello;
    assert_int_equal(r->protocol, 1);
    assert_int_equal(r->max_header_bytes, 4 << 20);
    assert_true(r->max_body_bytes == UINT64_C(2) << 30);
    assert_true(strlen(r->server_version) > 0);
}

static void another_protocol_is_refused_and_the_connection_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(hello(&f->a, true, 2), CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(f->a.response->status->message, "1"));
    assert_int_equal(hello(&f->a, false, 0), CODE_INVALID_ARGUMENT);
    assert_int_equal(hello(&f->a, true, 1), CODE_OK);
}

/* Sends the body in pieces of these sizes, again and again. */
static void write_in_pieces(struct wire *w, const void *bytes, size_t n)
{
    static const size_t sizes[] = {1, 3, 65536, 17, 262144, 4096, 1000003};
    const char *at = bytes;
    for (size_t i = 0; n > 0; i++) {
        size_t piece = sizes[i % 7] < n ? sizes[i % 7] : n;
        wire_write(w, at, piece);
        at += piece;
        n -= piece;
    }
}

static void expect_floats(struct wire *w, uint64_t elements, float first, float rest)
{
    const float *floats = (const float *)(void *)w->body;
    assert_int_equal(w->body_bytes, elements * sizeof(float));
    assert_true(floats[0] == first);
    for (uint64_t i = 1; i < elements; i++)
        assert_true(floats[i] == rest);
}

static void what_is_pushed_in_any_pieces_is_what_is_pulled(void **state)
{
    enum {
        ELEMENTS = 3000001
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 2.5F);
    floats[0] = -1;
    wire_create(&f->a, "big", ELEMENTS, 2);
    wire_push_header(&f->a, "big", ELEMENTS, 0, 10, true);
    write_in_pieces(&f->a, floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 10);
    wire_pull(&f->a, "big", 99, 10000);
    wire_push_header(&f->b, "big", ELEMENTS, 1, 11, true);
    wire_write(&f->b, floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->b), CODE_OK);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 99);
    expect_floats(&f->a, ELEMENTS, -2, 5);
    free(floats);
}

static void an_empty_body_is_a_whole_push(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "empty", 0, 1);
    wire_push_header(&f->a, "empty", 0, 0, 1, true);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    wire_pull(&f->a, "empty", 2, 1000);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.body_bytes, 0);
}

static void ten_thousand_pipelined_pushes_are_answered_in_order(void **state)
{
    enum {
        PUSHES = 10000,
        ELEMENTS = 8
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 1);
    wire_create(&f->a, "many", ELEMENTS, 1);
    for (uint64_t i = 1; i <= PUSHES; i++) {
        wire_push_header(&f->a, "many", ELEMENTS, 0, i, i == PUSHES);
        wire_write(&f->a, floats, ELEMENTS * sizeof(float));
    }
    for (uint64_t i = 1; i <= PUSHES; i++) {
        assert_int_equal(wire_receive(&f->a), CODE_OK);
        assert_int_equal(f->a.response->id, i);
    }
    wire_pull(&f->a, "many", 1, 10000);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    expect_floats(&f->a, ELEMENTS, PUSHES, PUSHES);
    free(floats);
}

static void a_waiting_pull_does_not_hold_up_its_connection(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "wait", 1, 1);
    wire_pull(&f->a, "wait", 50, 10000);
    assert_int_equal(hello(&f->a, true, 1), CODE_OK);
    float one = 1;
    wire_push_header(&f->a, "wait", 1, 0, 51, true);
    wire_write(&f->a, &one, sizeof one);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 51);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 50);
}

static void a_pull_that_waited_in_vain_is_told_so(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "vain", 1, 1);
    wire_pull(&f->a, "vain", 1, 20);
    assert_int_equal(wire_receive(&f->a), CODE_DEADLINE_EXCEEDED);
}

static void two_servers_in_one_process_know_nothing_of_each_other(void **state)
{
    struct served served;
    struct wire a, b;
    (void)state;
    served_options(&served);
    served_start(&served, 2);
    wire_connect(&a, &served.address[0]);
    wire_connect(&b, &served.address[1]);
    wire_create(&a, "mine", 1, 1);
    wire_pull(&b, "mine", 1, 0);
    assert_int_equal(wire_receive(&b), CODE_NOT_FOUND);
    served_stop(&served, 0);
    wire_expect_end(&a);
    wire_create(&b, "mine", 1, 1);
    wire_close(&a);
    wire_close(&b);
    served_end(&served);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hello_names_protocol_and_limits),
        TEST(another_protocol_is_refused_and_the_connection_stays),
        TEST(what_is_pushed_in_any_pieces_is_what_is_pulled),
        TEST(an_empty_body_is_a_whole_push),
        TEST(ten_thousand_pipelined_pushes_are_answered_in_order),
        TEST(a_waiting_pull_does_not_hold_up_its_connection),
        TEST(a_pull_that_waited_in_vain_is_told_so),
        cmocka_unit_test(two_servers_in_one_process_know_nothing_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
