/* libmicrohttpd on our loop.
 *
 * The daemon has no thread and no listening socket. It tells us one descriptor (an epoll) and one
 * time: when the descriptor is readable or the time has come, MHD_run() does what can be done
 * without waiting, and afterwards the time is another one. A response that is made piece by piece
 * comes back in every turn of the loop, so that others get theirs.
 *
 * The daemon closes a connection that is silent for limits.idle_s. One that trickles is caught by a
 * deadline of ours: from accept, or the end of the last answer, to the end of the next.
 *
 * What can go wrong:
 *   no memory for a connection   the daemon closes it, and says so by STARTED not being called
 *   a peer sends nonsense        the daemon answers 4xx and closes; its messages go to the log as
 * debug */
#include "admin/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/route.h"

enum {
    MEMORY_BYTES = 16384 /* for a connection: its request, and what is being sent */
};

struct connection {
    struct list link;
    uint64_t deadline_ms; /* of the loop's clock */
    int fd;
};

static const struct admin_limits *limits(const struct engine *e)
{
    return &e->world->config.limits;
}

/* -- Deadlines: all are equally long, so the list is in their order -- */

static void on_overdue(uv_timer_t *timer);

static void watch_first(struct engine *e)
{
    struct list *first = list_first(&e->connections);
    if (e->closing)
        return;
    if (first == NULL) {
        uv_timer_stop(&e->overdue);
        return;
    }
    uint64_t now = uv_now(e->overdue.loop);
    uint64_t deadline = list_entry(first, struct connection, link)->deadline_ms;
    uv_timer_start(&e->overdue, on_overdue, deadline > now ? deadline - now : 0, 0);
}

static void renew(struct engine *e, struct connection *c)
{
    list_remove(&c->link);
    c->deadline_ms = uv_now(e->overdue.loop) + limits(e)->request_ms;
    list_append(&e->connections, &c->link);
    watch_first(e);
}

/* The daemon sees the end of the stream and closes; the deadline is set anew for that. */
static void on_overdue(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    struct list *first = list_first(&e->connections);
    if (first == NULL)
        return;
    struct connection *c = list_entry(first, struct connection, link);
    if (c->deadline_ms <= uv_now(timer->loop)) {
        shutdown(c->fd, SHUT_RDWR);
        renew(e, c);
    }
    watch_first(e);
}

/* -- What the daemon tells -- */

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct engine *e = context;
    struct connection *c = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = calloc(1, sizeof *c);
        *socket_context = c;
        e->world->http_connections++;
        if (c == NULL)
            return; /* then the daemon's own time-out is all there is */
        c->fd = info->connect_fd;
        list_init(&c->link);
        renew(e, c);
        return;
    }
    e->world->http_connections--;
    if (c != NULL) {
        list_remove(&c->link);
        free(c);
        *socket_context = NULL;
    }
}

/* Called when the headers of a request are complete, with each piece of its body, and at its end.
 * Answering before the end makes the daemon close the connection afterwards: only a refusal is
 * worth that. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    struct engine *e = context;
    (void)version;
    (void)upload;
    if (*request != NULL)
        return *upload_size > 0 ? MHD_NO : route(e->world, connection, method, url);
    *request = e; /* so that on_answered is told */
    e->answering++;
    e->world->http_requests++;
    log_debug(e->world->config.log, LOG_GROUP_ADMIN, "request", LOG_TEXT("method", method),
              LOG_TEXT("path", url));
    return route_reads(method) ? MHD_YES : route(e->world, connection, method, url);
}

static void on_answered(void *context, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode how)
{
    struct engine *e = context;
    (void)how;
    if (*request == NULL)
        return;
    *request = NULL;
    e->answering--;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info != NULL && info->socket_context != NULL)
        renew(e, info->socket_context);
}

/* Paths are decoded by route(), where %00 and %2F can be told from what they stand for. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void on_message(void *context, const char *format,
                                                             va_list args)
{
    struct engine *e = context;
    char message[256];
    if (!log_wants(e->world->config.log, LOG_LEVEL_DEBUG))
        return;
    vsnprintf(message, sizeof message, format, args);
    log_debug(e->world->config.log, LOG_GROUP_ADMIN, "http", LOG_TEXT("detail", message));
}

/* -- Running it -- */

static void run(struct engine *e);

static void on_events(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_due(uv_timer_t *timer)
{
    run(timer->data);
}

static void run(struct engine *e)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    MHD_run(e->daemon);
    if (MHD_get_timeout(e->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&e->due, on_due, wait_ms, 0);
    else
        uv_timer_stop(&e->due);
    e->changed(e);
}

static struct MHD_Daemon *start_daemon(struct engine *e)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, e,
        MHD_OPTION_EXTERNAL_LOGGER, on_message, e, MHD_OPTION_CONNECTION_LIMIT,
        limits(e)->connections, MHD_OPTION_CONNECTION_TIMEOUT, limits(e)->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, e, MHD_OPTION_NOTIFY_COMPLETED, on_answered, e, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_END);
}

int engine_start(struct engine *e, uv_loop_t *loop, struct world *world)
{
    e->world = world;
    e->answering = 0;
    e->closing = false;
    list_init(&e->connections);
    e->daemon = start_daemon(e);
    if (e->daemon == NULL)
        return UV_ENOMEM;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(e->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int status = info == NULL ? UV_ENOTSUP : uv_poll_init(loop, &e->events, info->epoll_fd);
    if (status < 0) {
        MHD_stop_daemon(e->daemon);
        return status;
    }
    uv_timer_init(loop, &e->due);
    uv_timer_init(loop, &e->overdue);
    e->events.data = e;
    e->due.data = e;
    e->overdue.data = e;
    e->handles = 3;
    uv_poll_start(&e->events, UV_READABLE, on_events);
    return 0;
}

void engine_add(struct engine *e, int fd, const struct sockaddr *peer, socklen_t length)
{
    MHD_add_connection(e->daemon, fd, peer, length); /* closes fd when it fails */
    run(e);
}

static void on_closed(uv_handle_t *handle)
{
    struct engine *e = handle->data;
    if (--e->handles == 0)
        e->closed(e);
}

/* The poll goes before the descriptor that it polls. */
void engine_close(struct engine *e)
{
    e->closing = true;
    uv_close((uv_handle_t *)&e->events, on_closed);
    uv_close((uv_handle_t *)&e->due, on_closed);
    uv_close((uv_handle_t *)&e->overdue, on_closed);
    MHD_stop_daemon(e->daemon);
    e->daemon = NULL;
}
