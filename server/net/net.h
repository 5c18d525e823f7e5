/* The sockets: listeners, connections, and the translation between frames and the core's events.
 *
 * net never steps the core. What it has to say goes out through `submit`; what the core wants done
 * comes in through net_reply() and net_grant(), which only write things down: connections go on
 * when the loop is about to poll, so these two do not call back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/core.h"
#include "net/buffers.h"

struct net;

enum net_note_kind {
    NET_REFUSED,       /* a request or frame that net itself answered with `error` */
    NET_REJECTED,      /* a connection beyond the limit, told so with `error` */
    NET_STALLED,       /* a connection made no progress within a frame or a reply, and was closed */
    NET_ACCEPT_PAUSED, /* no descriptor or memory for another connection: trying again soon */
};

/* Something worth a line in the log. Borrowed for the call. */
struct net_note {
    enum net_note_kind kind;
    const char *peer;          /* "127.0.0.1:40000"; NULL: no connection is concerned */
    uint64_t request_id;       /* NET_REFUSED; 0: the frame could not be followed */
    const struct error *error; /* never NULL */
};

struct net_config {
    const struct core *core; /* whose jobs are listed; borrowed until closed */
    const char *version;     /* said in HelloResult; borrowed until closed */
    uint64_t max_body_bytes;
    unsigned max_connections;
    uint64_t idle_ms;      /* a frame or reply without progress for so long loses its connection */
    const char *unix_path; /* said in HelloResult; borrowed until closed. NULL: there is none */
    uint64_t instance;     /* also said: drawn at random when the server started */
    struct buffer_budget *buffers; /* borrowed until closed; several nets may share it */

    /* Never called from within net_reply() and net_grant(), except with EVENT_SENT for a pull that
     * cannot be sent: the callee may queue, as that event borrows nothing. now_ms is the callee's
     * to set. */
    void (*submit)(void *ctx, const struct event *event);
    void (*note)(void *ctx, const struct net_note *note); /* NULL: nobody listens */
    void *ctx;
};

/* Counters; those of what is now go down too. */
struct net_stats {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_rejected;
    uint64_t connections_stalled;
    uint64_t bytes_in, bytes_out;
    uint64_t frames_in;
    uint64_t frames_malformed; /* answered MALFORMED or TOO_LARGE by net */
    uint64_t accept_pauses;
};

/* NULL without memory. The loop and what config points to are borrowed until net_close() ends. */
struct net *net_new(uv_loop_t *loop, const struct net_config *config);

/* Binds and listens; port 0 takes a free one. IPv6 listeners take IPv6 only. Connections are served
 * from the next turn of the loop on. CODE_UNAVAILABLE: the system refuses, the message says why. */
MUST_USE enum code net_listen(struct net *net, const struct sockaddr *address, struct error *error);

/* The same for a Unix socket of that mode; its file is unlinked when net listens no more.
 * CODE_INVALID_ARGUMENT: the path is too long; CODE_UNAVAILABLE: there is something else, or the
 * system refuses. */
MUST_USE enum code net_listen_unix(struct net *net, const char *path, mode_t mode,
                                   struct error *error);

/* The address that TCP listener i (in the order of net_listen) really has; false: there is none. */
bool net_address(const struct net *net, unsigned i, struct sockaddr_storage *address);

/* -- Carrying out the core's actions -- */

/* Writes the reply down; nothing that it points to is needed afterwards, but the pull of an OK pull
 * reply, which comes back with EVENT_SENT. */
void net_reply(struct net *net, const struct reply *reply);

/* The peer's body may be read (or the peer has other news in its intake). */
void net_grant(struct net *net, struct peer *peer);

/* -- For those who watch -- */

const struct net_stats *net_stats(const struct net *net);

enum {
    NET_NAME_MAX = 64
};

/* "127.0.0.1:40000" of a connection that net owns, into name, which is returned. */
const char *net_peer_name(const struct peer *peer, char name[static NET_NAME_MAX]);

/* The same for any address. */
const char *net_address_name(const struct sockaddr *address, char name[static NET_NAME_MAX]);

/* -- The end -- */

/* No new connections from now on. */
void net_stop_listening(struct net *net);

/* Says goodbye to all connections: idle ones are closed at once, the others when their replies have
 * left and their peer has closed too, or after farewell_ms. Then `closed` is called, once and never
 * from within this function; net is gone after it. */
void net_close(struct net *net, uint64_t farewell_ms, void (*closed)(void *ctx), void *ctx);
