#include "served.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "root.h"

void served_options(struct served *t)
{
    static char text[OPTIONS_TEXT_MAX];
    char *argv[] = {"gradfoldd", "--listen", "127.0.0.1:0", "--admin", "off"};
    struct options_source source = {
        .argc = sizeof argv / sizeof *argv, .argv = argv, .environment = options_getenv};
    *t = (struct served){.n = 0};
    machine_look(&source.machine);
    assert_int_equal(options_read(&source, &t->options, text), OPTIONS_RUN);
    t->options.staging_bytes = 64 << 20;
    t->options.result_bytes = 64 << 20;
    t->options.accumulator_bytes = 64 << 20;
    signal(SIGPIPE, SIG_IGN);
}

static void on_stopped(void *ctx)
{
    struct served *t = ctx;
    if (--t->running > 0)
        return;
    uv_close((uv_handle_t *)&t->call, NULL);
    uv_close((uv_handle_t *)&t->turn, NULL);
}

static void on_turn(uv_prepare_t *turn)
{
    struct served *t = turn->data;
    if (!t->server[0])
        return;
    uint64_t bytes_in = counter_get(&t->server[0]->loops[0].counters.bytes_in);
    if (bytes_in - t->bytes_in > t->turn_bytes_max)
        t->turn_bytes_max = bytes_in - t->bytes_in;
    t->bytes_in = bytes_in;
}

static void on_call(uv_async_t *call)
{
    struct served *t = call->data;
    void (*function)(struct served *) = atomic_exchange(&t->function, NULL);
    if (function == NULL)
        return; /* libuv may wake without a reason */
    function(t);
    uv_sem_post(&t->called);
}

static void call(struct served *t, void (*function)(struct served *), int which)
{
    t->which = which;
    atomic_store(&t->function, function);
    uv_async_send(&t->call);
    uv_sem_wait(&t->called);
}

static void *run(void *ctx)
{
    struct served *t = ctx;
    uv_run(&t->loop, UV_RUN_DEFAULT);
    return NULL;
}

void served_start(struct served *t, unsigned n)
{
    struct error error;
    assert_int_equal(uv_loop_init(&t->loop), 0);
    assert_int_equal(uv_sem_init(&t->called, 0), 0);
    uv_async_init(&t->loop, &t->call, on_call);
    t->call.data = t;
    uv_prepare_init(&t->loop, &t->turn);
    t->turn.data = t;
    uv_prepare_start(&t->turn, on_turn);
    atomic_init(&t->function, NULL);
    t->n = t->running = n;
    for (unsigned i = 0; i < n; i++) {
        t->server[i] = server_new(&t->loop, &t->options, "test", NULL, on_stopped, t);
        assert_non_null(t->server[i]);
        assert_int_equal(server_start(t->server[i], &error), CODE_OK);
        assert_true(server_address(t->server[i], 0, &t->address[i]));
    }
    assert_int_equal(pthread_create(&t->thread, NULL, run, t), 0);
}

static void look(struct served *t)
{
    struct server *server = t->server[t->which];
    uv_mutex_lock(&server->mutex);
    core_stats(server->core, &t->stats);
    uv_mutex_unlock(&server->mutex);
    server_net_stats(server, &t->net_stats);
}

void served_wait(struct served *t, uint64_t receiving, uint64_t pushes, uint64_t pulls)
{
    uint64_t deadline = uv_hrtime() + UINT64_C(20000000000);
    do {
        assert_true(uv_hrtime() < deadline);
        poll(NULL, 0, 1);
        call(t, look, 0);
    } while (t->stats.bodies_receiving != receiving || t->stats.pushes_waiting != pushes ||
             t->stats.pulls_waiting != pulls);
}

static void stop(struct served *t)
{
    server_stop(t->server[t->which]);
    t->server[t->which] = NULL;
}

void served_stop(struct served *t, int i)
{
    call(t, stop, i);
}

void served_join(struct served *t)
{
    pthread_join(t->thread, NULL);
    uv_sem_destroy(&t->called);
    assert_int_equal(uv_loop_close(&t->loop), 0);
}

void served_end(struct served *t)
{
    for (int i = 0; i < (int)t->n; i++)
        if (t->server[i])
            served_stop(t, i);
    served_join(t);
}
