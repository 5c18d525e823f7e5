/* How a server ends: whoever waits is told, what is committed is finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
    wire_create(&f.a, "accepted", 1, 1); /* from here on both are known to the server */
    wire_create(&f.b, "accepted", 1, 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->a);
    wire_close(&f->b);
    return 0;
}

static void waiting_pulls_are_answered_unavailable(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->b, "j", 1, 1);
    wire_pull(&f->a, "j", 4, 60000);
    served_wait(&f->served, 0, 0, 1);
    served_stop(&f->served, 0);
    assert_int_equal(wire_receive(&f->a), CODE_UNAVAILABLE);
    assert_int_equal(f->a.response->id, 4);
    wire_expect_end(&f->a);
    wire_expect_end(&f->b);
    served_join(&f->served);
}

static void half_sent_pushes_are_answered_unavailable(void **state)
{
    enum {
        ELEMENTS = 100000
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 1);
    wire_create(&f->a, "j", ELEMENTS, 1);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 5, true);
    wire_write(&f->a, floats, 1000);
    served_wait(&f->served, 1, 0, 0);
    served_stop(&f->served, 0);
    assert_int_equal(wire_receive(&f->a), CODE_UNAVAILABLE);
    assert_int_equal(f->a.response->id, 5);
    wire_expect_end(&f->a);
    served_join(&f->served);
    free(floats);
}

static void a_reply_on_its_way_arrives_whole(void **state)
{
    enum {
        ELEMENTS = 4 << 20
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 3);
    wire_create(&f->a, "j", ELEMENTS, 1);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 5, true);
    wire_write(&f->a, floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    wire_pull(&f->a, "j", 6, 10000);
    char byte;
    assert_int_equal(recv(f->a.fd, &byte, 1, MSG_PEEK), 1); /* it has begun to come */
    served_stop(&f->served, 0);
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    assert_memory_equal(f->a.body, floats, ELEMENTS * sizeof(float));
    wire_expect_end(&f->a);
    served_join(&f->served);
    free(floats);
}

static void who_does_not_read_cannot_keep_it_up(void **state)
{
    enum {
        ELEMENTS = 4 << 20
    };
    struct fixture *f = *state;
    float *floats = wire_floats(ELEMENTS, 3);
    wire_create(&f->a, "j", ELEMENTS, 1);
    wire_push_header(&f->a, "j", ELEMENTS, 0, 5, true);
    wire_write(&f->a, floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(&f->a), CODE_OK);
    for (uint64_t i = 6; i < 10; i++)
        wire_pull(&f->a, "j", i, 10000);
    char byte;
    assert_int_equal(recv(f->a.fd, &byte, 1, MSG_PEEK), 1);
    served_stop(&f->served, 0);
    served_join(&f->served); /* or the test's own deadline strikes */
    free(floats);
}

static void new_connections_are_not_accepted(void **state)
{
    struct fixture *f = *state;
    served_stop(&f->served, 0);
    wire_expect_end(&f->a);
    served_join(&f->served);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct address *address = &f->served.address[0];
    assert_int_equal(connect(fd, &address->any, address->length), -1);
    close(fd);
}

static void the_port_file_says_where_it_listens(void **state)
{
    struct served served;
    char line[128], expected[128];
    (void)state;
    served_options(&served);
    snprintf(served.options.port_file, sizeof served.options.port_file, "/tmp/gradfold-%ld.ports",
             (long)getpid());
    served_start(&served, 1);
    FILE *file = fopen(served.options.port_file, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    snprintf(expected, sizeof expected, "listen %s\n", served.address[0].text);
    assert_string_equal(line, expected);
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
    unlink(served.options.port_file);
    served_end(&served);
}

struct lone {
    uv_loop_t loop;
    bool stopped;
};

static void note_stopped(void *ctx)
{
    ((struct lone *)ctx)->stopped = true;
}

static void an_address_that_is_taken_is_an_error_and_no_end(void **state)
{
    struct served served;
    struct lone lone = {.stopped = false};
    struct server_options options;
    struct error error;
    (void)state;
    served_options(&served);
    served_start(&served, 1);
    options = served.options;
    options.listen[0] = served.address[0];
    uv_loop_init(&lone.loop);
    struct server *server = server_new(&lone.loop, &options, "test", NULL, note_stopped, &lone);
    assert_int_equal(server_start(server, &error), CODE_UNAVAILABLE);
    assert_non_null(strstr(error.message, served.address[0].text));
    server_stop(server);
    server_stop(server);
    uv_run(&lone.loop, UV_RUN_DEFAULT);
    assert_true(lone.stopped);
    assert_int_equal(uv_loop_close(&lone.loop), 0);
    served_end(&served);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(waiting_pulls_are_answered_unavailable),
        TEST(half_sent_pushes_are_answered_unavailable),
        TEST(a_reply_on_its_way_arrives_whole),
        TEST(who_does_not_read_cannot_keep_it_up),
        TEST(new_connections_are_not_accepted),
        cmocka_unit_test(the_port_file_says_where_it_listens),
        cmocka_unit_test(an_address_that_is_taken_is_an_error_and_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
