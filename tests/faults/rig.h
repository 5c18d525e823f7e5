/* A server in this process, on a loop and a thread of its own, clients that speak to it over real
 * sockets, and a ledger of what was pushed, which is audited when the faults are over.
 *
 * The audit: the i-th push of a run has the value 1 in element i of each of its tensors and 0 in
 * all others. Acknowledged it must read exactly 1 in every sum; refused 0; unknown 0 or 1. */
#pragma once

#include <pthread.h>
#include <uv.h>

#include "core/core.h"
#include "gradfold/gradfold.h"
#include "net/net.h"
#include "server.h"

enum {
    RIG_CLIENTS = 4,
    RIG_PUSHES = 16, /* of one run: elements that tell them apart */
    RIG_NODES = 2048,
    RIG_PATIENCE_MS = 5000, /* for what must happen soon */
};

/* A job as a scenario wants it: nodes that are all alike. */
struct model {
    const char *name;
    size_t n_nodes;
    uint64_t elements; /* of each node, at least RIG_PUSHES */
    gf_dtype dtype;    /* 0: GF_F32 */
    uint32_t world;
    uint32_t quorum; /* 0: all */
    uint32_t expected;
    uint32_t retain; /* 0: 2 */
    uint64_t grace_ms;
    bool mean;
    bool in_order;
    bool first_frozen; /* node 0 */
    bool named;        /* its nodes have names */
};

enum fate {
    FATE_UNKNOWN, /* sent, no verdict */
    FATE_ACCEPTED,
    FATE_REFUSED
};

struct entry {
    uint64_t round;
    uint32_t worker;
    uint64_t sequence;
    bool final;
    gf_dtype dtype; /* as pushed; 0: that of the model */
    size_t first;   /* node */
    size_t n;       /* nodes from there on */
    enum fate fate;
    uint64_t shape[1];
    gf_tensor *tensors;
};

struct rig {
    uv_loop_t loop;
    uv_async_t call; /* runs `function` in the loop's thread, without faults */
    void (*function)(struct rig *rig);
    uv_sem_t called;
    pthread_t thread;
    struct server_options options;
    struct server *server;
    bool running; /* the loop's thread is there */
    bool made;    /* there is a server, which … */
    bool serving; /* … has started, and … */
    bool asked;   /* … was asked to stop */
    struct address address;
    struct address admin;
    struct core_stats stats;
    struct net_stats net_stats;

    bool strict;  /* no fault was armed: every call must do what it is expected to */
    bool forever; /* the fault lasts: calls may run into their deadline */
    uint32_t timeout_ms;
    gf_client *client[RIG_CLIENTS];
    gf_error error;

    struct model model;
    bool deleted;     /* by the scenario */
    bool may_discard; /* accepted pushes may be missing: their worker was not final */
    size_t n_entries;
    struct entry entries[RIG_PUSHES];
    char failure[600]; /* the first thing that was wrong; "": nothing */
};

/* -- The server -- */

void rig_init(struct rig *rig);

/* 127.0.0.1 instead of an address of this process alone. */
void rig_listen_on_localhost(struct rig *rig);

/* Makes and starts the server as rig->options say; false: it refused. Faults may strike. */
bool rig_serve(struct rig *rig);

/* Runs the function in the loop's thread and waits for it. */
void rig_call(struct rig *rig, void (*function)(struct rig *rig));

/* Asks the server to stop; does not wait. */
void rig_stop(struct rig *rig);

/* rig->stats and rig->net_stats as they are now. */
void rig_look(struct rig *rig);

/* Waits until so many pulls and pushes wait, or (with a fault) some time is over. */
void rig_wait(struct rig *rig, uint64_t pulls, uint64_t pushes);

/* Stops, waits for the end, gives everything back. */
void rig_end(struct rig *rig);

/* -- Verdicts about what was seen -- */

void rig_fail(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The call came to `code`: it must be `expected`, or under a fault a clear error. */
void rig_check(struct rig *rig, const char *what, gf_code code, gf_code expected);

/* -- clients.c: act as their side -- */

/* Once, before anything is counted. */
void rig_make_vectors(void);

/* host NULL: the number that the server listens on. */
gf_code rig_connect(struct rig *rig, int i, const char *host);
gf_code rig_create(struct rig *rig, int i, const struct model *model);

/* What worker `worker` pushes next, kept in the ledger. first, n: nodes. */
struct entry *rig_entry(struct rig *rig, uint64_t round, uint32_t worker, uint64_t sequence,
                        bool final, size_t first, size_t n);
gf_push_args rig_push_args(struct rig *rig, const struct entry *entry);
void rig_settle(struct rig *rig, struct entry *entry, gf_code code);

/* Entry, push and settling in one, of all nodes. */
gf_code rig_push(struct rig *rig, int i, uint64_t round, uint32_t worker, uint64_t sequence,
                 bool final);

/* Nodes first … first + n - 1 into one of two arrays of buffers (which: 0, 1). */
gf_pull_args rig_pull_args(struct rig *rig, int which, uint64_t round, size_t first, size_t n);
gf_code rig_pull(struct rig *rig, int i, uint64_t round, size_t first, size_t n);

/* -- audit.c: when the faults are over -- */

/* The ledger against the sums, a follow-up round to the bit, and nothing left behind. */
void rig_audit(struct rig *rig);

/* GET path from the admin interface, by the test's side: the status, 0 for none. */
int rig_get(struct rig *rig, const char *path);

/* Sends bytes over a bare socket, waits for the end of the stream, by the test's side. */
void rig_send_raw(struct rig *rig, const void *bytes, size_t n);
