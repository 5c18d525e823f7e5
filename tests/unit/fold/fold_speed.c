/* How fast the fold is: GB/s of contributions, best of some runs, by the thread's own
 * CPU time (others may use the machine). Built with the tests, not run
 * by them. fold_speed [scalar|avx2|avx512] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fold/fold.h"
#include "random.h"

enum {
    TENSORS = 8,
    RUNS = 7,
    BYTES = 64 << 20,
    PATTERN = 1 << 20,
    SECONDS_MAX = 1,
    OFFSET = 4096 + 448
};

/* Seconds of this thread's CPU time. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Normal numbers of either sign whose exponents are spread over some binades. */
static void fill(enum dtype dtype, unsigned char *data, unsigned spread, struct random *r)
{
    static const struct {
        int bits, fraction, middle;
    } f[] = {[DTYPE_F32] = {32, 23, 127},
             [DTYPE_F64] = {64, 52, 1023},
             [DTYPE_F16] = {16, 10, 15},
             [DTYPE_BF16] = {16, 7, 127}};
    size_t size = dtype_size(dtype);
    for (size_t i = 0; i < PATTERN / size; i++) {
        uint64_t u = random_bits(r);
        uint64_t exponent = (uint64_t)f[dtype].middle - random_below(r, spread + 1);
        uint64_t bits = (u & (((uint64_t)1 << f[dtype].fraction) - 1)) |
                        exponent << f[dtype].fraction | u >> 63 << (f[dtype].bits - 1);
        memcpy(data + i * size, &bits, size);
    }
    for (size_t at = PATTERN; at < BYTES; at += PATTERN)
        memcpy(data + at, data, PATTERN);
}

static double read_once(const struct fold_rule *rule, const struct terms *terms, void *out)
{
    uint64_t n = BYTES / dtype_size(rule->dtype);
    double start = now();
    if (!fold_read(rule, NULL, terms, terms->count, n, out, 0, fold_blocks(n)))
        abort();
    return now() - start;
}

static void measure_read(const struct fold_rule *rule, const struct tensor *tensors, void *out,
                         const char *what)
{
    printf("%-4s %-22s", dtype_name(rule->dtype), what);
    for (size_t p = 1; p <= TENSORS; p *= 2) {
        double seconds[RUNS];
        struct terms terms = {.tensors = tensors, .count = p, .first = 0};
        double spent = 0;
        int runs = 0;
        while (runs < RUNS && spent < SECONDS_MAX) {
            seconds[runs] = read_once(rule, &terms, out);
            spent += seconds[runs++];
        }
        qsort(seconds, (size_t)runs, sizeof *seconds, ascending);
        printf("  P=%zu %6.2f", p, (double)p * BYTES / seconds[0] * 1e-9);
    }
    printf("\n");
}

static void measure_add(const struct fold_rule *rule, const struct tensor *tensors,
                        const char *what)
{
    struct fold_budget budget;
    uint64_t n = BYTES / dtype_size(rule->dtype);
    double seconds[TENSORS - 1];
    fold_budget_init(&budget, UINT64_MAX);
    struct accumulator *acc = accumulator_new(rule, n, &budget);
    for (uint64_t k = 0; k < TENSORS; k++) {
        struct terms terms = {.tensors = tensors + k, .count = 1, .first = k};
        double start = now();
        if (!accumulator_add(acc, &terms, 0, fold_blocks(n)))
            abort();
        if (k > 0) /* the first one pays for fresh memory */
            seconds[k - 1] = now() - start;
    }
    qsort(seconds, TENSORS - 1, sizeof *seconds, ascending);
    printf("%-4s %-22s  accumulator_add %6.2f\n", dtype_name(rule->dtype), what,
           BYTES / seconds[0] * 1e-9);
    accumulator_free(acc);
}

static void measure_scan(enum dtype dtype, const unsigned char *data, size_t bytes)
{
    uint64_t n = bytes / dtype_size(dtype);
    unsigned rounds = (unsigned)(8 * (size_t)BYTES / bytes);
    double start = now();
    for (unsigned i = 0; i < rounds; i++)
        if (fold_find_non_finite(dtype, data, n) != FOLD_ALL_FINITE)
            abort();
    printf("%-4s non-finite scan of %zu KiB %6.1f\n", dtype_name(dtype), bytes >> 10,
           (double)bytes * rounds / (now() - start) * 1e-9);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *name = fold_kernels_choose(argc > 1 ? argv[1] : NULL);
    if (name == NULL) {
        fprintf(stderr, "no such kernels here\n");
        return 1;
    }
    printf("kernels %s, %d MiB a tensor, GB/s of contributions by CPU time, best of %d\n", name,
           BYTES >> 20, RUNS);
    struct tensor tensors[TENSORS];
    struct random r = random_seeded(1);
    unsigned char *memory = malloc((size_t)(TENSORS + 1) * (BYTES + OFFSET));
    if (memory == NULL)
        return 1;
    unsigned char *out = memory + (size_t)TENSORS * (BYTES + OFFSET);
    memset(out, 1, BYTES);
    static const struct {
        enum dtype dtype;
        unsigned spread;
        const char *what;
    } cases[] = {{DTYPE_F32, 4, "same scale"},
                 {DTYPE_F32, 40, "spread 2^40: tier 1"},
                 {DTYPE_F32, 120, "spread 2^120: tier 2"},
                 {DTYPE_BF16, 4, "same scale"},
                 {DTYPE_F16, 4, "same scale"},
                 {DTYPE_F64, 4, "same scale"},
                 {DTYPE_F64, 1000, "spread 2^1000: tier 2"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct fold_rule rule = {cases[c].dtype, ACCUMULATION_EXACT, REDUCTION_SUM};
        for (size_t k = 0; k < TENSORS; k++) {
            unsigned char *data = memory + k * (BYTES + OFFSET);
            fill(rule.dtype, data, cases[c].spread, &r);
            tensors[k] = (struct tensor){.data = data, .dtype = rule.dtype};
        }
        measure_read(&rule, tensors, out, cases[c].what);
        if (cases[c].spread <= 40)
            measure_add(&rule, tensors, cases[c].what);
        rule.reduction = REDUCTION_MEAN;
        measure_read(&rule, tensors, out, "  mean");
        rule.accumulation = ACCUMULATION_IN_ORDER;
        if (cases[c].spread == 4)
            measure_read(&rule, tensors, out, "  in order, mean");
        measure_scan(rule.dtype, memory, 256 << 10);
        measure_scan(rule.dtype, memory, BYTES);
    }
    free(memory);
    return 0;
}
