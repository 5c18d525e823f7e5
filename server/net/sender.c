/* A connection's outgoing queue.
 *
 * 1. A reply is packed behind the last one, if its parcel has room, or into a new parcel. A pull
 *    ends its parcel; a descriptor begins one.
 * 2. A flush makes a load of what is in front: headers, and of a pull's body as much as still
 *    fits. What the socket took of it is forgotten, pulls that left wholly are given back.
 * 3. What is left waits until the socket may be written to. So does a body after each piece, and
 *    other connections have their turn.
 *
 * What can go wrong:
 *   1'  the header is too large, no memory   nothing is queued, the owner answers otherwise
 *   2'  the socket is broken                 the owner closes and drops the queue
 *   3'  the peer does not read               the owner's sweep sees it stalled */
#include "net/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "net/pieces.h"
#include "proto/frame.h"

enum {
    PARCEL_BYTES = 4096,
    WRITE_BYTES = 1 << 20,
    WRITE_RUNS = 512,
    PULLS_MAX = 64, /* queued ones, before requests are read no more */
};

struct parcel {
    struct list link;
    int fd;              /* until the first byte has left */
    struct pull *pull;   /* NULL: headers only */
    struct pieces body;  /* of it, what was not written */
    struct pieces ahead; /* of that, what is not in the load */
    size_t n;
    size_t written; /* of the n header bytes */
    size_t capacity;
    uint8_t bytes[];
};

void sender_init(struct sender *s, struct socket *socket, struct counter *bytes_out)
{
    list_init(&s->queue);
    s->socket = socket;
    s->bytes_out = bytes_out;
}

static struct parcel *first_of(const struct sender *s)
{
    return list_entry(s->queue.next, struct parcel, link);
}

/* A parcel with room for a header of n bytes; NULL without memory. */
static struct parcel *parcel_for(struct list *parcels, size_t n, int fd)
{
    if (!list_empty(parcels) && fd == SOCKET_NO_FD) {
        struct parcel *last = list_entry(parcels->prev, struct parcel, link);
        if (!last->pull && last->capacity - last->n >= n)
            return last;
    }
    size_t capacity = n > PARCEL_BYTES ? n : PARCEL_BYTES;
    struct parcel *p = malloc(sizeof *p + capacity);
    if (!p)
        return NULL;
    *p = (struct parcel){.fd = fd, .capacity = capacity};
    list_append(parcels, &p->link);
    return p;
}

size_t sender_pack(struct list *parcels, const Gradfold__V1__Response *response, struct pull *pull,
                   uint64_t body_bytes, int fd, bool *too_large)
{
    size_t header = gradfold__v1__response__get_packed_size(response);
    *too_large = header > LIMIT_RESPONSE_HEADER_BYTES;
    if (*too_large)
        return 0;
    struct parcel *p = parcel_for(parcels, FRAME_PREFIX_BYTES + header, fd);
    if (!p)
        return 0;
    frame_prefix_encode(p->bytes + p->n, (uint32_t)header, body_bytes);
    gradfold__v1__response__pack(response, p->bytes + p->n + FRAME_PREFIX_BYTES);
    p->n += FRAME_PREFIX_BYTES + header;
    if (pull) {
        p->pull = pull;
        pieces_begin(&p->body, pull, body_bytes);
    }
    return FRAME_PREFIX_BYTES + header;
}

bool sender_add_packed(struct sender *s, const uint8_t *header, size_t n)
{
    bool was_idle = sender_idle(s);
    struct parcel *p = parcel_for(&s->queue, FRAME_PREFIX_BYTES + n, SOCKET_NO_FD);
    if (!p)
        return false;
    if (was_idle)
        s->moved_ms = uv_now(s->socket->poll.loop);
    frame_prefix_encode(p->bytes + p->n, (uint32_t)n, 0);
    memcpy(p->bytes + p->n + FRAME_PREFIX_BYTES, header, n);
    p->n += FRAME_PREFIX_BYTES + n;
    s->bytes += FRAME_PREFIX_BYTES + n;
    return true;
}

bool sender_add(struct sender *s, const Gradfold__V1__Response *response, struct pull *pull,
                uint64_t body_bytes, int fd, bool *too_large)
{
    bool was_idle = sender_idle(s);
    size_t n = sender_pack(&s->queue, response, pull, body_bytes, fd, too_large);
    if (was_idle)
        s->moved_ms = uv_now(s->socket->poll.loop);
    s->bytes += n;
    s->pulls += n > 0 && pull;
    return n > 0;
}

void sender_put(struct sender *s, struct list *parcels)
{
    if (sender_idle(s))
        s->moved_ms = uv_now(s->socket->poll.loop);
    list_each (link, parcels) {
        const struct parcel *p = list_entry(link, struct parcel, link);
        s->bytes += p->n;
        s->pulls += p->pull != NULL;
    }
    list_move(&s->queue, parcels);
}

/* -- Writing -- */

struct load {
    struct iovec runs[WRITE_RUNS];
    size_t n;
    uint64_t bytes;
    int fd;
};

static bool load_has_room(const struct load *load)
{
    return load->n < WRITE_RUNS && load->bytes < WRITE_BYTES;
}

static void load_add(struct load *load, const uint8_t *bytes, uint64_t n)
{
    union { /* sendmsg() only reads, but its vectors are not const */
        const uint8_t *from;
        void *to;
    } u = {bytes};
    load->runs[load->n++] = (struct iovec){u.to, n};
    load->bytes += n;
}

static void load_parcel(struct load *load, struct parcel *p)
{
    if (p->written < p->n)
        load_add(load, p->bytes + p->written, p->n - p->written);
    p->ahead = p->body;
    while (p->ahead.left > 0 && load_has_room(load)) {
        uint64_t n;
        const unsigned char *run = pieces_next(&p->ahead, WRITE_BYTES - load->bytes, &n);
        load_add(load, run, n);
    }
}

static void make_load(const struct sender *s, struct load *load)
{
    load->n = 0;
    load->bytes = 0;
    load->fd = first_of(s)->fd;
    list_each (link, &s->queue) {
        struct parcel *p = list_entry(link, struct parcel, link);
        bool begins = p->fd != SOCKET_NO_FD && load->n > 0;
        if (begins || !load_has_room(load))
            return;
        load_parcel(load, p);
        if (p->ahead.left > 0)
            return;
    }
}

/* n more bytes of the body have left. */
static void advance_body(struct parcel *p, uint64_t n)
{
    if (n == p->body.left - p->ahead.left) {
        p->body = p->ahead;
        return;
    }
    while (n > 0) {
        uint64_t skipped;
        pieces_next(&p->body, n, &skipped);
        n -= skipped;
    }
}

/* Of the n bytes that have left, takes the parcel's. True: the parcel has left wholly. */
static bool advance(struct parcel *p, uint64_t *n)
{
    if (p->fd != SOCKET_NO_FD)
        close(p->fd);
    p->fd = SOCKET_NO_FD;
    size_t header = *n < p->n - p->written ? (size_t)*n : p->n - p->written;
    p->written += header;
    *n -= header;
    uint64_t loaded = p->body.left - p->ahead.left;
    uint64_t body = *n < loaded ? *n : loaded;
    advance_body(p, body);
    *n -= body;
    return p->written == p->n && p->body.left == 0;
}

static void free_parcels(struct sender *s, struct list *parcels)
{
    struct list *link;
    while ((link = list_first(parcels))) {
        struct parcel *p = list_entry(link, struct parcel, link);
        struct pull *pull = p->pull;
        s->bytes -= p->n;
        list_remove(&p->link);
        if (p->fd != SOCKET_NO_FD)
            close(p->fd);
        free(p);
        if (pull) {
            s->pulls--;
            s->give_back(s, pull);
        }
    }
}

static void forget(struct sender *s, uint64_t n)
{
    struct list gone;
    list_init(&gone);
    counter_add(s->bytes_out, n);
    s->moved_ms = uv_now(s->socket->poll.loop);
    while (n > 0 && advance(first_of(s), &n)) {
        struct parcel *p = first_of(s);
        list_remove(&p->link);
        list_append(&gone, &p->link);
    }
    free_parcels(s, &gone);
}

int sender_flush(struct sender *s)
{
    struct load load;
    for (uint64_t bytes = 0; !s->blocked && !list_empty(&s->queue); bytes += load.bytes) {
        if (bytes >= WRITE_BYTES) {
            s->blocked = true;
            break;
        }
        make_load(s, &load);
        ssize_t n = socket_write(s->socket, load.runs, load.n, load.fd);
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        s->blocked = n < (ssize_t)load.bytes;
        if (n > 0)
            forget(s, (uint64_t)n);
    }
    return 0;
}

void sender_unblock(struct sender *s)
{
    s->blocked = false;
}

/* -- State -- */

bool sender_idle(const struct sender *s)
{
    return list_empty(&s->queue);
}

bool sender_full(const struct sender *s)
{
    return s->bytes > LIMIT_OUTGOING_BYTES || s->pulls >= PULLS_MAX;
}

bool sender_drained(const struct sender *s)
{
    return s->bytes <= LIMIT_OUTGOING_BYTES / 2 && s->pulls <= PULLS_MAX / 2;
}

bool sender_stalled(const struct sender *s, uint64_t now_ms, uint64_t idle_ms)
{
    return !list_empty(&s->queue) && now_ms - s->moved_ms >= idle_ms;
}

void sender_drop(struct sender *s)
{
    free_parcels(s, &s->queue);
}
