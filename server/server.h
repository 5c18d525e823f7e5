/* The composition root: a core, its sockets and its thread pool, put together as options say.
 *
 * Several servers may live in one process, also on one loop. A process that runs one must ignore
 * SIGPIPE, which is the process's to decide. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "base/must.h"
#include "log/log.h"
#include "options/options.h"

struct server;

/* Nothing is listened on yet. loop, options and log (NULL: silence) are borrowed until `stopped`
 * was called, which happens once, from the loop, after server_stop(); the server is gone by then.
 * kernels: what fold_kernels_choose() said, for those who watch; static storage. NULL without
 * memory. Folds run on libuv's pool, whose size is the process's; options.threads only says how
 * finely they are cut. */
struct server *server_new(uv_loop_t *loop, const struct server_options *options,
                          const char *kernels, struct log *log, void (*stopped)(void *ctx),
                          void *ctx);

/* Binds all listeners, writes the port file. After an error the server is still to be stopped. */
MUST_USE enum code server_start(struct server *server, struct error *error);

/* Accepts no more, answers waiting pulls UNAVAILABLE, finishes what is committed, lets replies
 * leave, and closes: within about three seconds and the fold at hand. Harmless the second time. */
void server_stop(struct server *server);

/* Where the i-th --listen really listens; false: there is none. */
bool server_address(const struct server *server, unsigned i, struct address *address);

/* Where the admin interface really listens; false: there is none. */
bool server_admin_address(const struct server *server, struct address *address);
