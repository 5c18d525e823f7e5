/* Several I/O loops serve one core: what one of them decides is heard by connections of the
 * others. Clients connect one after the other, so that it is known which loop has whom. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/code.h"
#include "root.h"
#include "served.h"
#include "wire.h"

enum {
    LOOPS = 3,
    CLIENTS = 2 * LOOPS,
    ELEMENTS = 200000, /* 800 kB: staging holds one such body */
};

struct fixture {
    struct served served;
    struct wire clients[CLIENTS]; /* client i is of loop i modulo LOOPS */
    unsigned n_clients;
};

static unsigned open_on(const struct fixture *f, unsigned loop)
{
    return atomic_load(&f->served.server[0]->loops[loop].counters.connections_open);
}

/* A connection is where it belongs when it has been answered. */
static struct wire *connect_client(struct fixture *f)
{
    struct wire *w = &f->clients[f->n_clients++];
    wire_connect(w, &f->served.address[0]);
    wire_create(w, "common", 1, 1);
    return w;
}

static int setup_with(void **state, uint64_t max_connections)
{
    static struct fixture f;
    f = (struct fixture){.n_clients = 0};
    served_options(&f.served);
    f.served.options.io_threads = LOOPS;
    f.served.options.staging_bytes = 1 << 20;
    f.served.options.max_connections = max_connections;
    served_start(&f.served, 1);
    *state = &f;
    return 0;
}

static int setup_few(void **state)
{
    return setup_with(state, CLIENTS - 1);
}

static int setup(void **state)
{
    setup_with(state, 100);
    while (((struct fixture *)*state)->n_clients < CLIENTS)
        connect_client(*state);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < f->n_clients; i++)
        wire_close(&f->clients[i]);
    served_end(&f->served);
    return 0;
}

static void delete_j(struct wire *w)
{
    char name[] = "j";
    Gradfold__V1__DeleteJob message = GRADFOLD__V1__DELETE_JOB__INIT;
    message.job = name;
    wire_request request = GRADFOLD__V1__REQUEST__INIT;
    request.has_id = true;
    request.id = 77;
    request.op_case = GRADFOLD__V1__REQUEST__OP_DELETE_JOB;
    request.delete_job = &message;
    assert_int_equal(wire_ask(w, &request), CODE_OK);
}

static void wait_for_open(const struct fixture *f, unsigned loop, unsigned n)
{
    for (int left = 20000; open_on(f, loop) != n; left--) {
        assert_true(left > 0);
        poll(NULL, 0, 1);
    }
}

static void connections_are_spread_evenly(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(open_on(f, i), CLIENTS / LOOPS);
}

static void a_new_connection_goes_where_the_fewest_are(void **state)
{
    struct fixture *f = *state;
    wire_close(&f->clients[1]);
    wait_for_open(f, 1, CLIENTS / LOOPS - 1);
    wire_connect(&f->clients[1], &f->served.address[0]);
    wire_create(&f->clients[1], "common", 1, 1);
    connections_are_spread_evenly(state);
}

static void the_limit_is_that_of_all_loops_together(void **state)
{
    struct fixture *f = *state;
    while (f->n_clients < CLIENTS - 1)
        connect_client(f);
    struct wire *last = &f->clients[f->n_clients++];
    wire_connect(last, &f->served.address[0]);
    assert_int_equal(wire_receive(last), CODE_RESOURCE_EXHAUSTED);
    wire_expect_end(last);
}

static void a_round_that_one_loop_closes_is_pulled_on_all(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->clients[0], "j", ELEMENTS, 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        wire_pull(&f->clients[i], "j", 10 + i, 20000);
    served_wait(&f->served, 0, 0, CLIENTS);
    wire_push_header(&f->clients[1], "j", ELEMENTS, 0, 1, true);
    float *floats = wire_floats(ELEMENTS, 3);
    wire_write(&f->clients[1], floats, ELEMENTS * sizeof(float));
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct wire *w = &f->clients[i];
        assert_int_equal(wire_receive(w), CODE_OK);
        if (w->response->id == 1) /* its own verdict comes first */
            assert_int_equal(wire_receive(w), CODE_OK);
        assert_int_equal(w->response->id, 10 + i);
        assert_int_equal(w->body_bytes, ELEMENTS * sizeof(float));
        assert_memory_equal(w->body, floats, ELEMENTS * sizeof(float));
    }
    free(floats);
}

/* The timer is the first loop's, which has no part in this. */
static void a_deadline_passes_on_another_loop(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->clients[1], "j", 1, 1);
    wire_pull(&f->clients[1], "j", 10, 60);
    wire_pull(&f->clients[2], "j", 11, 20); /* earlier than what the timer is set to */
    assert_int_equal(wire_receive(&f->clients[2]), CODE_DEADLINE_EXCEEDED);
    assert_int_equal(wire_receive(&f->clients[1]), CODE_DEADLINE_EXCEEDED);
}

static void staging_that_one_loop_frees_is_granted_to_another(void **state)
{
    struct fixture *f = *state;
    struct wire *a = &f->clients[1];
    struct wire *b = &f->clients[2];
    wire_create(a, "j", ELEMENTS, 2);
    wire_push_header(a, "j", ELEMENTS, 0, 1, true);
    served_wait(&f->served, 1, 0, 0);
    wire_push_header(b, "j", ELEMENTS, 1, 2, true);
    served_wait(&f->served, 1, 1, 0);
    wire_close(a); /* half-sent: it counts for nothing */
    wire_connect(a, &f->served.address[0]);
    float *floats = wire_floats(ELEMENTS, 2);
    wire_write(b, floats, ELEMENTS * sizeof(float));
    assert_int_equal(wire_receive(b), CODE_OK);
    free(floats);
}

static void a_body_that_another_loop_refuses_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct wire *a = &f->clients[1];
    float *floats = wire_floats(ELEMENTS, 2);
    wire_create(a, "j", ELEMENTS, 1);
    wire_push_header(a, "j", ELEMENTS, 0, 1, true);
    wire_write(a, floats, 1000);
    served_wait(&f->served, 1, 0, 0);
    delete_j(&f->clients[2]);
    assert_int_equal(wire_receive(a), CODE_NOT_FOUND);
    assert_int_equal(a->response->id, 1);
    wire_write(a, (const char *)floats + 1000, ELEMENTS * sizeof(float) - 1000);
    wire_create(a, "j", 1, 1); /* the connection goes on */
    served_wait(&f->served, 0, 0, 0);
    free(floats);
}

static void who_leaves_while_an_answer_is_under_way_leaves_nothing_behind(void **state)
{
    enum {
        TIMES = 200
    };
    struct fixture *f = *state;
    struct wire *pusher = &f->clients[0];
    const float one = 1;
    for (unsigned i = 0; i < TIMES; i++) {
        struct wire *puller = &f->clients[1 + i % (CLIENTS - 1)];
        wire_create(pusher, "j", 1, 1);
        wire_pull(puller, "j", 9, 20000);
        served_wait(&f->served, 0, 0, 1);
        wire_push_header(pusher, "j", 1, 0, 1, true);
        wire_write(pusher, &one, sizeof one);
        wire_close(puller);
        assert_int_equal(wire_receive(pusher), CODE_OK);
        delete_j(pusher);
        wire_connect(puller, &f->served.address[0]);
    }
    for (unsigned i = 1; i < CLIENTS; i++)
        wire_create(&f->clients[i], "common", 1, 1);
    served_wait(&f->served, 0, 0, 0);
    assert_int_equal(f->served.stats.results_used, 0);
    assert_int_equal(f->served.stats.staging_used, 0);
}

static void a_stop_is_heard_on_all(void **state)
{
    struct fixture *f = *state;
    wire_create(&f->clients[0], "j", 1, 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        wire_pull(&f->clients[i], "j", 10, 20000);
    served_wait(&f->served, 0, 0, CLIENTS);
    served_stop(&f->served, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(wire_receive(&f->clients[i]), CODE_UNAVAILABLE);
        wire_expect_end(&f->clients[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(connections_are_spread_evenly),
        TEST(a_new_connection_goes_where_the_fewest_are),
        cmocka_unit_test_setup_teardown(the_limit_is_that_of_all_loops_together, setup_few,
                                        teardown),
        TEST(a_round_that_one_loop_closes_is_pulled_on_all),
        TEST(a_deadline_passes_on_another_loop),
        TEST(staging_that_one_loop_frees_is_granted_to_another),
        TEST(a_body_that_another_loop_refuses_is_dropped),
        TEST(who_leaves_while_an_answer_is_under_way_leaves_nothing_behind),
        TEST(a_stop_is_heard_on_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
