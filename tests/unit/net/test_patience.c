/* How long the server waits for a peer that does nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/code.h"
#include "served.h"
#include "wire.h"

enum {
    ELEMENTS = 400000,
    IDLE_MS = 500
};

struct fixture {
    struct served served;
    struct wire a, b;
    float *floats;
};

static int setup(void **state)
{
    static struct fixture f;
    served_options(&f.served);
    f.served.options.idle_ms = IDLE_MS;
    f.served.options.staging_bytes = 2 << 20;
    served_start(&f.served, 1);
    wire_connect(&f.a, &f.served.address[0]);
    wire_connect(&f.b, &f.served.address[0]);
    f.floats = wire_floats(ELEMENTS, 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->a);
    wire_close(&f->b);
    served_end(&f->served);
    free(f->floats);
    return 0;
}

static void who_stops_within_a_prefix_is_lost(void **state)
{
    struct fixture *f = *state;
    wire_write(&f->a, "GFD", 3);
    wire_expect_gone(&f->a);
}

static void who_stops_within_a_header_is_lost(void **state)
{
    struct fixture *f = *state;
    wire_write(&f->a, "GFD1\x64\0\0\0\0\0\0\0\0\0\0\0half", 20);
    wire_expect_gone(&f->a);
}

static void who_is_between_frames_may_stay(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->a, "j", 1, 1);
    for (int i = 0; i < 16; i++) /* 800 ms */
        assert_true(wire_is_silent(&f->a));
    wire_create(&f->a, "k", 1, 1);
}

static void who_stops_within_a_body_loses_its_staging(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->b, "j", ELEMENTS, 2);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 1, true);
    wire_write(&f->a, f->floats, 1000);
    wire_push_header(&f->b, "j", ELEMENTS, 1, 2, true);
    wire_write(&f->b, f->floats, ELEMENTS * sizeof(float));
    wire_expect_gone(&f->a);
    assert_int_equal(wire_receive(&f->b), CODE_OK);
}

/* B waits for A's staging far longer than the idle limit: that it is not read is not its fault. */
static void who_waits_for_staging_is_not_idle(void **state)
{
    struct fixture *f = *state;
    const char *bytes = (const char *)f->floats;
    wire_create(&f->b, "j", ELEMENTS, 2);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 1, true);
    served_wait(&f->served, 1, 0, 0);
    wire_push_header(&f->b, "j", ELEMENTS, 1, 2, true);
    for (int i = 0; i < 14; i++) { /* 700 ms, a byte every 50 */
        wire_write(&f->a, bytes + i, 1);
        assert_true(wire_is_silent(&f->b));
    }
    wire_write(&f->a, bytes + 14, ELEMENTS * sizeof(float) - 14);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    served_wait(&f->served, 1, 0, 0);
    for (int i = 0; i < 4; i++) /* its patience begins with the grant */
        assert_true(wire_is_silent(&f->b));
    wire_write(&f->b, bytes, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->b), CODE_OK);
}

static void who_does_not_read_a_reply_is_lost(void **state)
{
    enum {
        PULLS = 40
    };
    struct fixture *f = *state;
    char buffer[4096];
    wire_create(&f->a, "j", ELEMENTS, 1);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 1, true);
    wire_write(&f->a, f->floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    for (uint64_t i = 0; i < PULLS; i++)
        wire_pull(&f->a, "j", i, 1000);
    for (int i = 0; i < 16; i++)
        assert_true(wire_is_silent(&f->b));
    size_t got = 0;
    ssize_t n;
    while ((n = recv(f->a.fd, buffer, sizeof buffer, 0)) > 0)
        got += (size_t)n;
    assert_true(got < PULLS * ELEMENTS * sizeof(float));
    wire_pull(&f->b, "j", 1, 1000); /* nothing of it is left over */
    assert_int_equal(wire_receive(&f->b), CODE_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_stops_within_a_prefix_is_lost), TEST(who_stops_within_a_header_is_lost),
        TEST(who_is_between_frames_may_stay),    TEST(who_stops_within_a_body_loses_its_staging),
        TEST(who_waits_for_staging_is_not_idle), TEST(who_does_not_read_a_reply_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
