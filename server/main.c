/* gradfoldd: the process around a server. What belongs to a process is decided here: its signals,
 * its limits, the size of its thread pool, the mode of its floating point unit. */
#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "fold/fold.h"
#include "server.h"

enum {
    EXIT_USAGE = 2,
    SPARE_DESCRIPTORS = 160, /* rejected connections, admin's, and what is none */
};

struct process {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct server *server;
};

/* -- The process -- */

/* Exact sums need subnormals and rounding to nearest; threads inherit the mode. */
static bool float_mode_is_sound(void)
{
#if defined(__x86_64__)
    const unsigned flush_to_zero = 0x8000, rounding = 0x6000, denormals_are_zero = 0x0040;
    if (_mm_getcsr() & (flush_to_zero | rounding | denormals_are_zero))
        return false;
#endif
    return fegetround() == FE_TONEAREST;
}

/* Libuv reads it when the pool is first used. */
static void size_thread_pool(uint64_t threads)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)threads);
    setenv("UV_THREADPOOL_SIZE", text, 1);
}

static void raise_descriptor_limit(struct server_options *options, struct log *log)
{
    struct rlimit limit;
    uint64_t wanted = options->max_connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    uint64_t possible = limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS
                                                               : SPARE_DESCRIPTORS;
    log_warn(log, LOG_GROUP_SERVER, "fewer connections than wanted: the descriptor limit is lower",
             LOG_UINT("wanted", options->max_connections), LOG_UINT("possible", possible));
    options->max_connections = possible;
}

/* -- Its life -- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;
    (void)number;
    server_stop(p->server);
}

static void watch_signals(struct process *p)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&p->loop, &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
}

static void on_stopped(void *ctx)
{
    struct process *p = ctx;
    for (int i = 0; i < 2; i++) {
        const int number = p->signals[i].signum;
        uv_close((uv_handle_t *)&p->signals[i], NULL);
        /* One more signal must not turn an orderly end into a death by it. */
        signal(number, SIG_IGN);
    }
}

static int run(struct server_options *options, const char *kernels, struct log *log)
{
    struct process p;
    struct error error;
    if (uv_loop_init(&p.loop) != 0)
        return EXIT_FAILURE;
    p.server = server_new(&p.loop, options, kernels, log, on_stopped, &p);
    if (!p.server) {
        log_error(log, LOG_GROUP_SERVER, "no memory to start", LOG_NONE);
        return EXIT_FAILURE;
    }
    watch_signals(&p);
    enum code code = server_start(p.server, &error);
    if (code != CODE_OK) {
        log_error(log, LOG_GROUP_SERVER, "cannot start", LOG_TEXT("reason", error.message));
        server_stop(p.server);
    }
    uv_run(&p.loop, UV_RUN_DEFAULT);
    uv_loop_close(&p.loop);
    if (options->port_file[0] && code == CODE_OK)
        unlink(options->port_file);
    return code == CODE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int prepare_and_run(struct server_options *options)
{
    struct log log;
    log_init(&log, STDERR_FILENO, options->log_level, options->log_format);
    if (!float_mode_is_sound()) {
        log_error(&log, LOG_GROUP_SERVER,
                  "the floating point unit flushes subnormals or does not "
                  "round to nearest: sums would not be exact",
                  LOG_NONE);
        return EXIT_FAILURE;
    }
    const char *kernels = fold_kernels_choose(options->kernels);
    if (!kernels) {
        log_error(&log, LOG_GROUP_SERVER, "this CPU lacks the kernels that are asked for",
                  LOG_TEXT("kernels", options->kernels));
        return EXIT_FAILURE;
    }
    size_thread_pool(options->threads);
    raise_descriptor_limit(options, &log);
    return run(options, kernels, &log);
}

int main(int argc, char **argv)
{
    static struct server_options options;
    static char text[OPTIONS_TEXT_MAX];
    struct options_source source = {.argc = argc, .argv = argv, .environment = options_getenv};
    machine_look(&source.machine);
    switch (options_read(&source, &options, text)) {
    case OPTIONS_PRINT:
        return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    case OPTIONS_REFUSED:
        fprintf(stderr, "gradfoldd: %s\n", text);
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    return prepare_and_run(&options);
}
