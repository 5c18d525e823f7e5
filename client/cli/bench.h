/* gradfold bench: W worker processes push and pull, and what each of their operations takes is
 * measured.
 *
 *   bench.c         the plan: sizes, rounds, options
 *   bench_crew.c    the processes: starting, ordering, awaiting and ending them
 *   bench_worker.c  one of them
 *   bench_server.c  a gradfoldd of one's own
 *   bench_figures.c from times to figures to a table */
#pragma once

#include <gradfold/gradfold.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_transport {
    BENCH_TCP,
    BENCH_UNIX,
    BENCH_SHM,
};

enum bench_op {
    BENCH_PUSH,  /* until the verdict */
    BENCH_PULL,  /* all are pushed: until the sum is here */
    BENCH_ROUND, /* both in one call */
    BENCH_OPS,
};

enum {
    BENCH_WORKERS_MAX = 256, /* their number is exact in every dtype */
    BENCH_SIZES_MAX = 64,
    BENCH_ADDRESS_MAX = 256,
};

struct bench {
    char address[BENCH_ADDRESS_MAX];
    enum bench_transport transport;
    gf_dtype dtype;
    uint32_t workers;
    uint64_t nodes;   /* of a job, of about the same size */
    uint64_t rounds;  /* counted ones; 0: depends on the size */
    uint64_t warm_up; /* rounds that are not counted, in which the sums are verified */
    uint32_t timeout_ms;
    uint64_t bytes[BENCH_SIZES_MAX]; /* of a worker's gradient */
    size_t n_bytes;
};

/* How many elements the node has; all together bytes. */
uint64_t bench_node_elements(const struct bench *bench, uint64_t bytes, uint64_t node);
