/* Whatever comes that is no good: a clear answer, and nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/code.h"
#include "proto/frame.h"
#include "served.h"
#include "wire.h"

struct fixture {
    struct served served;
    struct wire a;
};

static int setup(void **state)
{
    static struct fixture f;
    served_options(&f.served);
    f.served.options.max_body_bytes = UINT64_C(1) << 40;
    served_start(&f.served, 1);
    wire_connect(&f.a, &f.served.address[0]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->a);
    served_end(&f->served);
    return 0;
}

static int list_jobs(struct wire *w, const void *body, size_t n)
{
    Gradfold__V1__ListJobs list = GRADFOLD__V1__LIST_JOBS__INIT;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = 77;
    request.op_case = GRADFOLD__V1__REQUEST__OP_LIST_JOBS;
    request.list_jobs = &list;
    wire_send(w, &request, body, n);
    int code = wire_receive(w);
    assert_int_equal(w->response->id, 77);
    return code;
}

static void expect_usable(struct fixture *f)
{
    assert_int_equal(list_jobs(&f->a, NULL, 0), CODE_OK);
}

static void send_raw(struct fixture *f, const void *header, uint32_t n, uint64_t body_bytes)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    frame_prefix_encode(prefix, n, body_bytes);
    wire_write(&f->a, prefix, sizeof prefix);
    wire_write(&f->a, header, n);
}

/* The answer has id 0, then the server closes. */
static void expect_fatal(struct fixture *f, int code)
{
    assert_int_equal(wire_receive(&f->a), code);
    assert_int_equal(f->a.response->id, 0);
    wire_expect_end(&f->a);
}

static void wrong_magic_is_answered_and_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    wire_write(&f->a, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    expect_fatal(f, CODE_MALFORMED);
}

static void the_answer_survives_bytes_that_still_come(void **state)
{
    struct fixture *f = *state;
    static char garbage[1 << 20];
    memset(garbage, 'x', sizeof garbage);
    for (int i = 0; i < 8; i++)
        wire_write(&f->a, garbage, sizeof garbage);
    expect_fatal(f, CODE_MALFORMED);
}

static void an_empty_header_is_malformed(void **state)
{
    struct fixture *f = *state;
    send_raw(f, "", 0, 0);
    expect_fatal(f, CODE_MALFORMED);
}

static void lengths_beyond_the_limits_are_too_large(void **state)
{
    struct fixture *f = *state;
    struct wire b;
    uint8_t prefix[FRAME_PREFIX_BYTES];
    frame_prefix_encode(prefix, (4 << 20) + 1, 0);
    wire_write(&f->a, prefix, sizeof prefix);
    expect_fatal(f, CODE_TOO_LARGE);
    wire_connect(&b, &f->served.address[0]);
    frame_prefix_encode(prefix, 1, (UINT64_C(1) << 40) + 1);
    wire_write(&b, prefix, sizeof prefix);
    assert_int_equal(wire_receive(&b), CODE_TOO_LARGE);
    wire_close(&b);
}

static void garbage_after_a_valid_frame_does_not_spoil_its_answer(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "j", 1, 1);
    float one = 1;
    wire_push_header(&f->a, "j", 1, 0, 3, false);
    wire_write(&f->a, &one, sizeof one);
    wire_write(&f->a, "garbage garbage garbage", 23);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 3);
    expect_fatal(f, CODE_MALFORMED);
}

static void a_header_that_is_no_request_leaves_the_connection_usable(void **state)
{
    struct fixture *f = *state;
    static char body[300000];
    send_raw(f, "\xff\xff\xff\xff", 4, sizeof body);
    wire_write(&f->a, body, sizeof body);
    assert_int_equal(wire_receive(&f->a), CODE_MALFORMED);
    assert_int_equal(f->a.response->id, 0);
    expect_usable(f);
}

static void a_request_without_a_known_op_keeps_its_id(void **state)
{
    struct fixture *f = *state;
    send_raw(f, "\x08\x2a", 2, 3); /* id 42 */
    wire_write(&f->a, "abc", 3);
    assert_int_equal(wire_receive(&f->a), CODE_INVALID_ARGUMENT);
    assert_int_equal(f->a.response->id, 42);
    send_raw(f, "\x08\x2b\xaa\x06\x00", 5, 0); /* id 43, field 101: an op of the future */
    assert_int_equal(wire_receive(&f->a), CODE_INVALID_ARGUMENT);
    assert_int_equal(f->a.response->id, 43);
    expect_usable(f);
}

static void a_body_where_none_belongs_is_malformed(void **state)
{
    struct fixture *f = *state;
    static char body[100000];
    assert_int_equal(list_jobs(&f->a, body, sizeof body), CODE_MALFORMED);
    expect_usable(f);
}

static void the_body_of_a_refused_push_is_dropped(void **state)
{
    enum {
        ELEMENTS = 500000
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 1);
    wire_push_header(&f->a, "nobody", ELEMENTS, 0, 4, false);
    assert_int_equal(wire_receive(&f->a), CODE_NOT_FOUND); /* before its body came */
    wire_write(&f->a, floats, ELEMENTS * sizeof(float));
    expect_usable(f);
    free(floats);
}

static void a_push_refused_in_mid_body_leaves_the_connection_usable(void **state)
{
    enum {
        ELEMENTS = 200000
    };
    struct fixture *f = *state;
    struct wire b;
    float *floats = wire_floats(ELEMENTS, 1);
    wire_connect(&b, &f->served.address[0]);
    wire_create(&f->a, "gone", ELEMENTS, 1);
    wire_push_header(&f->a, "gone", ELEMENTS, 0, 4, false);
    wire_write(&f->a, floats, 1000);
    char name[] = "gone";
    Gradfold__V1__DeleteJob delete = GRADFOLD__V1__DELETE_JOB__INIT;
    delete.job = name;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = 9;
    request.op_case = GRADFOLD__V1__REQUEST__OP_DELETE_JOB;
    request.delete_job = &delete;
    served_wait(&f->served, 1, 0, 0);
    assert_int_equal(wire_ask(&b, &request), CODE_OK);
    assert_int_equal(wire_receive(&f->a), CODE_NOT_FOUND);
    assert_int_equal(f->a.response->id, 4);
    wire_write(&f->a, (char *)floats + 1000, ELEMENTS * sizeof(float) - 1000);
    expect_usable(f);
    wire_close(&b);
    free(floats);
}

static void a_peer_that_shuts_its_side_gets_what_is_decided(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "half", 1, 2);
    float one = 1;
    wire_push_header(&f->a, "half", 1, 0, 3, true);
    wire_write(&f->a, &one, sizeof one);
    wire_push_header(&f->a, "half", 1, 0, 4, false); /* its body never comes */
    shutdown(f->a.fd, SHUT_WR);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->id, 3);
    assert_int_equal(wire_receive(&f->a), CODE_INVALID_ARGUMENT); /* final already */
    wire_expect_end(&f->a);
}

static void connections_cut_anywhere_in_a_push_apply_nothing(void **state)
{
    struct fixture *f = *state;
    float values[2] = {1, 2};
    wire_create(&f->a, "cut", 2, 1);
    for (size_t cut = 0;; cut++) {
        struct wire b;
        struct address *address = &f->served.address[0];
        wire_connect(&b, address);
        if (cut < sizeof values) {
            wire_push_header(&b, "cut", 2, 0, 1, true);
            wire_write(&b, values, cut);
            wire_close(&b);
            continue;
        }
        wire_close(&b);
        break;
    }
    wire_push_header(&f->a, "cut", 2, 0, 1, true);
    wire_write(&f->a, values, sizeof values);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_int_equal(f->a.response->push->verdict, GRADFOLD__V1__VERDICT__VERDICT_ACCEPTED);
    wire_pull(&f->a, "cut", 2, 10000);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_memory_equal(f->a.body, values, sizeof values);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(wrong_magic_is_answered_and_ends_the_connection),
        TEST(the_answer_survives_bytes_that_still_come),
        TEST(an_empty_header_is_malformed),
        TEST(lengths_beyond_the_limits_are_too_large),
        TEST(garbage_after_a_valid_frame_does_not_spoil_its_answer),
        TEST(a_header_that_is_no_request_leaves_the_connection_usable),
        TEST(a_request_without_a_known_op_keeps_its_id),
        TEST(a_body_where_none_belongs_is_malformed),
        TEST(the_body_of_a_refused_push_is_dropped),
        TEST(a_push_refused_in_mid_body_leaves_the_connection_usable),
        TEST(a_peer_that_shuts_its_side_gets_what_is_decided),
        TEST(connections_cut_anywhere_in_a_push_apply_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
