/* Servers in this process: one loop, run by a thread of its own, while the test speaks to them over
 * real sockets. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "core/core.h"
#include "net/net.h"
#include "server.h"

enum {
    SERVERS_MAX = 2
};

struct served {
    uv_loop_t loop;
    uv_async_t call;                             /* runs `function` in the loop's thread */
    _Atomic(void (*)(struct served *)) function; /* also orders what both threads touch */
    uv_sem_t called;
    int which;               /* the server that the function is about */
    struct core_stats stats; /* of server 0, as served_wait() saw them last */
    struct net_stats net_stats;
    uv_prepare_t turn;
    uint64_t bytes_in;
    uint64_t turn_bytes_max; /* that server 0 read between two polls */
    pthread_t thread;
    struct server_options options;
    unsigned n;
    struct server *server[SERVERS_MAX];
    struct address address[SERVERS_MAX];
    unsigned running; /* of the loop's thread */
    char port_file[64];
};

/* Options as gradfoldd would have them, listening on a free port of 127.0.0.1, without admin. */
void served_options(struct served *served);

/* n servers with served->options. */
void served_start(struct served *served, unsigned n);

/* Waits until server 0 has so many bodies on their way, pushes that wait, and pulls that wait. */
void served_wait(struct served *served, uint64_t receiving, uint64_t pushes, uint64_t pulls);

/* Asks server i to stop, and returns when it has begun to. */
void served_stop(struct served *served, int i);

/* Waits until all servers, which were asked to, have stopped. */
void served_join(struct served *served);

/* Both, for all that run. */
void served_end(struct served *served);
