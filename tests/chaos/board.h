/* What workers, which are killed without warning, write down for the audit: memory that all
 * processes of a run share. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BOARD_WORKERS = 4,
    BOARD_PUSHES = 8, /* of a worker in a round */
    BOARD_ELEMENTS = BOARD_WORKERS * BOARD_PUSHES,
    BOARD_NODES_MAX = 512,
    BOARD_ROUNDS_MAX = 4096,
    BOARD_AHEAD = 20, /* rounds that workers may be ahead of the audit */
};

/* In this order only. */
enum fate {
    FATE_NONE,     /* not sent: must not be in the sums */
    FATE_UNKNOWN,  /* sent: may be */
    FATE_REFUSED,  /* must not be */
    FATE_ACCEPTED, /* must be, once */
};

struct board {
    char address[64]; /* for workers: the proxy's */
    char job[64];
    atomic_uint rounds; /* to be done: fewer, once enough was acknowledged */
    unsigned nodes;
    atomic_uint audited;               /* rounds */
    atomic_uint cursor[BOARD_WORKERS]; /* the round at which a worker is */
    atomic_ulong duplicates;           /* verdicts that workers got */
    atomic_ulong surprises;            /* answers that break a promise */
    atomic_uchar fates[BOARD_ROUNDS_MAX][BOARD_WORKERS][BOARD_PUSHES];
};

/* What a worker process does until all rounds are over; its exit status. */
int worker_main(struct board *board, unsigned worker);
