/* What the files of the composition root share. */
#pragma once

#include <limits.h>

#include "admin/admin.h"
#include "core/core.h"
#include "net/net.h"
#include "server.h"

struct server {
    const struct server_options *options;
    const char *kernels;
    struct log *log;
    uv_loop_t *loop;
    struct core *core;
    struct net *net;     /* NULL: gone */
    struct admin *admin; /* NULL: none, or gone */
    struct buffer_budget buffers;
    char unix_path[PATH_MAX + OPTIONS_UNIX_PATH_MAX]; /* absolute; "": none */
    struct update update;
    const struct event *current; /* the event of the step at hand */
    bool stepping;
    struct list answers; /* struct action.link: over, their events follow */
    unsigned folds;      /* on the pool */
    uv_timer_t wake;
    uint64_t wake_at_ms;
    uv_timer_t stop_timer;
    uv_prepare_t stop_watch;
    unsigned handles; /* whose close callback is still to come */
    bool stopping;
    bool net_closing;
    void (*stopped)(void *ctx);
    void *ctx;
};

/* -- step.c: the core is stepped, and its actions are carried out -- */

/* Milliseconds, monotonic, on the scale of uv_now(). */
uint64_t server_now_ms(void);

/* Of a net_config: steps the core with the event, and with all that come of it. From within a step
 * only the EVENT_SENT of a pull whose reply is being carried out: it waits for its turn. */
void server_submit(void *ctx, const struct event *event);

void server_on_wake(uv_timer_t *timer);

/* -- journal.c: what is worth a line -- */

void journal_start(const struct server *server);
void journal_reply(const struct server *server, const struct reply *reply);
void journal_round(const struct server *server, const struct round *round);
void journal_note(void *ctx, const struct net_note *note);

/* -- port_file.c -- */

/* One line a listener, "listen ADDR:PORT", "admin ADDR:PORT" or "unix PATH", there as a whole or not
 * at all. CODE_UNAVAILABLE: the system refuses. */
MUST_USE enum code port_file_write(const struct server *server, const char *path,
                                   struct error *error);
