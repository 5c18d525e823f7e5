/* A proxy on loopback that spoils what goes through it: connections are cut, stalled, split into
 * single bytes, and what was sent is sent again over another connection. All from a seed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct proxy {
    char address[32]; /* where it listens */
    atomic_ulong connections, cuts, stalls, splits, replays;
    /* private */
    char server[64];
    uint64_t seed;
    int listener;
    atomic_int threads;
    atomic_bool stopping;
};

/* false: no socket or thread. */
bool proxy_start(struct proxy *proxy, const char *server, uint64_t seed);

/* Cuts everything and waits for its threads. */
void proxy_stop(struct proxy *proxy);
