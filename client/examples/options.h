/* The command line of digits_worker and digits_alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    WORKERS_MAX = 64
};

/* What has no sign of its own is needed by both programs. The texts are borrowed from argv. */
struct options {
    const char *data;    /* the digits: tests/data/digits.csv */
    const char *weights; /* file for the trained weights */
    uint64_t rounds;     /* training steps */
    size_t workers;

    /* digits_worker only */
    const char *server;     /* HOST:PORT of gradfoldd */
    const char *job;        /* its name */
    size_t worker;          /* which one this is, 0 … workers - 1 */
    const char *checkpoint; /* file to resume from, written every round */
    const char *trace;      /* file to note the times of the pushes in, or NULL */
    unsigned delay_ms;      /* wait up to so long before each push, at random */
    uint64_t repeat_round;  /* push twice in this round; UINT64_MAX: never */
    int progress;           /* tell how it goes? */
};

/* Returns 0, or -1 after it has said on stderr what is wrong. */
int options_parse(struct options *options, int argc, char **argv);
