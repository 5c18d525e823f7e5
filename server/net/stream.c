/* A connection and its socket: bytes are put where they belong, and it ticks.
 *
 * Reading: a body is received into its staging, everything else into the loop's shared buffer. A
 * connection that has read TURN_BYTES in one turn of the loop reads no more; its socket is still
 * readable in the next one. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/limits.h"
#include "net/connection.h"

enum {
    KEEPALIVE_S = 60,          /* silence, before the peer is probed … */
    KEEPALIVE_INTERVAL_S = 15, /* … again and again … */
    USER_TIMEOUT_MS = 120000,  /* … and given up */
};

/* -- Reading -- */

static bool has_turn(struct connection *c)
{
    if (c->turn != c->net->turn) {
        c->turn = c->net->turn;
        c->turn_bytes = 0;
    }
    return c->turn_bytes < TURN_BYTES;
}

/* Where the next bytes belong, and how many. */
static unsigned char *room_for(struct connection *c, size_t *room)
{
    *room = sizeof c->net->shared;
    if (c->state != CONNECTION_BODY)
        return c->net->shared;
    uint64_t left;
    unsigned char *to = body_room(&c->peer.intake, &left);
    *room = left < BODY_BYTES ? (size_t)left : BODY_BYTES;
    return to;
}

static void take(struct connection *c, const unsigned char *to, size_t n)
{
    counter_add(&c->net->config.counters->bytes_in, n);
    c->received += n;
    c->turn_bytes += n;
    c->read_ms = uv_now(c->net->loop);
    if (to == c->net->shared) {
        c->input.at = c->net->shared;
        c->input.n = n;
    } else {
        body_received(&c->peer.intake, n);
        c->body_left -= n;
    }
    connection_tick(c);
}

/* Descriptors come with headers only. */
static ssize_t read_to(struct connection *c, unsigned char *to, size_t room)
{
    int fd;
    if (!c->sharing || to != c->net->shared)
        return socket_read(&c->socket, to, room);
    ssize_t n = socket_read_fd(&c->socket, to, room, &fd);
    if (fd != SOCKET_NO_FD)
        sharing_passed(c->sharing, fd, c->received, c->received + (uint64_t)n);
    return n;
}

/* One read; false: there is no more for now. */
static bool read_some(struct connection *c)
{
    size_t room;
    unsigned char *to = room_for(c, &room);
    ssize_t n = read_to(c, to, room);
    if (n > 0)
        take(c, to, (size_t)n);
    else if (n != -EAGAIN)
        connection_ended(c, n < 0);
    return n == (ssize_t)room;
}

static void on_ready(struct socket *socket, bool readable, bool writable)
{
    struct connection *c = list_entry(socket, struct connection, socket);
    if (writable) {
        sender_unblock(&c->sender);
        connection_tick(c);
    }
    while (readable && c->reading && has_turn(c))
        readable = read_some(c);
}

void connection_set_reading(struct connection *c, bool wanted)
{
    c->reading = wanted;
    if (socket_want(&c->socket, wanted, !sender_idle(&c->sender)) != 0)
        connection_close(c);
}

/* -- Writing -- */

static void give_back(struct sender *sender, struct pull *pull)
{
    struct connection *c = list_entry(sender, struct connection, sender);
    struct event event = {.kind = EVENT_SENT, .pull = pull};
    c->net->config.submit(c->net->config.ctx, &event);
}

void connection_shut(struct connection *c)
{
    if (c->shut)
        return;
    c->goodbye_ms = uv_now(c->net->loop) + GOODBYE_MS;
    c->shut = true;
    if (shutdown(c->socket.fd, SHUT_WR) != 0)
        c->broken = true;
}

/* -- Life -- */

static void connection_free(struct connection *c)
{
    must(list_empty(&c->mailed));
    if (c->rejected)
        c->net->rejects--;
    else
        atomic_fetch_sub(&c->net->config.counters->connections_open, 1);
    frame_reader_free(&c->reader);
    sharing_free(c->sharing);
    free(c->input.held);
    free(c);
}

void connection_maybe_free(struct connection *c)
{
    struct net *net = c->net;
    if (!c->gone || (c->sharing && c->sharing->working))
        return;
    list_remove(&c->link);
    connection_free(c);
    net_handle_closed(net);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    c->gone = true;
    connection_maybe_free(c);
}

void connection_free_later(struct connection *c)
{
    socket_close(&c->socket, on_closed);
}

/* A peer that is silently gone is noticed, and small replies leave at once. */
static void set_options(int fd)
{
    int on = 1;
    int silence = KEEPALIVE_S;
    int interval = KEEPALIVE_INTERVAL_S;
    unsigned user_timeout = USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &silence, sizeof silence);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
}

struct connection *connection_new(struct net *net, int fd, enum socket_family family, bool rejected)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    c->net = net;
    if (family == SOCKET_UNIX)
        c->sharing = sharing_new(c);
    if (family == SOCKET_UNIX && !c->sharing) {
        close(fd);
        free(c);
        return NULL;
    }
    peer_init(&c->peer);
    c->socket.fd = fd;
    c->socket.family = family;
    connection_name(c);
    c->rejected = c->lost = rejected;
    list_init(&c->link);
    list_init(&c->dirty);
    list_init(&c->mailed);
    list_init(&c->mail);
    frame_reader_init(&c->reader, &net->limits);
    sender_init(&c->sender, &c->socket, &net->config.counters->bytes_out);
    c->sender.give_back = give_back;
    if (rejected)
        net->rejects++;
    else
        atomic_fetch_add(&net->config.counters->connections_open, 1);
    return c;
}

bool connection_open(struct connection *c)
{
    struct net *net = c->net;
    if (socket_open(&c->socket, net->loop, c->socket.fd, c->socket.family, on_ready) != 0) {
        connection_free(c);
        return false;
    }
    if (c->socket.family == SOCKET_TCP)
        set_options(c->socket.fd);
    c->socket.poll.data = c;
    list_append(&net->connections, &c->link);
    list_append(&net->dirty, &c->dirty);
    net->handles++;
    return true;
}
