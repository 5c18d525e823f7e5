/* The sockets: listeners, connections, and the translation between frames and the core's events.
 *
 * net never steps the core. What it has to say goes out through `submit`; what the core wants done
 * comes in through net_reply() and net_grant(), which only write things down: connections go on
 * when the loop is about to poll, so these two do not call back.
 *
 * A server has one net for each of its loops, and one mutex, which is held while the core is
 * stepped and its actions are carried out. A net belongs to the thread of its loop; from another
 * one only what says so may be called. Connections are accepted by the net that listens and spread
 * over all. What the core has for a connection of another loop is posted there (mail.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/counter.h"
#include "core/core.h"
#include "net/buffers.h"

struct net;

/* What a net counts, and anybody may look at. Zeroed before. */
struct net_counters {
    atomic_uint connections_open; /* counted up by the net that listens */
    struct counter connections_accepted;
    struct counter connections_rejected;
    struct counter connections_stalled;
    struct counter bytes_in, bytes_out;
    struct counter frames_in;
    struct counter frames_malformed; /* answered MALFORMED or TOO_LARGE by net */
    struct counter accept_pauses;
};

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

/* Pointers are borrowed until the net is closed; the counters longer, until all are. */
struct net_config {
    const struct core *core; /* whose jobs are listed */
    uv_mutex_t *mutex;
    struct net_counters *counters;
    struct net *const *nets; /* of the server, this one too; all are there when one listens */
    unsigned n_nets;
    const char *version; /* said in HelloResult */
    uint64_t max_body_bytes;
    unsigned max_connections; /* of all nets together */
    uint64_t idle_ms;      /* a frame or reply without progress for so long loses its connection */
    const char *unix_path; /* said in HelloResult. NULL: there is none */
    uint64_t instance;     /* also said: drawn at random when the server started */
    struct buffer_budget *buffers; /* of all nets together */

    /* Takes the mutex, calls net_collect(), steps the core, and calls net_look() for the event's
     * peer. Called in the loop's thread; never from within net_reply() and net_grant(). now_ms is
     * the callee's to set. */
    void (*submit)(void *ctx, const struct event *event);
    /* NULL: nobody listens. From the thread of any loop. */
    void (*note)(void *ctx, const struct net_note *note);
    void *ctx;
};

/* Counters as they were at a moment; those of what is now go down too. */
struct net_stats {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_rejected;
    uint64_t connections_stalled;
    uint64_t bytes_in, bytes_out;
    uint64_t frames_in;
    uint64_t frames_malformed;
    uint64_t accept_pauses;
};

/* NULL without memory. */
struct net *net_new(const struct net_config *config);

/* Before it is used otherwise: the loop is borrowed until it is closed. */
void net_start(struct net *net, uv_loop_t *loop);

/* One that was not started. NULL is allowed. */
void net_free(struct net *net);

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

/* -- Stepping the core and carrying out its actions: the mutex is held -- */

/* What other loops have for connections of this one. To be called before the core is told anything
 * by this loop. */
void net_collect(struct net *net);

/* Writes the reply down; nothing that it points to is needed afterwards, but the pull of an OK pull
 * reply, which comes back with EVENT_SENT. False: the pull cannot be sent, and is not needed. The
 * peer may be another net's; here: of the calling thread, NULL when it is closed. */
MUST_USE bool net_reply(struct net *here, const struct reply *reply);

/* The peer's body may be read. As above. */
void net_grant(struct net *here, struct peer *peer);

/* The peer's connection, of the calling thread, looks what became of its event. */
void net_look(struct peer *peer);

/* -- For those who watch -- */

/* Adds the counters to the sum. From any thread. */
void net_stats_add(const struct net_counters *counters, struct net_stats *sum);

enum {
    NET_NAME_MAX = 64
};

/* "127.0.0.1:40000", or "unix:pid=7,uid=0", of a connection that net owns; borrowed from it. From
 * another thread: of a peer that is not lost, with the mutex held. */
const char *net_peer_name(const struct peer *peer);

/* "127.0.0.1:40000" of any address, into name, which is returned. */
const char *net_address_name(const struct sockaddr *address, char name[static NET_NAME_MAX]);

/* -- The end -- */

/* No new connections from now on. */
void net_stop_listening(struct net *net);

/* Says goodbye to all connections: idle ones are closed at once, the others when their replies have
 * left and their peer has closed too, or after farewell_ms. Then `closed` is called, once, in the
 * loop's thread and never from within this function; net is gone after it. From any thread. */
void net_close(struct net *net, uint64_t farewell_ms, void (*closed)(void *ctx), void *ctx);
