/* The connections of one loop, their clock, and their end.
 *
 * Whoever has news for a connection puts it on the dirty list; before the loop polls again, each of
 * those is ticked, which also sends what it has to say. One timer sweeps all connections for
 * stalled ones.
 *
 * The end: net_close() says goodbye to all connections, the sweep closes those that are late, the
 * last one closes prepare and sweep, and with the last handle net calls `closed` and is gone. */
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/limits.h"
#include "net/connection.h"
#include "net/listener.h"

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

static void set_dirty(struct net *net, struct connection *c)
{
    if (c->state != CONNECTION_CLOSED && list_empty(&c->dirty))
        list_append(&net->dirty, &c->dirty);
}

void net_reply(struct net *net, const struct reply *reply)
{
    struct connection *c = connection_of(reply->peer);
    dispatch_reply(c, reply);
    set_dirty(net, c);
}

void net_grant(struct net *net, struct peer *peer)
{
    set_dirty(net, connection_of(peer));
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
static const char *name_process(int fd, char name[static NET_NAME_MAX])
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        snprintf(name, NET_NAME_MAX, "?");
    else
        snprintf(name, NET_NAME_MAX, "unix:pid=%d,uid=%u", peer.pid, peer.uid);
    return name;
}

const char *net_peer_name(const struct peer *peer, char name[static NET_NAME_MAX])
{
    const struct connection *c =
        (const struct connection *)(const void *)((const char *)peer -
                                                  offsetof(struct connection, peer));
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t size = sizeof address;
    if (c->socket.family == SOCKET_UNIX)
        return name_process(c->socket.fd, name);
    if (getpeername(c->socket.fd, (struct sockaddr *)&address, &size) != 0)
        snprintf(name, NET_NAME_MAX, "?");
    else
        net_address_name((struct sockaddr *)&address, name);
    return name;
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

static void start_handles(struct net *net)
{
    uint64_t period = net->config.idle_ms / SWEEPS_PER_IDLE;
    if (period > SWEEP_MS_MAX)
        period = SWEEP_MS_MAX;
    if (period == 0)
        period = 1;
    uv_prepare_init(net->loop, &net->prepare);
    uv_timer_init(net->loop, &net->sweep);
    net->prepare.data = net->sweep.data = net;
    net->handles = 2;
    uv_prepare_start(&net->prepare, on_prepare);
    uv_timer_start(&net->sweep, on_sweep, period, period);
}

struct net *net_new(uv_loop_t *loop, const struct net_config *config)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return NULL;
    net->config = *config;
    net->loop = loop;
    net->limits = (struct frame_limits){LIMIT_HEADER_BYTES, config->max_body_bytes};
    list_init(&net->listeners);
    list_init(&net->connections);
    list_init(&net->dirty);
    arena_init(&net->requests, LIMIT_HEADER_ARENA_BYTES);
    arena_init(&net->replies, LIMIT_HEADER_ARENA_BYTES);
    start_handles(net);
    return net;
}

enum code net_listen(struct net *net, const struct sockaddr *address, struct error *error)
{
    return listener_new(net, address, error);
}

enum code net_listen_unix(struct net *net, const char *path, mode_t mode, struct error *error)
{
    return listener_new_unix(net, path, mode, error);
}

const struct net_stats *net_stats(const struct net *net)
{
    return &net->stats;
}

void net_stop_listening(struct net *net)
{
    list_each (link, &net->listeners)
        listener_close(list_entry(link, struct listener, link));
}

static void on_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

/* With the last connection go prepare and sweep, with the last handle goes net. */
static void maybe_finish(struct net *net)
{
    if (net->closing && !net->finishing && list_empty(&net->connections)) {
        net->finishing = true;
        uv_close((uv_handle_t *)&net->prepare, on_closed);
        uv_close((uv_handle_t *)&net->sweep, on_closed);
    }
    if (net->handles > 0)
        return;
    void (*closed)(void *ctx) = net->closed;
    void *ctx = net->closed_ctx;
    arena_free(&net->requests);
    arena_free(&net->replies);
    free(net);
    closed(ctx);
}

void net_handle_closed(struct net *net)
{
    net->handles--;
    maybe_finish(net);
}

void net_close(struct net *net, uint64_t farewell_ms, void (*closed)(void *ctx), void *ctx)
{
    must(!net->closing);
    net->closing = true;
    net->closed = closed;
    net->closed_ctx = ctx;
    net->close_deadline_ms = uv_now(net->loop) + farewell_ms;
    net_stop_listening(net);
    list_each (link, &net->connections) {
        struct connection *c = list_entry(link, struct connection, link);
        if (c->state != CONNECTION_CLOSED)
            connection_farewell(c);
    }
    maybe_finish(net);
}
