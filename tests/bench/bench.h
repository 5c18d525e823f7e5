/* What all contestants share, so that all are measured alike: the same buffers, the same moments.
 *
 * One process a worker, and one that only looks at the clock. All meet at a barrier before a round,
 * after its pushes and after its pulls; a phase is as long as its slowest worker. A push ends when
 * the worker knows that its tensor was taken; whatever the server adds up later falls into the
 * pull. The first rounds warm up and are not counted. */
#pragma once

#include <stddef.h>

struct bench {
    const char *name;
    int workers;
    int rounds; /* counted ones */
    size_t bytes;
};

enum {
    BENCH_WARM_UP = 2
};

/* One worker's side of a contestant. push sends the gradient; pull fills result with the sum. state
 * is what open returned; all end the process when something fails. */
struct bench_peer {
    void *(*open)(const void *contest, int worker);
    void (*push)(void *state, long round, const float *gradient);
    void (*pull)(void *state, long round, float *result);
};

/* Reads "WORKERS BYTES ROUNDS" from arguments; ends the process with a usage line if they make no
 * sense. */
struct bench bench_arguments(const char *name, const char *usage, char **arguments);

/* Forks the workers, runs all rounds, checks the sums and prints the report. */
void bench_run(const struct bench *bench, const struct bench_peer *peer, const void *contest);

/* One line of JSON: medians of the counted rounds; push and pull hold seconds and get sorted. */
void bench_report(const struct bench *bench, double *push, double *pull);

/* Worker w pushes w + 1 everywhere: ends the process unless result holds the sum of all. */
void bench_check(const struct bench *bench, const float *result);

/* Touched memory that asks for huge pages, for ever; every element has the value. */
float *bench_floats(size_t bytes, float value);

double bench_seconds(void);

_Noreturn void bench_fail(const char *what, const char *why);
