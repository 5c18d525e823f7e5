/* HTTP for those who watch: health, metrics and the state of jobs, read-only.
 *
 *   /healthz        200 while the process lives
 *   /readyz         200 while it serves, 503 before and while it stops
 *   /metrics        Prometheus text format
 *   /v1/jobs        the jobs, JSON
 *   /v1/jobs/NAME   one job: spec, rounds, who is final and who is missing; ?nodes=0 leaves out the
 * nodes
 *
 * Runs on a loop, and reads the core between steps: with the mutex held that steps hold, for a
 * piece of an answer at a time. A slow client costs a connection of struct admin_limits for a
 * while, and nobody else anything. */
#pragma once

#include <netinet/in.h>
#include <uv.h>

#include "base/error.h"
#include "base/must.h"
#include "core/core.h"
#include "log/log.h"

/* What clients may take. Zero means the figure behind it. */
struct admin_limits {
    unsigned connections; /* 64: together; more wait to be accepted */
    unsigned idle_s;      /* 10: without a byte, then the connection is closed */
    uint64_t request_ms;  /* 60,000: from accept or the last answer to the end of the next one */
    uint64_t stop_ms;     /* 1,000: what answers in progress get when the server stops */
};

/* What the other layers count; admin never looks into them. Zero what is not known. */
struct admin_numbers {
    uint64_t now_ms; /* the clock of the core's events */
    uint64_t connections, connections_max;
    uint64_t connections_accepted, connections_refused, connections_timed_out;
    uint64_t requests_received, frames_malformed;
    uint64_t bytes_received, bytes_sent;
};

struct admin_config {
    const struct sockaddr *address; /* borrowed for the call; port 0: the system's choice */
    const struct core *core;        /* borrowed until admin is closed */
    uv_mutex_t *mutex;              /* of the core; NULL: nobody else has this core */
    void (*fill)(void *context, struct admin_numbers *numbers); /* numbers are zeroed before */
    void *context;
    struct log *log;     /* borrowed until admin is closed; may be NULL */
    const char *version; /* borrowed, as is kernels: what the build is called and adds with */
    const char *kernels;
    struct admin_limits limits;
};

enum admin_state {
    ADMIN_STARTING,
    ADMIN_READY,
    ADMIN_STOPPING
};

struct admin;

/* Listens and serves from the next turn of the loop on, as ADMIN_STARTING. NULL: the error says
 * why; the loop may then have handles of ours to close in its next turn. */
MUST_USE struct admin *admin_new(uv_loop_t *loop, const struct admin_config *config,
                                 struct error *error);

/* What /readyz says. */
void admin_set_state(struct admin *admin, enum admin_state state);

/* The address that is listened on, with the port that the system chose; false: the system does not
 * say. */
bool admin_address(const struct admin *admin, struct sockaddr_storage *address);

/* Accepts no more, lets answers in progress end for limits.stop_ms, then closes everything and
 * calls closed(context), once, from the loop; the admin is gone by then. Not to be called twice. */
void admin_stop(struct admin *admin, void (*closed)(void *context), void *context);
