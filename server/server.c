/* A server's life.
 *
 * 1. new: core, loops and timers are there, nothing is listened on.
 * 2. start: I/O threads run, listeners are bound, the port file is written.
 * 3. stop: no new connections; the core answers waiting pulls and drops half-sent pushes.
 * 4. The core is idle, or two seconds are over: each loop says goodbye, for a second at most.
 * 5. Connections are closed and the last fold is back: threads end, handles close, memory is freed,
 *    `stopped`.
 *
 * What can go wrong:
 *   2'  an address is taken   start says so, and the caller stops the server
 *   4'  a fold takes long     step 5 waits for it: it reads from staging */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "root.h"

enum {
    STOP_MS = 2000
};

/* -- New -- */

/* Clients may be somewhere else in the tree of folders. */
static bool make_absolute(const char *path, char *absolute, size_t room)
{
    char folder[PATH_MAX] = "";
    bool relative = path[0] != '\0' && path[0] != '/';
    if (relative && !getcwd(folder, sizeof folder))
        return false;
    snprintf(absolute, room, "%s%s%s", folder, relative ? "/" : "", path);
    return true;
}

/* Tells this server from others, and from itself in an earlier life. */
static bool draw_instance(uint64_t *instance)
{
    return getrandom(instance, sizeof *instance, 0) == sizeof *instance;
}

static void on_news(uv_async_t *news)
{
    server_arm(news->data);
}

static bool make_core(struct server *s)
{
    const struct server_options *o = s->options;
    if (!make_absolute(o->unix_path, s->unix_path, sizeof s->unix_path) ||
        !draw_instance(&s->instance))
        return false;
    s->buffers.bytes_max = o->shared_bytes;
    struct core_config core = {
        .staging_bytes = o->staging_bytes,
        .result_bytes = o->result_bytes,
        .accumulator_bytes = o->accumulator_bytes,
        .max_body_bytes = o->max_body_bytes,
        .fold_tasks = (unsigned)o->threads,
        .segments = o->unix_path[0] != '\0',
    };
    s->core = core_new(&core);
    return s->core;
}

static void make_handles(struct server *s)
{
    uv_loop_t *loop = server_loop(s);
    must(uv_async_init(loop, &s->news, on_news) == 0); /* each loop has its descriptor already */
    uv_timer_init(loop, &s->wake);
    uv_timer_init(loop, &s->stop_timer);
    uv_prepare_init(loop, &s->stop_watch);
    s->news.data = s->wake.data = s->stop_timer.data = s->stop_watch.data = s;
    s->handles = 4;
}

static void free_parts(struct server *s)
{
    loops_free(s);
    core_free(s->core);
    uv_mutex_destroy(&s->mutex);
    free(s);
}

struct server *server_new(uv_loop_t *loop, const struct server_options *options,
                          const char *kernels, struct log *log, void (*stopped)(void *ctx),
                          void *ctx)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = options;
    s->kernels = kernels;
    s->log = log;
    s->stopped = stopped;
    s->ctx = ctx;
    s->wake_at_ms = NO_WAKE;
    list_init(&s->answers);
    if (uv_mutex_init(&s->mutex) != 0) {
        free(s);
        return NULL;
    }
    if (!make_core(s) || !loops_new(s, loop)) {
        free_parts(s);
        return NULL;
    }
    make_handles(s);
    return s;
}

/* -- Start -- */

void server_net_stats(const struct server *s, struct net_stats *sum)
{
    *sum = (struct net_stats){0};
    for (unsigned i = 0; i < s->n_loops; i++)
        net_stats_add(&s->loops[i].counters, sum);
}

static void fill_numbers(void *ctx, struct admin_numbers *numbers)
{
    const struct server *s = ctx;
    struct net_stats stats;
    server_net_stats(s, &stats);
    *numbers = (struct admin_numbers){
        .now_ms = server_now_ms(),
        .connections = stats.connections_open,
        .connections_max = s->options->max_connections,
        .connections_accepted = stats.connections_accepted,
        .connections_refused = stats.connections_rejected,
        .connections_timed_out = stats.connections_stalled,
        .requests_received = stats.frames_in,
        .frames_malformed = stats.frames_malformed,
        .bytes_received = stats.bytes_in,
        .bytes_sent = stats.bytes_out,
    };
}

static enum code start_admin(struct server *s, struct error *error)
{
    struct admin_config config = {
        .address = &s->options->admin.any,
        .core = s->core,
        .mutex = &s->mutex,
        .fill = fill_numbers,
        .context = s,
        .log = s->log,
        .version = GRADFOLD_VERSION,
        .kernels = s->kernels,
    };
    if (!s->options->has_admin)
        return CODE_OK;
    s->admin = admin_new(server_loop(s), &config, error);
    if (s->admin)
        return CODE_OK;
    error_prefix(error, "admin %s: ", s->options->admin.text);
    return error->code;
}

static enum code start_listeners(struct server *s, struct error *error)
{
    for (unsigned i = 0; i < s->options->n_listen; i++) {
        enum code code = net_listen(s->nets[0], &s->options->listen[i].any, error);
        if (code != CODE_OK)
            return code;
    }
    if (s->options->unix_path[0] == '\0')
        return CODE_OK;
    return net_listen_unix(s->nets[0], s->options->unix_path, (mode_t)s->options->unix_mode, error);
}

enum code server_start(struct server *s, struct error *error)
{
    const char *port_file = s->options->port_file;
    uv_update_time(server_loop(s));
    enum code code = loops_start(s, error);
    if (code == CODE_OK)
        code = start_listeners(s, error);
    if (code == CODE_OK)
        code = start_admin(s, error);
    if (code == CODE_OK && port_file[0])
        code = port_file_write(s, port_file, error);
    if (code != CODE_OK)
        return code;
    if (s->admin)
        admin_set_state(s->admin, ADMIN_READY);
    journal_start(s);
    return CODE_OK;
}

static void set_address(struct address *address, const struct sockaddr_storage *storage)
{
    *address = (struct address){.length = sizeof address->v4};
    if (storage->ss_family == AF_INET6)
        address->length = sizeof address->v6;
    memcpy(&address->any, storage, address->length);
    address_name(address);
}

bool server_address(const struct server *s, unsigned i, struct address *address)
{
    struct sockaddr_storage storage;
    const struct net *net = s->loops[0].net;
    if (!net || !net_address(net, i, &storage))
        return false;
    set_address(address, &storage);
    return true;
}

bool server_admin_address(const struct server *s, struct address *address)
{
    struct sockaddr_storage storage;
    if (!s->admin || !admin_address(s->admin, &storage))
        return false;
    set_address(address, &storage);
    return true;
}

/* -- Stop -- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    if (--s->handles > 0)
        return;
    void (*stopped)(void *ctx) = s->stopped;
    void *ctx = s->ctx;
    log_info(s->log, LOG_GROUP_SERVER, "stopped", LOG_NONE);
    free_parts(s);
    stopped(ctx);
}

void server_maybe_finish(struct server *s)
{
    if (s->admin || !loops_closed(s) || uv_is_closing((uv_handle_t *)&s->wake))
        return;
    uv_close((uv_handle_t *)&s->news, on_handle_closed);
    uv_close((uv_handle_t *)&s->wake, on_handle_closed);
    uv_close((uv_handle_t *)&s->stop_timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->stop_watch, on_handle_closed);
}

static void on_admin_closed(void *ctx)
{
    struct server *s = ctx;
    s->admin = NULL;
    server_maybe_finish(s);
}

static void close_parts(struct server *s)
{
    if (s->closing)
        return;
    s->closing = true;
    if (s->admin)
        admin_stop(s->admin, on_admin_closed, s);
    loops_close(s);
}

static void on_stop_time(uv_timer_t *timer)
{
    close_parts(timer->data);
}

static bool is_idle(struct server *s)
{
    uv_mutex_lock(&s->mutex);
    bool idle = core_idle(s->core);
    uv_mutex_unlock(&s->mutex);
    return idle;
}

/* Before each poll, while stopping: from nowhere within a step or a connection's tick. */
static void on_stop_watch(uv_prepare_t *prepare)
{
    struct server *s = prepare->data;
    if (is_idle(s))
        close_parts(s);
    server_maybe_finish(s);
}

void server_stop(struct server *s)
{
    if (s->stopping)
        return;
    uv_mutex_lock(&s->mutex);
    s->stopping = true;
    uv_mutex_unlock(&s->mutex);
    log_info(s->log, LOG_GROUP_SERVER, "stopping", LOG_NONE);
    if (s->admin)
        admin_set_state(s->admin, ADMIN_STOPPING);
    net_stop_listening(s->nets[0]);
    server_submit(s->loops, &(struct event){.kind = EVENT_STOP});
    uv_timer_start(&s->stop_timer, on_stop_time, STOP_MS, 0);
    uv_prepare_start(&s->stop_watch, on_stop_watch);
}
