/* The command line of digits_worker, digits_alone and digits_test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    WORKERS_MAX = 64
};

/* The texts are borrowed from argv. */
struct options {
    /* all programs; digits_test takes no notice of rounds and workers */
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

/* Both return 0, or -1 after they have said on stderr what is wrong. */
int options_parse(struct options *options, int argc, char **argv);

/* Is there all that digits_worker needs? */
int options_check_worker(const struct options *options);
