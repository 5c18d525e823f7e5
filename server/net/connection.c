/* One connection, from its first byte to its last.
 *
 *                  no staging yet           granted
 *        HEADER ───────────────────► WAIT ───────────► BODY
 *        ▲ │  │                        │                ▲ │
 *        │ │  └────── granted ─────────│────────────────┘ │
 *        │ │ refused                   │ refused          │ complete, or refused in mid-body
 *        │ ▼                           ▼                  ▼
 *        └───────────────────────── DRAIN ◄───────────────┘
 *          body is taken
 *
 *        BODY ◄──► WORK    a body that lies in shared memory is copied
 *
 * 1. HEADER: prefix and header are read into the loop's shared buffer. What a complete header asks
 *    for is decided at once (dispatch.c); a request without a body leads back to HEADER.
 * 2. WAIT: no staging yet. Nothing is read, so the peer's sends fill up and stop: backpressure.
 * 3. BODY: what came along with the header is copied, everything else is received by the kernel
 *    straight into the staging.
 * 4. DRAIN: the body of what was refused is read and dropped; the connection stays usable.
 * 5. WORK: the thread pool copies the body from shared memory (sharing.c); nothing is read.
 *
 * What can go wrong, in each of these (ending.c):
 *   the frame cannot be followed   GOODBYE: the answer leaves with id 0, our side is shut, and what
 *                                  comes is dropped until the peer has closed too or a moment is
 *                                  over: a reset would eat the answer
 *   the peer has shut its side     FLUSH: what is decided leaves; half a body counts for nothing
 *   the socket fails, no progress  CLOSED: nothing was applied, waiting pulls are forgotten
 *   replies pile up                HEADER reads no more until they have drained */
#include "net/connection.h"

#include <stdlib.h>
#include <string.h>

/* -- Moves -- */

/* One step within a state; false: there is nothing more to do without news. */
static bool advance_header(struct connection *c);
static bool advance_wait(struct connection *c);
static bool advance_body(struct connection *c);
static bool advance_work(struct connection *c);
static bool advance_drain(struct connection *c);
static bool advance_flush(struct connection *c);
static bool advance_to_end(struct connection *c);

#define TO(state) (1U << CONNECTION_##state)
#define TO_END    (TO(FLUSH) | TO(GOODBYE) | TO(CLOSED))

struct station {
    bool (*advance)(struct connection *c);
    unsigned moves;
    bool reads;
};

static const struct station stations[] = {
    [CONNECTION_HEADER] = {advance_header, TO(WAIT) | TO(BODY) | TO(WORK) | TO(DRAIN) | TO_END,
                           true},
    [CONNECTION_WAIT] = {advance_wait, TO(BODY) | TO(DRAIN) | TO_END, false},
    [CONNECTION_BODY] = {advance_body, TO(WORK) | TO(DRAIN) | TO_END, true},
    [CONNECTION_WORK] = {advance_work, TO(BODY) | TO_END, false},
    [CONNECTION_DRAIN] = {advance_drain, TO(HEADER) | TO_END, true},
    [CONNECTION_FLUSH] = {advance_flush, TO(GOODBYE) | TO(CLOSED), false},
    [CONNECTION_GOODBYE] = {advance_to_end, TO(CLOSED), true},
    [CONNECTION_CLOSED] = {advance_to_end, 0, false},
};

static bool is_working(const struct connection *c)
{
    return c->sharing && c->sharing->working;
}

void connection_check(const struct connection *c)
{
    bool granted = c->intake == INTAKE_GRANTED || c->intake == INTAKE_REFUSED;
    bool working = is_working(c);
    must_debug(c->state == CONNECTION_BODY || c->state == CONNECTION_WORK || c->lost || working ||
               !granted);
    must_debug(c->state == CONNECTION_WAIT || c->lost || c->intake != INTAKE_WAITING);
    must_debug(c->state != CONNECTION_HEADER || c->body_left == 0);
    must_debug(c->state != CONNECTION_WORK || working);
    must_debug(c->state != CONNECTION_CLOSED || c->lost || working);
    must_debug(!c->reading || c->input.n == 0);
    (void)granted;
    (void)working;
}

void connection_move(struct connection *c, enum connection_state to)
{
    must(stations[c->state].moves & (1U << to));
    c->state = to;
}

/* Takes n bytes of the body from the input. */
static void skip(struct connection *c, size_t n)
{
    c->input.at += n;
    c->input.n -= n;
    c->body_left -= n;
}

/* -- HEADER -- */

static bool is_throttled(struct connection *c)
{
    if (c->throttled ? sender_drained(&c->sender) : sender_full(&c->sender)) {
        c->throttled = !c->throttled;
        c->read_ms = uv_now(c->net->loop);
    }
    return c->throttled;
}

static void follow_request(struct connection *c)
{
    switch (c->intake) {
    case INTAKE_WAITING:
        connection_move(c, CONNECTION_WAIT);
        break;
    case INTAKE_GRANTED:
    case INTAKE_REFUSED:
        connection_move(c, CONNECTION_BODY);
        break;
    case INTAKE_NONE:
        if (c->body_left > 0)
            connection_move(c, CONNECTION_DRAIN);
        break;
    }
}

static bool advance_header(struct connection *c)
{
    struct error error;
    size_t used = 0;
    if (c->input.n == 0 || is_throttled(c))
        return false;
    if (!frame_reader_in_frame(&c->reader))
        c->frame_at = c->received - c->input.n;
    enum frame_event event = frame_reader_feed(&c->reader, c->input.at, c->input.n, &used, &error);
    c->input.at += used;
    c->input.n -= used;
    if (event == FRAME_MORE)
        return false;
    if (event == FRAME_ERROR) {
        dispatch_refuse(c, 0, &error);
        connection_say_goodbye(c);
        return true;
    }
    counter_add(&c->net->config.counters->frames_in, 1);
    c->turn_bytes += REQUEST_COST;
    c->body_left = c->reader.prefix.body_bytes;
    dispatch(c, c->reader.header, c->reader.prefix.header_bytes);
    follow_request(c);
    return true;
}

/* -- WAIT, BODY, DRAIN -- */

static bool advance_wait(struct connection *c)
{
    if (c->intake == INTAKE_WAITING)
        return false;
    c->read_ms = uv_now(c->net->loop);
    connection_move(c, c->intake == INTAKE_NONE ? CONNECTION_DRAIN : CONNECTION_BODY);
    return true;
}

static bool advance_body(struct connection *c)
{
    uint64_t room;
    if (c->intake == INTAKE_REFUSED) {
        net_raise(c->net, EVENT_BODY_DROPPED, &c->peer);
        connection_move(c, CONNECTION_DRAIN);
        return true;
    }
    unsigned char *to = body_room(&c->peer.intake, &room);
    if (!to) {
        net_raise(c->net, EVENT_BODY_COMPLETE, &c->peer);
        connection_move(
            c, CONNECTION_DRAIN); /* which is empty, unless the core knows a shorter body */
        return true;
    }
    if (c->body_left == 0) { /* it lies in buffers */
        sharing_copy(c->sharing);
        if (is_working(c))
            connection_move(c, CONNECTION_WORK);
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

static bool advance_work(struct connection *c)
{
    if (c->sharing->working) {
        if (c->intake == INTAKE_REFUSED)
            sharing_cancel(c->sharing);
        return false;
    }
    c->read_ms = uv_now(c->net->loop);
    connection_move(c, CONNECTION_BODY);
    return true;
}

static bool advance_drain(struct connection *c)
{
    size_t n = c->input.n < c->body_left ? c->input.n : (size_t)c->body_left;
    skip(c, n);
    if (c->body_left > 0)
        return false;
    connection_move(c, CONNECTION_HEADER);
    return true;
}

/* -- FLUSH, GOODBYE, CLOSED -- */

/* Staging may be granted when there is nobody any more to fill it. */
static bool advance_flush(struct connection *c)
{
    bool lent = c->intake == INTAKE_GRANTED || c->intake == INTAKE_REFUSED;
    if (lent && !is_working(c))
        net_raise(c->net, EVENT_BODY_DROPPED, &c->peer);
    return advance_to_end(c);
}

static bool advance_to_end(struct connection *c)
{
    c->input.n = 0;
    return false;
}

/* -- The tick -- */

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

/* Of the frame that is being read, or of the next one. */
static uint64_t frame_start(const struct connection *c)
{
    bool reading = c->state == CONNECTION_HEADER && frame_reader_in_frame(&c->reader);
    return reading ? c->frame_at : c->received - c->input.n + c->body_left;
}

static bool is_over(const struct connection *c)
{
    if (c->broken)
        return true;
    if (!sender_idle(&c->sender))
        return false;
    if (c->state == CONNECTION_FLUSH)
        return !c->committed;
    return c->state == CONNECTION_GOODBYE && c->shut && c->eof;
}

static void settle(struct connection *c)
{
    hold_input(c);
    if (c->sharing)
        sharing_forget(c->sharing, frame_start(c));
    if (sender_flush(&c->sender) != 0)
        c->broken = true;
    if (c->state == CONNECTION_GOODBYE && sender_idle(&c->sender))
        connection_shut(c);
    if (is_over(c)) {
        connection_close(c);
        return;
    }
    bool throttled = c->state == CONNECTION_HEADER && is_throttled(c);
    bool stopped = c->input.n > 0 || c->eof || throttled;
    if (c->state == CONNECTION_HEADER && c->input.n > 0 && !throttled) /* replies have drained */
        connection_set_dirty(c);
    connection_set_reading(c, stations[c->state].reads && !stopped);
    connection_check(c);
}

void connection_tick(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    while (!c->broken && stations[c->state].advance(c))
        ;
    list_remove(&c->dirty);
    settle(c);
}
