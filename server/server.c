/* A server's life.
 *
 * 1. new: core, net and timers are there, nothing is listened on.
 * 2. start: listeners are bound, the port file is written.
 * 3. stop: no new connections; the core answers waiting pulls and drops half-sent pushes.
 * 4. The core is idle, or two seconds are over: net says goodbye, for a second at most.
 * 5. Connections are closed and the last fold is back: handles close, memory is freed, `stopped`.
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
    STOP_MS = 2000,
    FAREWELL_MS = 1000,
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

static bool make_parts(struct server *s)
{
    const struct server_options *o = s->options;
    uint64_t instance;
    if (!make_absolute(o->unix_path, s->unix_path, sizeof s->unix_path) ||
        !draw_instance(&instance))
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
    struct net_config net = {
        .core = s->core,
        .version = GRADFOLD_VERSION,
        .max_body_bytes = o->max_body_bytes,
        .max_connections = (unsigned)o->max_connections,
        .idle_ms = o->idle_ms,
        .unix_path = o->unix_path[0] != '\0' ? s->unix_path : NULL,
        .instance = instance,
        .buffers = &s->buffers,
        .submit = server_submit,
        .note = journal_note,
        .ctx = s,
    };
    s->net = s->core ? net_new(s->loop, &net) : NULL;
    return s->net;
}

static void make_handles(struct server *s)
{
    uv_timer_init(s->loop, &s->wake);
    uv_timer_init(s->loop, &s->stop_timer);
    uv_prepare_init(s->loop, &s->stop_watch);
    s->wake.data = s->stop_timer.data = s->stop_watch.data = s;
    s->handles = 3;
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
    s->loop = loop;
    s->stopped = stopped;
    s->ctx = ctx;
    s->wake_at_ms = NO_WAKE;
    list_init(&s->answers);
    if (!make_parts(s)) {
        core_free(s->core);
        free(s);
        return NULL;
    }
    make_handles(s);
    return s;
}

/* -- Start -- */

static void fill_numbers(void *ctx, struct admin_numbers *numbers)
{
    const struct server *s = ctx;
    static const struct net_stats none;
    const struct net_stats *stats = s->net ? net_stats(s->net) : &none;
    *numbers = (struct admin_numbers){
        .now_ms = server_now_ms(),
        .connections = stats->connections_open,
        .connections_max = s->options->max_connections,
        .connections_accepted = stats->connections_accepted,
        .connections_refused = stats->connections_rejected,
        .connections_timed_out = stats->connections_stalled,
        .requests_received = stats->frames_in,
        .frames_malformed = stats->frames_malformed,
        .bytes_received = stats->bytes_in,
        .bytes_sent = stats->bytes_out,
    };
}

static enum code start_admin(struct server *s, struct error *error)
{
    struct admin_config config = {
        .address = &s->options->admin.any,
        .core = s->core,
        .fill = fill_numbers,
        .context = s,
        .log = s->log,
        .version = GRADFOLD_VERSION,
        .kernels = s->kernels,
    };
    if (!s->options->has_admin)
        return CODE_OK;
    s->admin = admin_new(s->loop, &config, error);
    if (s->admin)
        return CODE_OK;
    error_prefix(error, "admin %s: ", s->options->admin.text);
    return error->code;
}

static enum code start_listeners(struct server *s, struct error *error)
{
    for (unsigned i = 0; i < s->options->n_listen; i++) {
        enum code code = net_listen(s->net, &s->options->listen[i].any, error);
        if (code != CODE_OK)
            return code;
    }
    if (s->options->unix_path[0] == '\0')
        return CODE_OK;
    return net_listen_unix(s->net, s->options->unix_path, (mode_t)s->options->unix_mode, error);
}

enum code server_start(struct server *s, struct error *error)
{
    const char *port_file = s->options->port_file;
    uv_update_time(s->loop);
    enum code code = start_listeners(s, error);
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
    if (!s->net || !net_address(s->net, i, &storage))
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
    core_free(s->core);
    free(s);
    stopped(ctx);
}

static void maybe_finish(struct server *s)
{
    if (s->net || s->admin || s->folds > 0 || uv_is_closing((uv_handle_t *)&s->wake))
        return;
    uv_close((uv_handle_t *)&s->wake, on_handle_closed);
    uv_close((uv_handle_t *)&s->stop_timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->stop_watch, on_handle_closed);
}

static void on_net_closed(void *ctx)
{
    struct server *s = ctx;
    s->net = NULL; /* admin may still be asked for numbers */
    maybe_finish(s);
}

static void on_admin_closed(void *ctx)
{
    struct server *s = ctx;
    s->admin = NULL;
    maybe_finish(s);
}

static void close_net(struct server *s)
{
    if (s->net_closing)
        return;
    s->net_closing = true;
    if (s->admin)
        admin_stop(s->admin, on_admin_closed, s);
    net_close(s->net, FAREWELL_MS, on_net_closed, s);
}

static void on_stop_time(uv_timer_t *timer)
{
    close_net(timer->data);
}

/* Before each poll, while stopping: from nowhere within a step or a connection's tick. */
static void on_stop_watch(uv_prepare_t *prepare)
{
    struct server *s = prepare->data;
    if (core_idle(s->core))
        close_net(s);
    maybe_finish(s);
}

void server_stop(struct server *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    log_info(s->log, LOG_GROUP_SERVER, "stopping", LOG_NONE);
    if (s->admin)
        admin_set_state(s->admin, ADMIN_STOPPING);
    net_stop_listening(s->net);
    server_submit(s, &(struct event){.kind = EVENT_STOP});
    uv_timer_start(&s->stop_timer, on_stop_time, STOP_MS, 0);
    uv_prepare_start(&s->stop_watch, on_stop_watch);
}
