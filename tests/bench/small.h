/* What the contestants with many small pushes share: the job, its size, the report. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "words.h"

enum {
    SMALL_ELEMENTS = 16, /* f32: 64 bytes */
};

struct small {
    const char *address;
    uint64_t pushes;
    uint64_t round;  /* pushes of each round; pushes is a multiple of it */
    uint64_t window; /* pipelined: at most so many are not answered */
    bool one_at_a_time;
    char job[64];
};

#define SMALL_KEYS  "address", "pushes", "round", "window", "mode"
#define SMALL_USAGE "pushes=N [round=N] [window=N] [mode=pipelined|one]"

struct small small_read(const struct words *words);

/* One worker, one node of SMALL_ELEMENTS. */
void small_create(const struct small *small);

/* Every push was of ones: ends the process unless the last round's sums say that all were counted
 * once. */
void small_check(const struct small *small);

/* One line of JSON. taken: seconds that all took; seconds: each, when they were one at a time. */
void small_report(const struct small *small, double taken, double *seconds);
