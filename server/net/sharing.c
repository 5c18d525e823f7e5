/* Memory that a connection shares with its client.
 *
 * A buffer: AddBuffer comes, its descriptor with the frame's first byte; it is mapped, until
 * DropBuffer or the connection's end.
 *
 * A push from buffers: once its staging is granted, it is copied there on the thread pool, piece by
 * piece; nothing is read meanwhile. Small ones are copied at once.
 *
 * A view: a pull that was answered with a segment is held until EndView, or until the connection
 * ends, when it is lost.
 *
 * What can go wrong:
 *   there is no descriptor, or not what it should be   the request is refused
 *   the pool takes no work                             the loop copies
 *   the connection ends, the push is refused           the copy is cancelled; connection and core
 *                                                      wait for its return */
#include "net/sharing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/connection.h"
#include "net/response.h"

enum {
    AT_ONCE_BYTES = 64 << 10 /* copied faster than a thread wakes up */
};

/* -- Descriptors -- */

static void forget_fd(struct passed *passed)
{
    if (passed->fd >= 0)
        close(passed->fd);
    passed->fd = SOCKET_NO_FD;
}

static bool holds_start(const struct passed *passed, uint64_t frame_at)
{
    return passed->begin <= frame_at && frame_at < passed->end;
}

/* What came earlier, and not with the beginning of the frame at hand, belongs to nobody. */
void sharing_passed(struct sharing *s, int fd, uint64_t begin, uint64_t end)
{
    struct passed *place = NULL;
    for (int i = 0; i < 2; i++) {
        struct passed *passed = &s->passed[i];
        if (passed->fd != SOCKET_NO_FD && holds_start(passed, s->connection->frame_at))
            continue;
        forget_fd(passed);
        place = passed;
    }
    must(place); /* reads do not overlap: one of them has the frame's beginning */
    *place = (struct passed){fd, begin, end};
}

void sharing_forget(struct sharing *s, uint64_t next)
{
    for (int i = 0; i < 2; i++)
        if (s->passed[i].fd != SOCKET_NO_FD && s->passed[i].end <= next)
            forget_fd(&s->passed[i]);
}

static int take_fd(struct sharing *s)
{
    for (int i = 0; i < 2; i++) {
        struct passed *passed = &s->passed[i];
        if (passed->fd == SOCKET_NO_FD || !holds_start(passed, s->connection->frame_at))
            continue;
        int fd = passed->fd;
        passed->fd = SOCKET_NO_FD;
        return fd;
    }
    return SOCKET_NO_FD;
}

/* -- Work -- */

static void on_work(uv_work_t *work)
{
    struct sharing *s = work->data;
    while (!atomic_load_explicit(&s->cancelled, memory_order_relaxed) &&
           body_copy(&s->connection->peer.intake))
        ;
}

static void on_worked(uv_work_t *work, int status)
{
    struct sharing *s = work->data;
    (void)status; /* never cancelled there */
    s->working = false;
    connection_worked(s->connection);
}

void sharing_copy(struct sharing *s)
{
    uint64_t bytes;
    body_room(&s->connection->peer.intake, &bytes);
    s->work.data = s;
    atomic_store(&s->cancelled, false);
    s->working = bytes > AT_ONCE_BYTES &&
                 uv_queue_work(s->connection->net->loop, &s->work, on_work, on_worked) == 0;
    if (!s->working)
        on_work(&s->work);
}

void sharing_cancel(struct sharing *s)
{
    atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
}

/* -- Requests -- */

static struct buffer_budget *budget_of(struct sharing *s)
{
    return s->connection->net->config.buffers;
}

static enum code refuse_fd(int fd, struct error *error)
{
    if (fd == SOCKET_FD_LOST)
        return error_set(error, CODE_RESOURCE_EXHAUSTED,
                         "the server has no descriptor left for the buffer's");
    return error_set(error, CODE_INVALID_ARGUMENT,
                     "no descriptor came with the first byte of the frame");
}

static enum code map(struct sharing *s, int fd, uint64_t number, uint64_t bytes,
                     struct error *error)
{
    struct mapping *mapping;
    enum code code = buffers_reserve(&s->buffers, budget_of(s), number, bytes, error);
    if (code != CODE_OK)
        return code;
    code = mapping_new(fd, bytes, &mapping, error);
    if (code == CODE_OK) {
        buffers_add(&s->buffers, number, mapping);
        return code;
    }
    buffers_cancel(budget_of(s), bytes);
    error_prefix(error, "buffer %" PRIu64 ": ", number);
    return code;
}

static enum code add(struct sharing *s, uint64_t id, const Gradfold__V1__AddBuffer *m,
                     struct error *error)
{
    struct short_response parts;
    int fd = take_fd(s);
    if (fd < 0)
        return refuse_fd(fd, error);
    enum code code = map(s, fd, m->has_buffer ? m->buffer : 0, m->has_bytes ? m->bytes : 0, error);
    close(fd);
    if (code != CODE_OK)
        return code;
    response_shared(&parts, id, GRADFOLD__V1__RESPONSE__RESULT_ADD_BUFFER);
    dispatch_answer(s->connection, &parts.response);
    return CODE_OK;
}

static enum code drop(struct sharing *s, uint64_t id, const Gradfold__V1__DropBuffer *m,
                      struct error *error)
{
    struct short_response parts;
    uint64_t number = m->has_buffer ? m->buffer : 0;
    if (!buffers_drop(&s->buffers, budget_of(s), number))
        return error_set(error, CODE_INVALID_ARGUMENT, "there is no buffer %" PRIu64, number);
    response_shared(&parts, id, GRADFOLD__V1__RESPONSE__RESULT_DROP_BUFFER);
    dispatch_answer(s->connection, &parts.response);
    return CODE_OK;
}

static void raise_for(struct sharing *s, enum event_kind kind, struct pull *pull)
{
    struct net *net = s->connection->net;
    net->config.submit(net->config.ctx, &(struct event){.kind = kind, .pull = pull});
}

/* Answers, and so views, may come from other loops. */
static void lock(struct sharing *s)
{
    uv_mutex_lock(s->connection->net->config.mutex);
}

static void unlock(struct sharing *s)
{
    uv_mutex_unlock(s->connection->net->config.mutex);
}

static enum code end_view(struct sharing *s, uint64_t id, const Gradfold__V1__EndView *m,
                          struct error *error)
{
    struct short_response parts;
    uint64_t pull_id = m->has_pull ? m->pull : 0;
    lock(s);
    struct pull *pull = views_end(&s->views, pull_id);
    unlock(s);
    if (!pull)
        return error_set(error, CODE_INVALID_ARGUMENT, "there is no view of pull %" PRIu64,
                         pull_id);
    raise_for(s, EVENT_SENT, pull);
    response_shared(&parts, id, GRADFOLD__V1__RESPONSE__RESULT_END_VIEW);
    dispatch_answer(s->connection, &parts.response);
    return CODE_OK;
}

void sharing_request(struct connection *c, const Gradfold__V1__Request *message)
{
    struct error error;
    struct sharing *s = c->sharing;
    uint64_t id = message->has_id ? message->id : 0;
    enum code code;
    if (!s)
        code =
            error_set(&error, CODE_INVALID_ARGUMENT, "memory can be shared on a Unix socket only");
    else if (message->op_case == GRADFOLD__V1__REQUEST__OP_ADD_BUFFER)
        code = add(s, id, message->add_buffer, &error);
    else if (message->op_case == GRADFOLD__V1__REQUEST__OP_DROP_BUFFER)
        code = drop(s, id, message->drop_buffer, &error);
    else
        code = end_view(s, id, message->end_view, &error);
    if (code != CODE_OK)
        dispatch_refuse(c, id, &error);
}

/* -- Life -- */

struct sharing *sharing_new(struct connection *connection)
{
    struct sharing *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->connection = connection;
    s->passed[0].fd = s->passed[1].fd = SOCKET_NO_FD;
    return s;
}

static struct pull *take_view(struct sharing *s)
{
    lock(s);
    struct pull *pull = views_take(&s->views);
    unlock(s);
    return pull;
}

void sharing_lose(struct sharing *s)
{
    struct pull *pull;
    while ((pull = take_view(s)))
        raise_for(s, EVENT_VIEW_LOST, pull);
}

void sharing_free(struct sharing *s)
{
    if (!s)
        return;
    must(!s->working);
    forget_fd(&s->passed[0]);
    forget_fd(&s->passed[1]);
    buffers_free(&s->buffers, budget_of(s));
    views_free(&s->views);
    free(s);
}
