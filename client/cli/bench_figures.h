/* From times to figures to a table. */
#pragma once

#include <jansson.h>

#include "bench_crew.h"

/* The times of one size. */
struct bench_times {
    double *us[BENCH_OPS]; /* of each worker in each counted round */
    size_t n[BENCH_OPS];
    double span_s[BENCH_OPS]; /* from the first worker's beginning to the last one's end, summed */
};

/* False: no memory. In both cases bench_times_free(). */
bool bench_times_init(struct bench_times *times, uint64_t rounds, uint32_t workers);
void bench_times_free(struct bench_times *times);

void bench_times_add(struct bench_times *times, enum bench_op op, const struct bench_crew *crew);

void bench_print_head(void);
/* Sorts the times. */
void bench_print(struct bench_times *times, const struct bench *bench, uint64_t bytes);
json_t *bench_json(struct bench_times *times, const struct bench *bench, uint64_t bytes);
