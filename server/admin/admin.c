/* The admin's life.
 *
 * 1. The socket listens, libmicrohttpd runs on the loop: requests are answered.
 * 2. Up to limits.connections are accepted; when all are taken, others wait in the backlog.
 * 3. admin_stop: accepts no more; answers in progress end, or their time does.
 * 4. Handles close; the last close callback frees everything and tells the owner.
 *
 * What can go wrong:
 *   1'  the address is taken      admin_new says so
 *   2'  no descriptors left       the acceptor looks again a little later
 *   3'  a client does not read    its connection ends after limits.stop_ms */
#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/acceptor.h"
#include "admin/engine.h"
#include "admin/process.h"
#include "admin/world.h"

struct admin {
    struct world world;
    struct acceptor acceptor;
    struct engine engine;
    uv_timer_t patience; /* how long a stop waits for answers */
    bool stopping;
    bool engine_closing;
    unsigned parts; /* acceptor, engine, patience: not closed yet */
    void (*closed)(void *context);
    void *context;
};

/* -- The end -- */

static void part_closed(struct admin *admin)
{
    if (--admin->parts > 0)
        return;
    void (*closed)(void *) = admin->closed;
    void *context = admin->context;
    free(admin);
    if (closed != NULL)
        closed(context);
}

static void on_acceptor_closed(struct acceptor *acceptor)
{
    part_closed(list_entry(acceptor, struct admin, acceptor));
}

static void on_engine_closed(struct engine *engine)
{
    part_closed(list_entry(engine, struct admin, engine));
}

static void on_patience_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void close_engine(struct admin *admin)
{
    if (admin->engine_closing)
        return;
    admin->engine_closing = true;
    uv_close((uv_handle_t *)&admin->patience, on_patience_closed);
    engine_close(&admin->engine);
}

static void on_patience_over(uv_timer_t *timer)
{
    close_engine(timer->data);
}

/* Not from within the daemon, which cannot be stopped by its own callback: with the next turn. */
static void maybe_close_engine(struct admin *admin)
{
    if (admin->stopping && !admin->engine_closing && admin->engine.answering == 0)
        uv_timer_start(&admin->patience, on_patience_over, 0, 0);
}

/* -- While it runs -- */

static void on_accepted(struct acceptor *acceptor, int fd, const struct sockaddr *peer,
                        socklen_t length)
{
    struct admin *admin = list_entry(acceptor, struct admin, acceptor);
    engine_add(&admin->engine, fd, peer, length);
}

static void on_engine_changed(struct engine *engine)
{
    struct admin *admin = list_entry(engine, struct admin, engine);
    if (!admin->stopping)
        acceptor_want(&admin->acceptor,
                      admin->world.http_connections < admin->world.config.limits.connections);
    maybe_close_engine(admin);
}

/* -- The beginning -- */

static void set_default_limits(struct admin_limits *limits)
{
    if (limits->connections == 0)
        limits->connections = 64;
    if (limits->idle_s == 0)
        limits->idle_s = 10;
    if (limits->request_ms == 0)
        limits->request_ms = 60000;
    if (limits->stop_ms == 0)
        limits->stop_ms = 1000;
}

static int start(struct admin *admin, uv_loop_t *loop, int fd)
{
    admin->engine.changed = on_engine_changed;
    admin->engine.closed = on_engine_closed;
    admin->acceptor.accepted = on_accepted;
    admin->acceptor.closed = on_acceptor_closed;
    int status = acceptor_start(&admin->acceptor, loop, fd);
    if (status < 0) {
        free(admin);
        return status;
    }
    admin->parts = 1;
    status = engine_start(&admin->engine, loop, &admin->world);
    if (status < 0) {
        acceptor_close(&admin->acceptor); /* and then admin is freed */
        return status;
    }
    uv_timer_init(loop, &admin->patience);
    admin->patience.data = admin;
    admin->parts = 3;
    return 0;
}

struct admin *admin_new(uv_loop_t *loop, const struct admin_config *config, struct error *error)
{
    int fd = -1;
    if (acceptor_open(config->address, &fd, error) != CODE_OK)
        return NULL;
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) {
        error_set(error, CODE_RESOURCE_EXHAUSTED, "no memory");
        close(fd);
        return NULL;
    }
    admin->world.config = *config;
    admin->world.config.address = NULL;
    set_default_limits(&admin->world.config.limits);
    admin->world.state = ADMIN_STARTING;
    admin->world.started_s = process_started();
    int status = start(admin, loop, fd);
    if (status < 0) {
        error_set(error, CODE_UNAVAILABLE, "http: %s", uv_strerror(status));
        return NULL;
    }
    return admin;
}

void admin_set_state(struct admin *admin, enum admin_state state)
{
    admin->world.state = state;
}

bool admin_address(const struct admin *admin, struct sockaddr_storage *address)
{
    socklen_t length = sizeof *address;
    memset(address, 0, sizeof *address);
    return getsockname(admin->acceptor.fd, (struct sockaddr *)address, &length) == 0;
}

void admin_stop(struct admin *admin, void (*closed)(void *context), void *context)
{
    must(!admin->stopping);
    admin->closed = closed;
    admin->context = context;
    admin->stopping = true;
    admin->world.state = ADMIN_STOPPING;
    acceptor_close(&admin->acceptor);
    uv_timer_start(&admin->patience, on_patience_over, admin->world.config.limits.stop_ms, 0);
    maybe_close_engine(admin);
}
