/* The connections of one loop, their clock, and their end.
 *
 * Whoever has news for a connection puts it on the dirty list; before the loop polls again, each of
 * those is ticked, which also sends what it has to say. One timer sweeps all connections for
 * stalled ones.
 *
 * The bell rings when another loop has something: mail for connections, connections that it has
 * accepted for us, or the end.
 *
 * The end: net_close() rings; we say goodbye to all connections, the sweep closes those that are
 * late, the last one closes bell, prepare and sweep, and with the last handle net calls `closed`
 * and is gone. */
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/limits.h"
#include "net/listener.h"
#include "net/mail.h"

enum {
    SWEEP_MS_MAX = 250,
    SWEEPS_PER_IDLE = 4
};

void net_raise(struct net *net, enum event_kind kind, struct peer *peer)
{
    struct event event = {.kind = kind, .peer = peer};
    net->config.submit(net->config.ctx, &event);
}

/* -- Turns and time -- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct net *net = prepare->data;
    struct list *link;
    net->turn++;
    while ((link = list_first(&net->dirty))) {
        struct connection *c = list_entry(link, struct connection, dirty);
        list_remove(link);
        connection_tick(c);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct net *net = timer->data;
    uint64_t now_ms = uv_now(net->loop);
    bool late = net->closing && now_ms >= net->close_deadline_ms;
    list_each (link, &net->listeners)
        listener_resume(list_entry(link, struct listener, link));
    list_each (link, &net->connections) {
        struct connection *c = list_entry(link, struct connection, link);
        if (late)
            connection_close(c);
        else if (c->state != CONNECTION_CLOSED)
            connection_sweep(c, now_ms);
    }
}

/* -- The core's actions -- */

static struct connection *connection_of(struct peer *peer)
{
    return list_entry(peer, struct connection, peer);
}

void connection_look(struct connection *c)
{
    c->intake = c->peer.intake.state;
    c->committed = !list_empty(&c->peer.committed);
}

void connection_set_dirty(struct connection *c)
{
    if (c->state != CONNECTION_CLOSED && list_empty(&c->dirty))
        list_append(&c->net->dirty, &c->dirty);
}

void net_look(struct peer *peer)
{
    connection_look(connection_of(peer));
}

void net_grant(struct net *here, struct peer *peer)
{
    struct connection *c = connection_of(peer);
    if (c->net != here) {
        mail_news(c);
        return;
    }
    connection_look(c);
    connection_set_dirty(c);
}

bool net_reply(struct net *here, const struct reply *reply)
{
    struct connection *c = connection_of(reply->peer);
    bool sent = dispatch_reply(c, reply, c->net == here);
    net_grant(here, reply->peer); /* it may be about the intake */
    return sent;
}

/* -- Names -- */

const char *net_address_name(const struct sockaddr *address, char name[static NET_NAME_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    union {
        const struct sockaddr *any;
        const struct sockaddr_in *v4;
        const struct sockaddr_in6 *v6;
    } u = {address};
    if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &u.v6->sin6_addr, host, sizeof host);
        snprintf(name, NET_NAME_MAX, "[%s]:%u", host, ntohs(u.v6->sin6_port));
    } else {
        inet_ntop(AF_INET, &u.v4->sin_addr, host, sizeof host);
        snprintf(name, NET_NAME_MAX, "%s:%u", host, ntohs(u.v4->sin_port));
    }
    return name;
}

/* Who is at the other end of a Unix socket has no address, but is known. */
static void name_process(int fd, char name[static NET_NAME_MAX])
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        snprintf(name, NET_NAME_MAX, "?");
    else
        snprintf(name, NET_NAME_MAX, "unix:pid=%d,uid=%u", peer.pid, peer.uid);
}

void connection_name(struct connection *c)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t size = sizeof address;
    if (c->socket.family == SOCKET_UNIX)
        name_process(c->socket.fd, c->name);
    else if (getpeername(c->socket.fd, (struct sockaddr *)&address, &size) != 0)
        snprintf(c->name, sizeof c->name, "?");
    else
        net_address_name((struct sockaddr *)&address, c->name);
}

const char *net_peer_name(const struct peer *peer)
{
    const char *from = (const char *)peer - offsetof(struct connection, peer);
    return ((const struct connection *)(const void *)from)->name;
}

bool net_address(const struct net *net, unsigned i, struct sockaddr_storage *address)
{
    list_each (link, &net->listeners) {
        const struct listener *l = list_entry(link, struct listener, link);
        socklen_t size = sizeof *address;
        if (!l->file.path[0] && i-- == 0)
            return getsockname(l->fd, (struct sockaddr *)address, &size) == 0;
    }
    return false;
}

/* -- Life -- */

static void on_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

/* With the last connection go bell, prepare and sweep, with the last handle goes net. */
static void maybe_finish(struct net *net)
{
    if (net->closing && !net->finishing && list_empty(&net->connections)) {
        net->finishing = true;
        uv_close((uv_handle_t *)&net->bell, on_closed);
        uv_close((uv_handle_t *)&net->prepare, on_closed);
        uv_close((uv_handle_t *)&net->sweep, on_closed);
    }
    if (net->handles > 0)
        return;
    void (*closed)(void *ctx) = net->closed;
    void *ctx = net->closed_ctx;
    net_free(net);
    closed(ctx);
}

static void open_arrivals(struct list *arrivals)
{
    list_each (link, arrivals) {
        list_remove(link);
        connection_open(list_entry(link, struct connection, link));
    }
}

static void begin_close(struct net *net)
{
    net->closing = true;
    net->close_deadline_ms = uv_now(net->loop) + net->farewell_ms;
    net_stop_listening(net);
    list_each (link, &net->connections) {
        struct connection *c = list_entry(link, struct connection, link);
        if (c->state != CONNECTION_CLOSED)
            connection_farewell(c);
    }
    maybe_finish(net);
}

static void on_bell(uv_async_t *bell)
{
    struct net *net = bell->data;
    struct list arrivals;
    list_init(&arrivals);
    uv_mutex_lock(net->config.mutex);
    net_collect(net);
    list_move(&arrivals, &net->arrivals);
    bool close = net->closed && !net->closing;
    uv_mutex_unlock(net->config.mutex);
    open_arrivals(&arrivals);
    if (close)
        begin_close(net);
}

struct net *net_new(const struct net_config *config)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return NULL;
    net->config = *config;
    net->limits = (struct frame_limits){LIMIT_HEADER_BYTES, config->max_body_bytes};
    list_init(&net->listeners);
    list_init(&net->connections);
    list_init(&net->dirty);
    list_init(&net->mailed);
    list_init(&net->arrivals);
    arena_init(&net->requests, LIMIT_HEADER_ARENA_BYTES);
    arena_init(&net->replies, LIMIT_HEADER_ARENA_BYTES);
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    arena_free(&net->requests);
    arena_free(&net->replies);
    free(net);
}

void net_start(struct net *net, uv_loop_t *loop)
{
    uint64_t period = net->config.idle_ms / SWEEPS_PER_IDLE;
    if (period > SWEEP_MS_MAX)
        period = SWEEP_MS_MAX;
    if (period == 0)
        period = 1;
    net->loop = loop;
    must(uv_async_init(loop, &net->bell, on_bell) == 0); /* a loop has its descriptor already */
    uv_prepare_init(loop, &net->prepare);
    uv_timer_init(loop, &net->sweep);
    net->bell.data = net->prepare.data = net->sweep.data = net;
    net->handles = 3;
    uv_prepare_start(&net->prepare, on_prepare);
    uv_timer_start(&net->sweep, on_sweep, period, period);
}

enum code net_listen(struct net *net, const struct sockaddr *address, struct error *error)
{
    return listener_new(net, address, error);
}

enum code net_listen_unix(struct net *net, const char *path, mode_t mode, struct error *error)
{
    return listener_new_unix(net, path, mode, error);
}

void net_stats_add(const struct net_counters *c, struct net_stats *sum)
{
    sum->connections_open += atomic_load(&c->connections_open);
    sum->connections_accepted += counter_get(&c->connections_accepted);
    sum->connections_rejected += counter_get(&c->connections_rejected);
    sum->connections_stalled += counter_get(&c->connections_stalled);
    sum->bytes_in += counter_get(&c->bytes_in);
    sum->bytes_out += counter_get(&c->bytes_out);
    sum->frames_in += counter_get(&c->frames_in);
    sum->frames_malformed += counter_get(&c->frames_malformed);
    sum->accept_pauses += counter_get(&c->accept_pauses);
}

void net_stop_listening(struct net *net)
{
    list_each (link, &net->listeners)
        listener_close(list_entry(link, struct listener, link));
}

void net_handle_closed(struct net *net)
{
    net->handles--;
    maybe_finish(net);
}

void net_close(struct net *net, uint64_t farewell_ms, void (*closed)(void *ctx), void *ctx)
{
    uv_mutex_lock(net->config.mutex);
    must(!net->closed);
    net->farewell_ms = farewell_ms;
    net->closed = closed;
    net->closed_ctx = ctx;
    uv_async_send(&net->bell);
    uv_mutex_unlock(net->config.mutex);
}
