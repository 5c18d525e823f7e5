#include "bench_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const op_names[BENCH_OPS] = {"push", "pull", "round"};

bool bench_times_init(struct bench_times *times, uint64_t rounds, uint32_t workers)
{
    bool done = true;
    *times = (struct bench_times){0};
    for (int op = 0; op < BENCH_OPS; op++) {
        times->us[op] = calloc(rounds * workers, sizeof *times->us[op]);
        done = done && times->us[op] != NULL;
    }
    return done;
}

void bench_times_free(struct bench_times *times)
{
    for (int op = 0; op < BENCH_OPS; op++)
        free(times->us[op]);
}

void bench_times_add(struct bench_times *times, enum bench_op op, const struct bench_crew *crew)
{
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    for (uint32_t i = 0; i < crew->n; i++) {
        const struct bench_answer *answer = &crew->answer[i];
        times->us[op][times->n[op]++] = (double)(answer->end_ns - answer->begin_ns) / 1e3;
        first = answer->begin_ns < first ? answer->begin_ns : first;
        last = answer->end_ns > last ? answer->end_ns : last;
    }
    times->span_s[op] += (double)(last - first) / 1e9;
}

/* -- Figures -- */

struct figures {
    double min_us, p50_us, p99_us, max_us;
    double gb_per_s; /* 10^9 bytes of gradients a second, of all workers, both ways */
};

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The smallest one that percent of all are not above. */
static double percentile(const double *sorted, size_t n, size_t percent)
{
    size_t rank = (n * percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static struct figures figures_of(struct bench_times *times, enum bench_op op, uint64_t bytes)
{
    double *us = times->us[op];
    size_t n = times->n[op];
    qsort(us, n, sizeof *us, compare);
    double moved = (double)bytes * (double)n * (op == BENCH_ROUND ? 2 : 1);
    return (struct figures){
        .min_us = us[0],
        .p50_us = percentile(us, n, 50),
        .p99_us = percentile(us, n, 99),
        .max_us = us[n - 1],
        .gb_per_s = moved / times->span_s[op] / 1e9,
    };
}

/* -- Showing -- */

void bench_print_head(void)
{
    printf("%12s %7s %7s  %-5s %11s %11s %11s %11s %8s\n", "bytes", "nodes", "rounds", "op",
           "min us", "p50 us", "p99 us", "max us", "GB/s");
}

void bench_print(struct bench_times *times, const struct bench *bench, uint64_t bytes)
{
    for (enum bench_op op = 0; op < BENCH_OPS; op++) {
        struct figures f = figures_of(times, op, bytes);
        printf("%12" PRIu64 " %7" PRIu64 " %7zu  %-5s %11.1f %11.1f %11.1f %11.1f %8.3f\n", bytes,
               bench->nodes, times->n[op] / bench->workers, op_names[op], f.min_us, f.p50_us,
               f.p99_us, f.max_us, f.gb_per_s);
    }
    fflush(stdout);
}

json_t *bench_json(struct bench_times *times, const struct bench *bench, uint64_t bytes)
{
    json_t *json =
        json_pack("{s:I, s:I, s:I}", "bytes", (json_int_t)bytes, "nodes", (json_int_t)bench->nodes,
                  "rounds", (json_int_t)(times->n[BENCH_PUSH] / bench->workers));
    for (enum bench_op op = 0; op < BENCH_OPS; op++) {
        struct figures f = figures_of(times, op, bytes);
        json_object_set_new(json, op_names[op],
                            json_pack("{s:f, s:f, s:f, s:f, s:f}", "min_us", f.min_us, "p50_us",
                                      f.p50_us, "p99_us", f.p99_us, "max_us", f.max_us, "gb_per_s",
                                      f.gb_per_s));
    }
    return json;
}
