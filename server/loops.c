/* The I/O loops of a server and their threads.
 *
 * 1. new: a loop and a net each. The first loop is the caller's, who runs it.
 * 2. start: a thread for each of the others.
 * 3. close: each net is asked to, and says goodbye in its own thread.
 * 4. A net is gone and the folds of its loop are back: the loop has nothing left to wait for, its
 *    thread tells the first loop and ends.
 *
 * What can go wrong:
 *   2'  no thread   the caller stops the server; what has no thread is run to its end by step 3 */
#include <stdlib.h>
#include <string.h>

#include "root.h"

enum {
    FAREWELL_MS = 1000
};

/* -- New -- */

static bool make_net(struct server *s, struct io_loop *l)
{
    struct net_config config = {
        .core = s->core,
        .mutex = &s->mutex,
        .counters = &l->counters,
        .nets = s->nets,
        .n_nets = s->n_loops,
        .version = GRADFOLD_VERSION,
        .max_body_bytes = s->options->max_body_bytes,
        .max_connections = (unsigned)s->options->max_connections,
        .idle_ms = s->options->idle_ms,
        .unix_path = s->unix_path[0] != '\0' ? s->unix_path : NULL,
        .instance = s->instance,
        .buffers = &s->buffers,
        .submit = server_submit,
        .note = journal_note,
        .ctx = l,
    };
    l->net = s->nets[l - s->loops] = net_new(&config);
    return l->net;
}

static bool make_loop(struct server *s, struct io_loop *l)
{
    l->server = s;
    if (!make_net(s, l))
        return false;
    if (l->uv)
        return true;
    if (uv_loop_init(&l->own) != 0)
        return false;
    l->uv = &l->own;
    return true;
}

bool loops_new(struct server *s, uv_loop_t *first)
{
    s->n_loops = (unsigned)s->options->io_threads;
    s->loops = calloc(s->n_loops, sizeof *s->loops);
    s->nets = calloc(s->n_loops, sizeof *s->nets);
    if (!s->loops || !s->nets)
        return false;
    s->loops[0].uv = first;
    for (unsigned i = 0; i < s->n_loops; i++)
        if (!make_loop(s, &s->loops[i]))
            return false;
    for (unsigned i = 0; i < s->n_loops; i++)
        net_start(s->loops[i].net, s->loops[i].uv);
    return true;
}

/* -- Threads -- */

static void run(void *arg)
{
    struct io_loop *l = arg;
    struct server *s = l->server;
    uv_run(l->uv, UV_RUN_DEFAULT);
    uv_mutex_lock(&s->mutex);
    s->threads--;
    uv_async_send(&s->news); /* which is closed when the last thread is known to be gone */
    uv_mutex_unlock(&s->mutex);
}

enum code loops_start(struct server *s, struct error *error)
{
    for (unsigned i = 1; i < s->n_loops; i++) {
        struct io_loop *l = &s->loops[i];
        int err = uv_thread_create(&l->thread, run, l);
        if (err)
            return error_set(error, CODE_UNAVAILABLE, "I/O thread %u of %u: %s", i + 1, s->n_loops,
                             uv_strerror(err));
        l->threaded = true;
        s->threads++;
    }
    return CODE_OK;
}

/* -- The end -- */

/* In the loop's thread. */
static void on_closed(void *ctx)
{
    struct io_loop *l = ctx;
    l->net = NULL;
    if (l == l->server->loops)
        server_maybe_finish(l->server);
}

void loops_close(struct server *s)
{
    for (unsigned i = 0; i < s->n_loops; i++) {
        struct io_loop *l = &s->loops[i];
        net_close(l->net, FAREWELL_MS, on_closed, l);
        if (i > 0 && !l->threaded)
            uv_run(l->uv, UV_RUN_DEFAULT);
    }
}

bool loops_closed(struct server *s)
{
    uv_mutex_lock(&s->mutex);
    bool closed = s->threads == 0;
    uv_mutex_unlock(&s->mutex);
    return closed && !s->loops[0].net && s->loops[0].folds == 0;
}

void loops_free(struct server *s)
{
    for (unsigned i = 0; s->loops && i < s->n_loops; i++) {
        struct io_loop *l = &s->loops[i];
        if (l->threaded)
            uv_thread_join(&l->thread);
        if (l->uv == &l->own)
            must(uv_loop_close(&l->own) == 0);
        net_free(l->net);
    }
    free(s->loops);
    free(s->nets);
}
