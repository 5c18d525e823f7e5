/* One connection, from its first byte to its last.
 *
 *              ┌─────────────────────────────────────────────┐
 *              ▼                                             │
 *      ┌──► HEADER ──push, no memory now──► WAIT ──granted──► BODY ──refused──► DRAIN ─┐
 *      │       │  └────────push, granted───────────────────────▲ │                ▲ ▲     │
 *      │       │                            └──────refused───────┼──────────────────┘ │     │
 *      │       └──────refused, or a body where none belongs──────┼────────────────────┘     │
 *      └─────────────────────────────────────────────────────────┴────────────────────────────┘
 *
 * 1. HEADER: prefix and header are read into the loop's shared buffer. What a complete header asks
 * is decided at once (dispatch.c); a request without a body leads back to HEADER.
 * 2. WAIT: no staging yet. Nothing is read, so the peer's sends fill up and stop: backpressure.
 * 3. BODY: what came along with the header is copied, everything else is received by the kernel
 *    straight into the staging.
 * 4. DRAIN: the body of a push that was refused is read and dropped; the connection stays usable.
 *
 * What can go wrong, in any of these:
 *   the frame cannot be followed  id 0 is answered; GOODBYE: shut our side, drop what comes until
 * the peer has closed too (a reset would eat the answer) or a moment is over the peer has shut its
 * side    FLUSH: what is decided leaves, then CLOSED; half a body counts for nothing the socket
 * fails, no progress CLOSED: nothing was applied, waiting pulls are forgotten replies pile up
 * HEADER reads no more until they have drained */
#include "net/connection.h"

#include <stdlib.h>
#include <string.h>

/* -- Moves
 * -------------------------------------------------------------------------------------------- */

/* One step within a state; false: there is nothing more to do without news. */
static bool advance_header(struct connection *c);
static bool advance_wait(struct connection *c);
static bool advance_body(struct connection *c);
static bool advance_drain(struct connection *c);
static bool advance_to_end(struct connection *c);

#define TO(state) (1U << CONNECTION_##state)
#define TO_END    (TO(FLUSH) | TO(GOODBYE) | TO(CLOSED))

struct place {
    bool (*advance)(struct connection *c);
    unsigned moves;
    bool reads;
};

static const struct place places[] = {
    [CONNECTION_HEADER] = {advance_header, TO(WAIT) | TO(BODY) | TO(DRAIN) | TO_END, true},
    [CONNECTION_WAIT] = {advance_wait, TO(BODY) | TO(DRAIN) | TO_END, false},
    [CONNECTION_BODY] = {advance_body, TO(HEADER) | TO(DRAIN) | TO_END, true},
    [CONNECTION_DRAIN] = {advance_drain, TO(HEADER) | TO_END, true},
    [CONNECTION_FLUSH] = {advance_to_end, TO(GOODBYE) | TO(CLOSED), false},
    [CONNECTION_GOODBYE] = {advance_to_end, TO(CLOSED), true},
    [CONNECTION_CLOSED] = {advance_to_end, 0, false},
};

static void check(const struct connection *c)
{
    bool granted = c->peer.intake.state == INTAKE_GRANTED || c->peer.intake.state == INTAKE_REFUSED;
    must_debug(c->state == CONNECTION_BODY || c->lost || !granted);
    must_debug(c->state == CONNECTION_WAIT || c->lost || c->peer.intake.state != INTAKE_WAITING);
    must_debug(c->state != CONNECTION_HEADER || c->body_left == 0);
    must_debug(c->state != CONNECTION_CLOSED || c->lost);
    must_debug(!c->reading || c->input.n == 0);
    (void)granted;
}

static void move(struct connection *c, enum connection_state to)
{
    must(places[c->state].moves & (1U << to));
    c->state = to;
}

static void raise_event(struct connection *c, enum event_kind kind)
{
    net_raise(c->net, kind, &c->peer);
}

/* Takes n bytes of the body from the input. */
static void skip(struct connection *c, size_t n)
{
    c->input.at += n;
    c->input.n -= n;
    c->body_left -= n;
}

/* -- HEADER
 * ------------------------------------------------------------------------------------------- */

static bool is_throttled(struct connection *c)
{
    if (c->throttled ? sender_drained(&c->sender) : sender_full(&c->sender)) {
        c->throttled = !c->throttled;
        c->read_ms = uv_now(c->net->loop);
    }
    return c->throttled;
}

static void follow_intake(struct connection *c)
{
    switch (c->peer.intake.state) {
    case INTAKE_WAITING:
        move(c, CONNECTION_WAIT);
        break;
    case INTAKE_GRANTED:
    case INTAKE_REFUSED:
        move(c, CONNECTION_BODY);
        break;
    case INTAKE_NONE:
        if (c->body_left > 0)
            move(c, CONNECTION_DRAIN);
        break;
    }
}

static void say_goodbye(struct connection *c);

static bool advance_header(struct connection *c)
{
    struct error error;
    size_t used = 0;
    if (c->input.n == 0 || is_throttled(c))
        return false;
    enum frame_event event = frame_reader_feed(&c->reader, c->input.at, c->input.n, &used, &error);
    c->input.at += used;
    c->input.n -= used;
    if (event == FRAME_MORE)
        return false;
    if (event == FRAME_ERROR) {
        dispatch_refuse(c, 0, &error);
        say_goodbye(c);
        return true;
    }
    c->net->stats.frames_in++;
    c->body_left = c->reader.prefix.body_bytes;
    dispatch(c, c->reader.header, c->reader.prefix.header_bytes);
    follow_intake(c);
    return true;
}

/* -- WAIT, BODY, DRAIN
 * -------------------------------------------------------------------------------- */

static bool advance_wait(struct connection *c)
{
    if (c->peer.intake.state == INTAKE_WAITING)
        return false;
    c->read_ms = uv_now(c->net->loop);
    move(c, c->peer.intake.state == INTAKE_NONE ? CONNECTION_DRAIN : CONNECTION_BODY);
    return true;
}

static bool advance_body(struct connection *c)
{
    uint64_t room;
    if (c->peer.intake.state == INTAKE_REFUSED) {
        raise_event(c, EVENT_BODY_DROPPED);
        move(c, CONNECTION_DRAIN);
        return true;
    }
    unsigned char *to = body_room(&c->peer.intake, &room);
    if (!to) {
        raise_event(c, EVENT_BODY_COMPLETE);
        move(c, CONNECTION_DRAIN); /* which is empty, unless the core knows a shorter body */
        return true;
    }
    if (c->input.n == 0)
        return false;
    size_t n = c->input.n < room ? c->input.n : (size_t)room;
    memcpy(to, c->input.at, n);
    body_received(&c->peer.intake, n);
    skip(c, n);
    return true;
}

static bool advance_drain(struct connection *c)
{
    size_t n = c->input.n < c->body_left ? c->input.n : (size_t)c->body_left;
    skip(c, n);
    if (c->body_left > 0)
        return false;
    move(c, CONNECTION_HEADER);
    return true;
}

/* -- The end
 * ------------------------------------------------------------------------------------------ */

static bool advance_to_end(struct connection *c)
{
    c->input.n = 0;
    return false;
}

static void drop_body(struct connection *c)
{
    if (c->state == CONNECTION_BODY)
        raise_event(c, EVENT_BODY_DROPPED);
}

static void lose(struct connection *c)
{
    if (c->lost)
        return;
    drop_body(c);
    c->lost = true;
    raise_event(c, EVENT_PEER_LOST);
}

static void say_goodbye(struct connection *c)
{
    lose(c);
    move(c, CONNECTION_GOODBYE);
}

void connection_close(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    list_remove(&c->dirty);
    connection_free_later(c);
    sender_drop(&c->sender);
    lose(c);
    c->input.n = 0;
    c->reading = false;
    move(c, CONNECTION_CLOSED);
    check(c);
}

void connection_ended(struct connection *c, bool failed)
{
    c->eof = true;
    c->reading = false;
    if (failed)
        c->broken = true;
    else if (c->state != CONNECTION_GOODBYE) {
        drop_body(c);
        move(c, CONNECTION_FLUSH);
    }
    connection_tick(c);
}

void connection_reject(struct connection *c, const struct error *error)
{
    dispatch_refuse(c, 0, error);
    say_goodbye(c);
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
        say_goodbye(c);
    connection_tick(c);
}

/* -- The tick
 * ----------------------------------------------------------------------------------------- */

/* The shared buffer is everybody's: what must wait is copied. */
static void hold_input(struct connection *c)
{
    if (c->input.n == 0) {
        free(c->input.held);
        c->input.held = NULL;
    } else if (!c->input.held) {
        c->input.held = malloc(c->input.n);
        if (!c->input.held) {
            c->broken = true;
            return;
        }
        memcpy(c->input.held, c->input.at, c->input.n);
        c->input.at = c->input.held;
    }
}

static bool is_over(const struct connection *c)
{
    if (c->broken)
        return true;
    if (!sender_idle(&c->sender))
        return false;
    return c->state == CONNECTION_FLUSH || (c->state == CONNECTION_GOODBYE && c->shut && c->eof);
}

static void settle(struct connection *c)
{
    hold_input(c);
    if (sender_flush(&c->sender) != 0)
        c->broken = true;
    if (is_over(c)) {
        connection_close(c);
        return;
    }
    if (c->state == CONNECTION_GOODBYE && sender_idle(&c->sender))
        connection_shut(c);
    bool stopped = c->input.n > 0 || c->eof || (c->state == CONNECTION_HEADER && is_throttled(c));
    connection_set_reading(c, places[c->state].reads && !stopped);
    check(c);
}

void connection_tick(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    while (!c->broken && places[c->state].advance(c))
        ;
    list_remove(&c->dirty);
    settle(c);
}

/* -- Time
 * --------------------------------------------------------------------------------------------- */

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
    char name[NET_NAME_MAX];
    struct error error;
    error_set(&error, CODE_DEADLINE_EXCEEDED, "no progress for %llu ms",
              (unsigned long long)net->config.idle_ms);
    net->stats.connections_stalled++;
    if (net->config.note)
        net->config.note(net->config.ctx,
                         &(struct net_note){NET_STALLED, net_peer_name(&c->peer, name), 0, &error});
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
