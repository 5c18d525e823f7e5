/* A connection's outgoing queue.
 *
 * 1. A reply is packed behind the last one, if its parcel has room, or into a new parcel. A pull
 *    ends its parcel.
 * 2. A flush takes parcels from the front until the write is large enough: their headers, and of a
 *    pull's body as much as still fits. Wholly taken parcels fly, a body in progress stays.
 * 3. The write is over: what flew is freed, pulls are given back, the owner flushes again.
 *
 * What can go wrong:
 *   1'  the header is too large, no memory   nothing is queued, the owner answers otherwise
 *   2'  the socket is broken                 the owner closes and drops the queue
 *   3'  the peer does not read               the owner's sweep sees it stalled */
#include "net/sender.h"

#include <stdlib.h>

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
    struct pull *pull; /* NULL: headers only */
    struct pieces pieces;
    size_t n;
    size_t capacity;
    bool header_taken;
    uint8_t bytes[];
};

void sender_init(struct sender *s, uv_stream_t *stream, uint64_t *bytes_out)
{
    list_init(&s->queue);
    list_init(&s->flying);
    s->stream = stream;
    s->bytes_out = bytes_out;
    s->write.data = s;
}

/* A parcel with room for a header of n bytes; NULL without memory. */
static struct parcel *parcel_for(struct sender *s, size_t n)
{
    if (!list_empty(&s->queue)) {
        struct parcel *last = list_entry(s->queue.prev, struct parcel, link);
        if (!last->pull && last->capacity - last->n >= n)
            return last;
    }
    size_t capacity = n > PARCEL_BYTES ? n : PARCEL_BYTES;
    struct parcel *p = malloc(sizeof *p + capacity);
    if (!p)
        return NULL;
    *p = (struct parcel){.capacity = capacity};
    list_append(&s->queue, &p->link);
    return p;
}

bool sender_add(struct sender *s, const Gradfold__V1__Response *response, struct pull *pull,
                uint64_t body_bytes, bool *too_large)
{
    size_t header = gradfold__v1__response__get_packed_size(response);
    *too_large = header > LIMIT_RESPONSE_HEADER_BYTES;
    if (*too_large)
        return false;
    struct parcel *p = parcel_for(s, FRAME_PREFIX_BYTES + header);
    if (!p)
        return false;
    frame_prefix_encode(p->bytes + p->n, (uint32_t)header, body_bytes);
    gradfold__v1__response__pack(response, p->bytes + p->n + FRAME_PREFIX_BYTES);
    p->n += FRAME_PREFIX_BYTES + header;
    s->bytes += FRAME_PREFIX_BYTES + header;
    if (pull) {
        p->pull = pull;
        pieces_begin(&p->pieces, pull, body_bytes);
        s->pulls++;
    }
    return true;
}

/* -- Writing -- */

struct load {
    uv_buf_t runs[WRITE_RUNS];
    unsigned n;
    uint64_t bytes;
};

static bool load_has_room(const struct load *load)
{
    return load->n < WRITE_RUNS && load->bytes < WRITE_BYTES;
}

static void load_add(struct load *load, const uint8_t *bytes, uint64_t n)
{
    load->runs[load->n++] = uv_buf_init((char *)bytes, (unsigned)n);
    load->bytes += n;
}

static void take(struct parcel *p, struct load *load)
{
    if (!p->header_taken)
        load_add(load, p->bytes, p->n);
    p->header_taken = true;
    while (p->pieces.left > 0 && load_has_room(load)) {
        uint64_t n;
        const unsigned char *run = pieces_next(&p->pieces, WRITE_BYTES - load->bytes, &n);
        load_add(load, run, n);
    }
}

static void free_parcel(struct sender *s, struct parcel *p)
{
    struct pull *pull = p->pull;
    s->bytes -= p->n;
    list_remove(&p->link);
    free(p);
    if (pull) {
        s->pulls--;
        s->give_back(s, pull);
    }
}

static void free_all(struct sender *s, struct list *parcels)
{
    struct list *link;
    while ((link = list_first(parcels)))
        free_parcel(s, list_entry(link, struct parcel, link));
}

static void on_written(uv_write_t *write, int status)
{
    struct sender *s = write->data;
    s->writing = false;
    if (status == 0)
        *s->bytes_out += s->write_bytes;
    free_all(s, &s->flying);
    s->written(s, status);
}

int sender_flush(struct sender *s)
{
    struct load load;
    struct list *link;
    if (s->writing || list_empty(&s->queue))
        return 0;
    load.n = 0;
    load.bytes = 0;
    while (load_has_room(&load) && (link = list_first(&s->queue))) {
        struct parcel *p = list_entry(link, struct parcel, link);
        take(p, &load);
        if (p->pieces.left > 0)
            break;
        list_remove(&p->link);
        list_append(&s->flying, &p->link);
    }
    s->writing = true;
    s->write_bytes = load.bytes;
    s->unwritten = load.bytes;
    s->moved_ms = uv_now(s->stream->loop);
    int err = uv_write(&s->write, s->stream, load.runs, load.n, on_written);
    if (err)
        s->writing = false;
    return err;
}

/* -- State -- */

bool sender_idle(const struct sender *s)
{
    return !s->writing && list_empty(&s->queue);
}

bool sender_full(const struct sender *s)
{
    return s->bytes > LIMIT_OUTGOING_BYTES || s->pulls >= PULLS_MAX;
}

bool sender_drained(const struct sender *s)
{
    return s->bytes <= LIMIT_OUTGOING_BYTES / 2 && s->pulls <= PULLS_MAX / 2;
}

bool sender_stalled(struct sender *s, uint64_t now_ms, uint64_t idle_ms)
{
    if (!s->writing)
        return false;
    uint64_t unwritten = uv_stream_get_write_queue_size(s->stream);
    if (unwritten != s->unwritten) {
        s->unwritten = unwritten;
        s->moved_ms = now_ms;
    }
    return now_ms - s->moved_ms >= idle_ms;
}

void sender_drop(struct sender *s)
{
    free_all(s, &s->flying);
    free_all(s, &s->queue);
}
