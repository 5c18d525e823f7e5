/* What all contestants of a round share, so that all are measured alike: the same memory, the same
 * moments.
 *
 * One process a worker. All meet at a barrier before a round, after their pushes and after their
 * pulls, and note when they came there: a phase lasts from the last one's coming to one meeting
 * until the last one's coming to the next. A push ends when the worker knows that its gradient was
 * taken; whatever the server adds up later falls into the pull. The first rounds warm up and are
 * not counted.
 *
 * Outside of all times, workers write their gradients before the first round and the last, and
 * compare each element of the sums after the first and the last. With touch=1 they write before
 * each round, and read all sums of each before its pull counts as done: whoever copied them has
 * them in the cache, whoever only looks at them meets them there for the first time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "words.h"

struct bench {
    const char *name;
    int workers;
    int rounds; /* counted ones */
    int warm_up;
    size_t bytes;   /* of a worker's gradient */
    size_t tensors; /* that it is made of, all of one size */
    bool touch;
};

/* For words_read(), and how usage lines say it. */
#define BENCH_KEYS  "workers", "bytes", "rounds", "warm-up", "tensors", "touch"
#define BENCH_USAGE "workers=N bytes=N rounds=N [warm-up=N] [tensors=N] [touch=1]"

/* One worker's side of a contestant. state is what open returned. All end the process when
 * something fails. */
struct bench_peer {
    void *(*open)(const void *contest, int worker);

    /* Memory for the gradient; NULL: ordinary memory. */
    float *(*gradient)(void *state);

    void (*push)(void *state, long round, const float *gradient);

    /* Writes the sums to sums[0], tensor by tensor, or, with views, sets sums[0 … tensors - 1] to
     * where they can be read until the next push. */
    void (*pull)(void *state, long round, float **sums);
    bool views;
};

struct bench bench_read(const char *name, const struct words *words);

/* Forks the workers, runs all rounds, checks the sums and prints the report. */
void bench_run(const struct bench *bench, const struct bench_peer *peer, const void *contest);

enum {
    BENCH_MEETINGS = 3 /* before the round, after its pushes, after its pulls */
};

/* One line of JSON: medians of the counted rounds. last[BENCH_MEETINGS * round + meeting]: seconds
 * at which the last worker came there, warm-up included. */
void bench_report(const struct bench *bench, const double *last);

/* What a worker does to its gradient before the round, and to the sums after its pull. */
void bench_before(const struct bench *bench, int worker, long round, float *gradient);
void bench_touch(const struct bench *bench, long round, float *const *sums);
void bench_after(const struct bench *bench, long round, float *const *sums);

/* Touched memory that asks for huge pages, for ever. */
float *bench_floats(size_t bytes);

/* sums[0 … tensors - 1] in one such memory; or, without, nowhere. For ever. */
float **bench_sums(const struct bench *bench, bool memory);

/* fork(), with a child that ends with its parent, whatever becomes of that one. */
int bench_fork(void);

double bench_seconds(void);

/* Sorts values. 0 ≤ part ≤ 1: 0.5 is the median. */
double bench_quantile(double *values, size_t n, double part);

_Noreturn void bench_fail(const char *what, const char *why);
