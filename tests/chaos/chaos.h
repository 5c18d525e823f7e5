/* One run of chaos, as its files share it. */
#pragma once

#include "board.h"
#include "gradfold/gradfold.h"
#include "gradfoldd.h"
#include "proxy.h"

enum {
    CALL_MS = 5000 /* of the audit's own, direct ones */
};

struct tally {
    unsigned long accepted, refused, unknown_there, unknown_absent; /* contributions */
    unsigned long lost, doubled, wrong;
};

struct chaos {
    struct gradfoldd server;
    struct proxy proxy;
    struct board *board;
    int board_fd;
    const char *self;
    const char *program;
    pid_t workers[BOARD_WORKERS];
    bool done[BOARD_WORKERS];
    uint64_t random;
    uint64_t seed;
    unsigned long contributions; /* wanted */
    unsigned seconds_max;
    unsigned long kills;
    unsigned long failed_workers;
    int64_t next_kill_ms;
    int64_t started_ms;
    gf_client *client; /* direct */
    unsigned pulled;   /* rounds */
    float *sums;       /* of BOARD_AHEAD + 1 rounds, [round][node][element] */
    struct tally tally;
    unsigned passed, failed;
};

/* Pulls the rounds that have closed, and compares those that all workers have left with what they
 * wrote down. */
void chaos_audit(struct chaos *chaos);
