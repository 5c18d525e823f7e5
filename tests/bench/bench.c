#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 64,
    ROUNDS_MAX = 100000,
    TENSORS_MAX = 1 << 18,
    FACTORS = 7
};

#define BYTES_MAX (1L << 36)

double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

_Noreturn void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

struct bench bench_read(const char *name, const struct words *words)
{
    struct bench bench = {
        .name = name,
        .workers = (int)words_number(words, "workers", -1, WORKERS_MAX),
        .bytes = (size_t)words_number(words, "bytes", -1, BYTES_MAX),
        .rounds = (int)words_number(words, "rounds", -1, ROUNDS_MAX),
        .warm_up = (int)words_number(words, "warm-up", 4, ROUNDS_MAX),
        .tensors = (size_t)words_number(words, "tensors", 1, TENSORS_MAX),
        .touch = words_number(words, "touch", 0, 1) == 1,
    };
    if (bench.workers == 0 || bench.bytes == 0 || bench.rounds == 0 || bench.tensors == 0 ||
        bench.bytes % (bench.tensors * sizeof(uint64_t)) != 0)
        bench_fail(name, "all are at least 1, and tensors are whole multiples of 8 bytes");
    return bench;
}

/* -- Memory and what is in it ----------------------------------------------------------------- */

float *bench_floats(size_t bytes)
{
    float *floats = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (floats == MAP_FAILED)
        bench_fail("memory", strerror(errno));
    madvise(floats, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes / sizeof *floats; i++)
        floats[i] = -1;
    return floats;
}

float **bench_sums(const struct bench *bench, bool memory)
{
    float **sums = calloc(bench->tensors, sizeof *sums);
    if (sums == NULL)
        bench_fail("memory", strerror(errno));
    float *floats = memory ? bench_floats(bench->bytes) : NULL;
    size_t each = bench->bytes / bench->tensors / sizeof *floats;
    for (size_t i = 0; memory && i < bench->tensors; i++)
        sums[i] = floats + i * each;
    return sums;
}

static bool is_first_or_last(const struct bench *bench, long round)
{
    return round == 0 || round == bench->warm_up + bench->rounds - 1;
}

/* Sums of an earlier round must not be taken for this one's. */
static int factor(const struct bench *bench, long round)
{
    if (bench->touch)
        return 1 + (int)(round % FACTORS);
    return round > 0 && is_first_or_last(bench, round) ? 2 : 1;
}

void bench_before(const struct bench *bench, int worker, long round, float *gradient)
{
    if (!bench->touch && !is_first_or_last(bench, round))
        return;
    float element = (float)((worker + 1) * factor(bench, round));
    for (size_t i = 0; i < bench->bytes / sizeof *gradient; i++)
        gradient[i] = element;
}

static float expected(const struct bench *bench, long round)
{
    return (float)(bench->workers * (bench->workers + 1) / 2 * factor(bench, round));
}

/* Reads all bits, and no faster than memory gives them. */
static uint64_t add_bits(const float *floats, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes; at += sizeof sum) {
        uint64_t bits;
        memcpy(&bits, (const char *)floats + at, sizeof bits);
        sum += bits;
    }
    return sum;
}

void bench_touch(const struct bench *bench, long round, float *const *sums)
{
    if (!bench->touch)
        return;
    float sum = expected(bench, round);
    uint64_t each = add_bits((float[]){sum, sum}, 2 * sizeof sum);
    uint64_t found = 0;
    for (size_t i = 0; i < bench->tensors; i++)
        found += add_bits(sums[i], bench->bytes / bench->tensors);
    if (found != each * (bench->bytes / sizeof each))
        bench_fail(bench->name, "a wrong sum");
}

void bench_after(const struct bench *bench, long round, float *const *sums)
{
    if (!is_first_or_last(bench, round))
        return;
    size_t each = bench->bytes / bench->tensors / sizeof **sums;
    for (size_t i = 0; i < bench->tensors; i++)
        for (size_t j = 0; j < each; j++)
            if (sums[i][j] != expected(bench, round))
                bench_fail(bench->name, "a wrong sum");
}

/* -- The report ------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double part)
{
    qsort(values, n, sizeof *values, by_size);
    double at = part * (double)(n - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < n ? below + 1 : below;
    return values[below] + (values[above] - values[below]) * (at - (double)below);
}

void bench_report(const struct bench *bench, const double *last)
{
    size_t n = (size_t)bench->rounds;
    double *push = calloc(n * 3, sizeof *push);
    if (push == NULL)
        bench_fail("memory", strerror(errno));
    double *pull = push + n;
    double *whole = pull + n;
    for (size_t r = 0; r < n; r++) {
        const double *at = last + ((size_t)bench->warm_up + r) * BENCH_MEETINGS;
        push[r] = at[1] - at[0];
        pull[r] = at[2] - at[1];
        whole[r] = at[2] - at[0];
    }
    double gigabytes = (double)bench->bytes * bench->workers / 1e9;
    double push_s = bench_quantile(push, n, 0.5);
    double pull_s = bench_quantile(pull, n, 0.5);
    printf("{\"push_gbps\": %.6g, \"pull_gbps\": %.6g, \"push_ms\": %.6g, \"pull_ms\": %.6g, "
           "\"round_ms\": %.6g, \"sum\": \"right\"}\n",
           gigabytes / push_s, gigabytes / pull_s, push_s * 1e3, pull_s * 1e3,
           bench_quantile(whole, n, 0.5) * 1e3);
    free(push);
}

/* -- The workers ------------------------------------------------------------------------------ */

/* Where they meet, and when each came there: arrival[MEETINGS * round + meeting][worker]. */
struct meeting {
    pthread_barrier_t barrier;
    double arrival[];
};

static struct meeting *shared_meeting(const struct bench *bench)
{
    size_t rounds = (size_t)(bench->warm_up + bench->rounds);
    size_t times = rounds * BENCH_MEETINGS * (size_t)bench->workers;
    struct meeting *meeting = mmap(NULL, sizeof *meeting + times * sizeof *meeting->arrival,
                                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (meeting == MAP_FAILED)
        bench_fail("memory", strerror(errno));
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (pthread_barrier_init(&meeting->barrier, &attributes, (unsigned)bench->workers) != 0)
        bench_fail("barrier", "cannot be had");
    return meeting;
}

static void work(const struct bench *bench, const struct bench_peer *peer, const void *contest,
                 int worker, struct meeting *meeting)
{
    void *state = peer->open(contest, worker);
    float *own = peer->gradient != NULL ? peer->gradient(state) : NULL;
    float *gradient = own != NULL ? own : bench_floats(bench->bytes);
    float **sums = bench_sums(bench, !peer->views);
    double *arrival = meeting->arrival + worker;
    for (long r = 0; r < bench->warm_up + bench->rounds; r++) {
        bench_before(bench, worker, r, gradient);
        for (int at = 0; at < BENCH_MEETINGS; at++) {
            if (at == 1)
                peer->push(state, r, gradient);
            if (at == 2)
                peer->pull(state, r, sums);
            if (at == 2)
                bench_touch(bench, r, sums);
            *arrival = bench_seconds();
            arrival += bench->workers;
            pthread_barrier_wait(&meeting->barrier);
        }
        bench_after(bench, r, sums);
    }
}

int bench_fork(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        bench_fail("fork", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

static void fork_workers(const struct bench *bench, const struct bench_peer *peer,
                         const void *contest, struct meeting *meeting)
{
    for (int w = 0; w < bench->workers; w++) {
        if (bench_fork() == 0) {
            work(bench, peer, contest, w, meeting);
            exit(0);
        }
    }
}

void bench_run(const struct bench *bench, const struct bench_peer *peer, const void *contest)
{
    size_t meetings = (size_t)(bench->warm_up + bench->rounds) * BENCH_MEETINGS;
    double *last = calloc(meetings, sizeof *last);
    if (last == NULL)
        bench_fail("memory", strerror(errno));
    struct meeting *meeting = shared_meeting(bench);
    fork_workers(bench, peer, contest, meeting);
    /* When one fails, the others wait for it: they end with this process. */
    int status;
    while (wait(&status) > 0)
        if (status != 0)
            bench_fail(bench->name, "a worker failed");
    for (size_t i = 0; i < meetings; i++)
        for (int w = 0; w < bench->workers; w++) {
            double time = meeting->arrival[i * (size_t)bench->workers + (size_t)w];
            last[i] = time > last[i] ? time : last[i];
        }
    bench_report(bench, last);
    free(last);
}
