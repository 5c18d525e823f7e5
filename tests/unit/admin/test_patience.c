#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Clients that are slow, silent, many or gone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

static void expect_healthy(struct fixture *f)
{
    struct answer a = fixture_ask(f, "GET /healthz");
    assert_int_equal(a.status, 200);
    answer_free(&a);
}

static bool is_open(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static void silent_clients_do_not_keep_others_out(void **state)
{
    struct fixture *f = *state;
    int silent[8];
    fixture_restart(f, &(struct admin_limits){.connections = 9, .idle_s = 1});
    for (int i = 0; i < 8; i++)
        silent[i] = fixture_connect(f);
    fixture_run(f, 50);
    expect_healthy(f); /* the ninth */
    for (int i = 0; i < 8; i++) {
        assert_true(is_open(silent[i]));
        close(silent[i]);
    }
}

static void when_all_connections_are_taken_others_wait(void **state)
{
    struct fixture *f = *state;
    int silent[3];
    fixture_restart(f, &(struct admin_limits){.connections = 3, .idle_s = 1});
    for (int i = 0; i < 3; i++)
        silent[i] = fixture_connect(f);
    fixture_run(f, 50);
    expect_healthy(f); /* accepted when the silent ones are closed, after a second or two */
    for (int i = 0; i < 3; i++) {
        assert_false(is_open(silent[i]));
        close(silent[i]);
    }
}

/* A byte now and then is not progress. */
static void a_trickling_client_is_closed_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, &(struct admin_limits){.idle_s = 10, .request_ms = 300});
    int fd = fixture_connect(f);
    fixture_send(f, fd, "GET /healthz HTTP/1.1\r\n");
    uint64_t end = uv_hrtime() + UINT64_C(5000000000);
    while (is_open(fd) && uv_hrtime() < end) {
        send(fd, "x", 1, MSG_NOSIGNAL);
        fixture_run(f, 20);
    }
    assert_false(is_open(fd));
    close(fd);
    expect_healthy(f);
}

static void each_answer_renews_the_deadline(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, &(struct admin_limits){.request_ms = 400});
    int fd = fixture_connect(f);
    for (int i = 0; i < 8; i++) { /* 800 ms in all */
        fixture_send(f, fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        fixture_run(f, 100);
    }
    struct answer a;
    fixture_send(f, fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(fixture_receive(f, fd, 5000, &a));
    size_t answers = 0;
    for (const char *at = a.body; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        answers++;
    assert_int_equal(answers, 8);
    answer_free(&a);
}

static void clients_that_vanish_leave_nothing_behind(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        int fd = fixture_connect(f);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (i % 3 != 0)
            fixture_send(f, fd,
                         i % 3 == 1 ? "GET /metr" : "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        close(fd);
    }
    fixture_run(f, 100);
    struct answer a = fixture_ask(f, "GET /metrics");
    assert_non_null(strstr(a.body, "\ngradfoldd_http_connections 1\n"));
    answer_free(&a);
}

static void an_idle_admin_does_not_wake_the_loop(void **state)
{
    struct fixture *f = *state;
    int fd = fixture_connect(f);
    fixture_run(f, 50);
    unsigned before = f->turns;
    fixture_run(f, 400); /* a turn of the fixture waits 20 ms when the loop has nothing to do */
    assert_true(f->turns - before <= 40);
    close(fd);
}

/* -- Descriptors exhausted -- */

static void without_descriptors_it_waits_and_does_not_spin(void **state)
{
    struct fixture *f = *state;
    int client = fixture_connect(f); /* in the backlog: it needs a descriptor to be accepted */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int lowest = dup(client); /* all below are taken */
    close(lowest);
    struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    unsigned before = f->turns;
    fixture_run(f, 500);
    unsigned turns = f->turns - before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(turns <= 60);
    struct answer a;
    fixture_send(f, client, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(fixture_receive(f, client, 5000, &a));
    assert_int_equal(a.status, 200);
    answer_free(&a);
}

/* -- The end -- */

static void stopping_closes_silent_connections_at_once(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, &(struct admin_limits){.stop_ms = 10000});
    int silent = fixture_connect(f);
    int half = fixture_connect(f);
    fixture_send(f, half, "GET /healthz HTTP/1.1\r\nHost");
    fixture_run(f, 50);
    assert_true(fixture_stop(f, 1000));
    assert_false(is_open(silent));
    assert_false(is_open(half));
    close(silent);
    close(half);
}

static void create_large(struct fixture *f)
{
    enum {
        NODES = 100000
    };
    struct node_spec *nodes = test_calloc(NODES, sizeof *nodes);
    for (size_t i = 0; i < NODES; i++)
        nodes[i] = (struct node_spec){.name = "", .dtype = DTYPE_F32, .requires_grad = true};
    struct job_spec spec = {.name = "large",
                            .nodes = nodes,
                            .n_nodes = NODES,
                            .world_size = 1,
                            .reduction = REDUCTION_SUM,
                            .accumulation = ACCUMULATION_EXACT,
                            .non_finite = NON_FINITE_REJECT,
                            .retain_rounds = 1};
    rig_create(&f->rig, 0, &spec);
    assert_int_equal(rig_last(&f->rig)->error.code, CODE_OK);
    test_free(nodes);
}

static const char *const ask_large =
    "GET /v1/jobs/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

static void nothing(void *context)
{
    *(struct admin **)context = NULL;
}

static void an_answer_in_progress_ends_before_the_stop(void **state)
{
    struct fixture *f = *state;
    create_large(f);
    fixture_restart(f, &(struct admin_limits){.stop_ms = 15000});
    int fd = fixture_connect(f);
    fixture_send(f, fd, ask_large);
    fixture_run(f, 50);
    admin_stop(f->admin, nothing, &f->admin);
    fixture_run(f, 50);
    assert_non_null(f->admin); /* waits for the answer */
    struct answer a;
    assert_true(fixture_receive(f, fd, 15000, &a));
    json_t *json = json_loadb(a.body, a.body_length, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    answer_free(&a);
    fixture_run(f, 50);
    assert_null(f->admin);
}

static void a_client_that_does_not_read_delays_the_stop_only_so_long(void **state)
{
    struct fixture *f = *state;
    create_large(f);
    fixture_restart(f, &(struct admin_limits){.stop_ms = 200});
    int fd = fixture_connect(f);
    fixture_send(f, fd, ask_large);
    fixture_run(f, 50);
    assert_true(fixture_stop(f, 1500));
    close(fd);
}

static void nobody_is_accepted_after_the_stop(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in address = f->address;
    assert_true(fixture_stop(f, 1000));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

int main(void)
{
#define PATIENCE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PATIENCE_TEST(silent_clients_do_not_keep_others_out),
        PATIENCE_TEST(when_all_connections_are_taken_others_wait),
        PATIENCE_TEST(a_trickling_client_is_closed_at_its_deadline),
        PATIENCE_TEST(each_answer_renews_the_deadline),
        PATIENCE_TEST(clients_that_vanish_leave_nothing_behind),
        PATIENCE_TEST(an_idle_admin_does_not_wake_the_loop),
        PATIENCE_TEST(without_descriptors_it_waits_and_does_not_spin),
        PATIENCE_TEST(stopping_closes_silent_connections_at_once),
        PATIENCE_TEST(an_answer_in_progress_ends_before_the_stop),
        PATIENCE_TEST(a_client_that_does_not_read_delays_the_stop_only_so_long),
        PATIENCE_TEST(nobody_is_accepted_after_the_stop),
    };
    return cmocka_run_group_tests_name("admin_patience", tests, NULL, NULL);
}
