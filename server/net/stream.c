/* A connection's socket: libuv's callbacks, which put bytes where they belong, and tick.
 *
 * Reading: a body is received into its staging, everything else into the loop's shared buffer. A
 * connection that has read TURN_BYTES in one turn of the loop gives no buffer any more, which ends
 * its turn; the socket is still readable in the next one. */
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

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(NULL, 0);
    if (!has_turn(c))
        return;
    if (c->state != CONNECTION_BODY) {
        *buf = uv_buf_init((char *)c->net->shared, sizeof c->net->shared);
        return;
    }
    uint64_t room;
    unsigned char *to = body_room(&c->peer.intake, &room);
    *buf = uv_buf_init((char *)to, room < BODY_BYTES ? (unsigned)room : BODY_BYTES);
}

static void take(struct connection *c, const uv_buf_t *buf, size_t n)
{
    c->net->stats.bytes_in += n;
    c->turn_bytes += n;
    c->read_ms = uv_now(c->net->loop);
    if (buf->base == (char *)c->net->shared) {
        c->input.at = c->net->shared;
        c->input.n = n;
    } else {
        body_received(&c->peer.intake, n);
        c->body_left -= n;
    }
    connection_tick(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    if (n > 0)
        take(c, buf, (size_t)n);
    else if (n < 0 && n != UV_ENOBUFS)
        connection_ended(c, n != UV_EOF);
}

void connection_set_reading(struct connection *c, bool wanted)
{
    if (c->reading == wanted)
        return;
    c->reading = wanted;
    if (wanted && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        connection_close(c);
    else if (!wanted)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

/* -- Writing -- */

static void on_written(struct sender *sender, int status)
{
    struct connection *c = list_entry(sender, struct connection, sender);
    if (c->state == CONNECTION_CLOSED)
        return;
    if (status < 0)
        c->broken = true;
    connection_tick(c);
}

static void give_back(struct sender *sender, struct pull *pull)
{
    struct connection *c = list_entry(sender, struct connection, sender);
    struct event event = {.kind = EVENT_SENT, .pull = pull};
    c->net->config.submit(c->net->config.ctx, &event);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct connection *c = request->data;
    if (c->state == CONNECTION_CLOSED)
        return;
    c->shut = true;
    if (status < 0)
        c->broken = true;
    connection_tick(c);
}

void connection_shut(struct connection *c)
{
    if (c->goodbye_ms > 0)
        return;
    c->goodbye_ms = uv_now(c->net->loop) + GOODBYE_MS;
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) != 0)
        connection_close(c);
}

/* -- Life -- */

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct net *net = c->net;
    list_remove(&c->link);
    if (c->rejected)
        net->rejects--;
    else
        net->stats.connections_open--;
    frame_reader_free(&c->reader);
    free(c->input.held);
    free(c);
    net_handle_closed(net);
}

void connection_free_later(struct connection *c)
{
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* A peer that is silently gone is noticed, and small replies leave at once. */
static void set_options(uv_tcp_t *tcp, int fd)
{
    int interval = KEEPALIVE_INTERVAL_S;
    unsigned user_timeout = USER_TIMEOUT_MS;
    uv_tcp_nodelay(tcp, 1);
    uv_tcp_keepalive(tcp, 1, KEEPALIVE_S);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
}

struct connection *connection_new(struct net *net, int fd, bool rejected)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c || uv_tcp_init(net->loop, &c->tcp) != 0) {
        close(fd);
        free(c);
        return NULL;
    }
    peer_init(&c->peer);
    c->net = net;
    c->tcp.data = c;
    c->rejected = c->lost = rejected;
    list_append(&net->connections, &c->link);
    list_init(&c->dirty);
    net->handles++;
    frame_reader_init(&c->reader, &net->limits);
    sender_init(&c->sender, (uv_stream_t *)&c->tcp, &net->stats.bytes_out);
    c->sender.give_back = give_back;
    c->sender.written = on_written;
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        close(fd);
        c->broken = true;
    } else
        set_options(&c->tcp, fd);
    list_append(&net->dirty, &c->dirty);
    return c;
}
