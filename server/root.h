/* What the files of the composition root share. */
#pragma once

#include <limits.h>

#include "admin/admin.h"
#include "core/core.h"
#include "net/net.h"
#include "server.h"

/* A loop with connections. The first is the process's, which also has the listeners, admin, timers
 * and signals; each of the others has a thread of its own. */
struct io_loop {
    struct server *server;
    uv_loop_t *uv;
    uv_loop_t own; /* what uv is, of all but the first */
    uv_thread_t thread;
    bool threaded;   /* the thread runs, or is to be joined */
    struct net *net; /* NULL: gone */
    struct net_counters counters;
    unsigned folds; /* on the pool; they come back to this loop */
};

struct server {
    const struct server_options *options;
    const char *kernels;
    struct log *log;

    /* Of the core, of what the nets have for each other, and of all in this paragraph. */
    uv_mutex_t mutex;
    struct core *core;
    struct buffer_budget buffers;
    uint64_t instance;
    char unix_path[PATH_MAX + OPTIONS_UNIX_PATH_MAX]; /* absolute; "": none */
    struct update update;
    const struct event *current; /* the event of the step at hand */
    struct list answers;         /* struct action.link: over, their events follow */
    uint64_t wake_at_ms;         /* the timer is set to this time, or soon will be */
    bool stopping;
    unsigned threads; /* that have not left their loop yet */

    struct io_loop *loops;
    unsigned n_loops;
    struct net **nets; /* of all loops */

    /* The first loop's. */
    struct admin *admin; /* NULL: none, or gone */
    uv_async_t news;     /* another loop has changed wake_at_ms, or has something for the stop */
    uv_timer_t wake;
    uv_timer_t stop_timer;
    uv_prepare_t stop_watch;
    unsigned handles; /* whose close callback is still to come */
    bool closing;
    void (*stopped)(void *ctx);
    void *ctx;
};

static inline uv_loop_t *server_loop(const struct server *server)
{
    return server->loops[0].uv;
}

/* -- step.c: the core is stepped, and its actions are carried out -- */

/* Milliseconds, monotonic, on the scale of uv_now(). */
uint64_t server_now_ms(void);

/* Of a net_config, whose ctx is the struct io_loop: steps the core with the event, and with all
 * that come of it. In the loop's thread. */
void server_submit(void *loop, const struct event *event);

void server_on_wake(uv_timer_t *timer);

/* The timer is set to wake_at_ms. In the first loop's thread. */
void server_arm(struct server *server);

/* -- loops.c: the loops and their threads -- */

/* options->io_threads loops with a net each. False without memory, with nothing left behind. */
MUST_USE bool loops_new(struct server *server, uv_loop_t *first);

/* Starts the threads. CODE_UNAVAILABLE: the system refuses one. */
MUST_USE enum code loops_start(struct server *server, struct error *error);

/* Closes all nets, each in its thread. */
void loops_close(struct server *server);

/* All nets are closed and all folds are back. */
bool loops_closed(struct server *server);

/* Joins the threads and frees the loops, which are closed. */
void loops_free(struct server *server);

/* -- server.c -- */

/* Something that a stop waits for may be over. In the first loop's thread. */
void server_maybe_finish(struct server *server);

/* Summed over all loops. From any thread. */
void server_net_stats(const struct server *server, struct net_stats *sum);

/* -- journal.c: what is worth a line -- */

void journal_start(const struct server *server);
void journal_reply(const struct server *server, const struct reply *reply);
void journal_round(const struct server *server, const struct round *round);
void journal_note(void *loop, const struct net_note *note); /* from the loop's thread */

/* -- port_file.c -- */

/* One line a listener, "listen ADDR:PORT", "admin ADDR:PORT" or "unix PATH", there as a whole or
 * not at all. CODE_UNAVAILABLE: the system refuses. */
MUST_USE enum code port_file_write(const struct server *server, const char *path,
                                   struct error *error);
