#include "rig.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"
#include "root.h"

static void read_options(struct server_options *options)
{
    static char text[OPTIONS_TEXT_MAX];
    char *argv[] = {"gradfoldd", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"};
    struct options_source source = {
        .argc = sizeof argv / sizeof *argv, .argv = argv, .environment = options_getenv};
    machine_look(&source.machine);
    must(options_read(&source, options, text) == OPTIONS_RUN);
    options->has_admin = false;
    options->threads = 2;
    options->max_connections = 32;
    options->staging_bytes = options->result_bytes = options->accumulator_bytes = 64 << 20;
}

/* 127.x.y.z, of this process alone: a port that a stopped server gave back is soon that of another
 * one, whom a client that is still trying must not meet. */
static uint32_t own_address(void)
{
    uint32_t pid = (uint32_t)getpid();
    return 0x7f000000 | ((1 + pid / 62500 % 250) << 16) | ((1 + pid / 250 % 250) << 8) |
           (1 + pid % 250);
}

void rig_listen_on_localhost(struct rig *rig)
{
    rig->options.listen[0].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

void rig_init(struct rig *rig)
{
    static struct server_options options;
    if (options.threads == 0) {
        read_options(&options);
        rig_make_vectors();
    }
    memset(rig, 0, sizeof *rig);
    rig->options = options;
    rig->options.listen[0].v4.sin_addr.s_addr = htonl(own_address());
    rig->options.admin.v4.sin_addr.s_addr = htonl(own_address());
    rig->timeout_ms = RIG_PATIENCE_MS;
}

void rig_fail(struct rig *rig, const char *format, ...)
{
    va_list arguments;
    if (rig->failure[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(rig->failure, sizeof rig->failure, format, arguments);
    va_end(arguments);
}

/* -- The server -- */

static void on_stopped(void *ctx)
{
    struct rig *rig = ctx;
    rig->server = NULL;
    uv_close((uv_handle_t *)&rig->call, NULL);
}

static void on_call(uv_async_t *call)
{
    struct rig *rig = call->data;
    void (*function)(struct rig *) = rig->function;
    if (function == NULL)
        return;
    rig->function = NULL;
    enum plan_side side = plan_enter(SIDE_TEST);
    function(rig);
    plan_enter(side);
    uv_sem_post(&rig->called);
}

static void *run(void *data)
{
    struct rig *rig = data;
    plan_enter(SIDE_SERVER);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    return NULL;
}

static bool start_server(struct rig *rig)
{
    struct error error;
    plan_enter(SIDE_SERVER);
    rig->server = server_new(&rig->loop, &rig->options, "test", NULL, on_stopped, rig);
    if (rig->server == NULL)
        return false;
    enum code code = server_start(rig->server, &error);
    bool named = code == CODE_OK && server_address(rig->server, 0, &rig->address) &&
                 (!rig->options.has_admin || server_admin_address(rig->server, &rig->admin));
    if (code != CODE_OK && (error.code != code || error.message[0] == '\0'))
        rig_fail(rig, "server_start: %d without a message", (int)code);
    return named;
}

bool rig_serve(struct rig *rig)
{
    enum plan_side side = plan_enter(SIDE_TEST);
    must(uv_loop_init(&rig->loop) == 0 && uv_sem_init(&rig->called, 0) == 0);
    must(uv_async_init(&rig->loop, &rig->call, on_call) == 0);
    rig->call.data = rig;
    rig->serving = start_server(rig);
    plan_enter(SIDE_TEST);
    if (rig->strict && !rig->serving)
        rig_fail(rig, "the server does not start");
    rig->made = rig->server != NULL;
    if (!rig->made)
        uv_close((uv_handle_t *)&rig->call, NULL);
    rig->running = true;
    must(pthread_create(&rig->thread, NULL, run, rig) == 0);
    plan_enter(side);
    return rig->serving;
}

void rig_call(struct rig *rig, void (*function)(struct rig *rig))
{
    enum plan_side side = plan_enter(SIDE_TEST);
    rig->function = function;
    uv_async_send(&rig->call);
    uv_sem_wait(&rig->called);
    plan_enter(side);
}

static void ask_to_stop(struct rig *rig)
{
    plan_enter(SIDE_SERVER);
    server_stop(rig->server);
}

void rig_stop(struct rig *rig)
{
    if (rig->made && !rig->asked)
        rig_call(rig, ask_to_stop);
    rig->asked = true;
    rig->serving = false;
}

static void look(struct rig *rig)
{
    uv_mutex_lock(&rig->server->mutex);
    core_stats(rig->server->core, &rig->stats);
    uv_mutex_unlock(&rig->server->mutex);
    server_net_stats(rig->server, &rig->net_stats);
}

void rig_look(struct rig *rig)
{
    rig_call(rig, look);
}

void rig_wait(struct rig *rig, uint64_t pulls, uint64_t pushes)
{
    uint64_t patience_ms = rig->forever ? 20 : rig->strict ? RIG_PATIENCE_MS : 200;
    uint64_t deadline = uv_hrtime() + patience_ms * 1000000;
    do {
        rig_look(rig);
        if (rig->stats.pulls_waiting >= pulls && rig->stats.pushes_waiting >= pushes)
            return;
    } while (uv_hrtime() < deadline);
    if (rig->strict)
        rig_fail(rig, "no %d pulls and %d pushes that wait", (int)pulls, (int)pushes);
}

void rig_end(struct rig *rig)
{
    enum plan_side side = plan_enter(SIDE_TEST);
    for (int i = 0; i < RIG_CLIENTS; i++)
        gf_close(rig->client[i]);
    if (rig->running) {
        rig_stop(rig);
        pthread_join(rig->thread, NULL);
        if (uv_loop_close(&rig->loop) != 0)
            rig_fail(rig, "the loop still has handles");
        uv_sem_destroy(&rig->called);
    }
    plan_enter(side);
}

/* -- Verdicts -- */

static bool is_clear(const struct rig *rig, gf_code code)
{
    switch (code) {
    case GF_OK:
    case GF_NOT_FOUND: /* what was to be there could not be made */
    case GF_FUTURE_ROUND:
    case GF_STALE_ROUND:
    case GF_RESOURCE_EXHAUSTED:
    case GF_UNAVAILABLE:
    case GF_CLIENT_NO_MEMORY:
    case GF_CLIENT_SYSTEM:
        return true;
    case GF_DEADLINE_EXCEEDED:
    case GF_CLIENT_UNREACHABLE:
        return rig->forever;
    default:
        return false;
    }
}

void rig_check(struct rig *rig, const char *what, gf_code code, gf_code expected)
{
    if (code == expected)
        return;
    if (rig->strict || !is_clear(rig, code))
        rig_fail(rig, "%s: %s instead of %s: %s", what, gf_code_name(code), gf_code_name(expected),
                 rig->error.message);
    else if (code != GF_OK && rig->error.message[0] == '\0')
        rig_fail(rig, "%s: %s without a message", what, gf_code_name(code));
}
