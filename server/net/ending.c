/* How a connection ends.
 *
 *        FLUSH ────────────┐
 *          │ server stops  ▼
 *          ▼             CLOSED
 *        GOODBYE ──────────┘
 *
 * 1. FLUSH: the peer will send no more. What is decided leaves, then the socket is closed.
 * 2. GOODBYE: we will read no more. The last words leave, our side is shut; when the peer has shut
 *    its side too, or after GOODBYE_MS, the socket is closed. What comes meanwhile is dropped.
 * 3. CLOSED: the core has forgotten the peer, pulls are given back; the close callback frees. What
 *    the thread pool does for the connection is waited for before both.
 *
 * Whoever makes no progress within a frame or a reply for the idle limit goes to CLOSED at once. */
#include "net/connection.h"

/* The core is not told while the pool works for the connection: staging may be written to. */
static void lose(struct connection *c)
{
    if (c->lost)
        return;
    c->losing = c->sharing && c->sharing->working;
    if (c->losing) {
        sharing_cancel(c->sharing);
        return;
    }
    net_raise(c->net, EVENT_PEER_LOST, &c->peer);
    c->lost = true; /* what other loops had for it was collected before */
    if (c->sharing)
        sharing_lose(c->sharing);
}

void connection_worked(struct connection *c)
{
    if (c->losing)
        lose(c);
    if (c->state != CONNECTION_CLOSED) {
        connection_tick(c);
        return;
    }
    sender_drop(&c->sender); /* what the core still answered */
    connection_maybe_free(c);
}

void connection_say_goodbye(struct connection *c)
{
    lose(c);
    connection_move(c, CONNECTION_GOODBYE);
}

void connection_close(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    lose(c);
    list_remove(&c->dirty);
    connection_free_later(c);
    sender_drop(&c->sender);
    c->input.n = 0;
    c->reading = false;
    connection_move(c, CONNECTION_CLOSED);
    connection_check(c);
}

void connection_ended(struct connection *c, bool failed)
{
    c->eof = true;
    c->reading = false;
    if (failed)
        c->broken = true;
    else if (c->state != CONNECTION_GOODBYE)
        connection_move(c, CONNECTION_FLUSH);
    connection_tick(c);
}

void connection_reject(struct connection *c, const struct error *error)
{
    dispatch_refuse(c, 0, error);
    connection_say_goodbye(c);
    connection_tick(c);
}

void connection_farewell(struct connection *c)
{
    bool quiet = c->state == CONNECTION_HEADER && c->input.n == 0 && sender_idle(&c->sender) &&
                 !frame_reader_in_frame(&c->reader);
    if (quiet) {
        connection_close(c);
        return;
    }
    if (c->state != CONNECTION_GOODBYE)
        connection_say_goodbye(c);
    connection_tick(c);
}

/* -- Time -- */

static bool waits_for_bytes(const struct connection *c)
{
    switch (c->state) {
    case CONNECTION_BODY:
    case CONNECTION_DRAIN:
        return c->reading;
    case CONNECTION_HEADER:
        return c->reading && frame_reader_in_frame(&c->reader);
    default:
        return false;
    }
}

static void close_stalled(struct connection *c)
{
    struct net *net = c->net;
    struct error error;
    error_set(&error, CODE_DEADLINE_EXCEEDED, "no progress for %llu ms",
              (unsigned long long)net->config.idle_ms);
    counter_add(&net->config.counters->connections_stalled, 1);
    if (net->config.note)
        net->config.note(net->config.ctx, &(struct net_note){NET_STALLED, c->name, 0, &error});
    connection_close(c);
}

void connection_sweep(struct connection *c, uint64_t now_ms)
{
    uint64_t idle_ms = c->net->config.idle_ms;
    if (c->state == CONNECTION_GOODBYE && c->goodbye_ms > 0 && now_ms >= c->goodbye_ms)
        connection_close(c);
    else if (sender_stalled(&c->sender, now_ms, idle_ms) ||
             (waits_for_bytes(c) && now_ms - c->read_ms >= idle_ms))
        close_stalled(c);
}
