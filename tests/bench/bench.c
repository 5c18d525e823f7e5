#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
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
    ROUNDS_MAX = 100000
};

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

float *bench_floats(size_t bytes, float value)
{
    float *floats = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (floats == MAP_FAILED)
        bench_fail("memory", strerror(errno));
    madvise(floats, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes / sizeof *floats; i++)
        floats[i] = value;
    return floats;
}

/* A whole number from 1 to max, or 0. */
static long number(const char *text, long max)
{
    if (text == NULL)
        return 0;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && n >= 1 && n <= max ? n : 0;
}

struct bench bench_arguments(const char *name, const char *usage, char **arguments)
{
    struct bench bench = {.name = name};
    bench.workers = (int)number(arguments[0], WORKERS_MAX);
    bench.bytes = bench.workers > 0 ? (size_t)number(arguments[1], 1L << 32) : 0;
    bench.rounds = bench.bytes > 0 ? (int)number(arguments[2], ROUNDS_MAX) : 0;
    if (bench.rounds == 0 || bench.bytes % sizeof(float) != 0) {
        fprintf(stderr, "usage: %s\n", usage);
        exit(2);
    }
    return bench;
}

void bench_check(const struct bench *bench, const float *result)
{
    float sum = (float)(bench->workers * (bench->workers + 1) / 2);
    for (size_t i = 0; i < bench->bytes / sizeof *result; i++)
        if (result[i] != sum)
            bench_fail(bench->name, "a wrong sum");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_report(const struct bench *bench, double *push, double *pull)
{
    double *whole = calloc((size_t)bench->rounds, sizeof *whole);
    if (whole == NULL)
        bench_fail("memory", strerror(errno));
    for (int r = 0; r < bench->rounds; r++)
        whole[r] = push[r] + pull[r];
    double gigabytes = (double)bench->bytes * bench->workers / 1e9;
    double push_s = median(push, bench->rounds);
    double pull_s = median(pull, bench->rounds);
    printf(
        "{\"peer\": \"%s\", \"workers\": %d, \"bytes\": %zu, \"rounds\": %d, \"push_gbps\": %.4f, "
        "\"pull_gbps\": %.4f, \"round_ms\": %.4f, \"sum\": \"right\"}\n",
        bench->name, bench->workers, bench->bytes, bench->rounds, gigabytes / push_s,
        gigabytes / pull_s, median(whole, bench->rounds) * 1e3);
    free(whole);
}

static pthread_barrier_t *shared_barrier(int processes)
{
    pthread_barrier_t *barrier =
        mmap(NULL, sizeof *barrier, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (barrier == MAP_FAILED)
        bench_fail("memory", strerror(errno));
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (pthread_barrier_init(barrier, &attributes, (unsigned)processes) != 0)
        bench_fail("barrier", "cannot be had");
    return barrier;
}

static void work(const struct bench *bench, const struct bench_peer *peer, const void *contest,
                 int worker, pthread_barrier_t *barrier)
{
    float *gradient = bench_floats(bench->bytes, (float)(worker + 1));
    float *result = bench_floats(bench->bytes, 0);
    void *state = peer->open(contest, worker);
    for (long r = 0; r < BENCH_WARM_UP + bench->rounds; r++) {
        pthread_barrier_wait(barrier);
        peer->push(state, r, gradient);
        pthread_barrier_wait(barrier);
        peer->pull(state, r, result);
        pthread_barrier_wait(barrier);
    }
    bench_check(bench, result);
}

/* A worker that fails would leave the others at the barrier for ever: the clock's process sees it
 * go, and takes all along. */
static void end_with_children(int signal)
{
    (void)signal;
    int status;
    while (waitpid(-1, &status, WNOHANG) > 0)
        if (status != 0)
            _exit(1);
}

static void fork_workers(const struct bench *bench, const struct bench_peer *peer,
                         const void *contest, pthread_barrier_t *barrier)
{
    for (int w = 0; w < bench->workers; w++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork", strerror(errno));
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work(bench, peer, contest, w, barrier);
            exit(0);
        }
    }
}

void bench_run(const struct bench *bench, const struct bench_peer *peer, const void *contest)
{
    double *push = calloc((size_t)bench->rounds * 2, sizeof *push);
    if (push == NULL)
        bench_fail("memory", strerror(errno));
    double *pull = push + bench->rounds;
    pthread_barrier_t *barrier = shared_barrier(bench->workers + 1);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = end_with_children}, NULL);
    fork_workers(bench, peer, contest, barrier);
    for (int r = -BENCH_WARM_UP; r < bench->rounds; r++) {
        pthread_barrier_wait(barrier);
        double started = bench_seconds();
        pthread_barrier_wait(barrier);
        double pushed = bench_seconds();
        pthread_barrier_wait(barrier);
        if (r >= 0) {
            push[r] = pushed - started;
            pull[r] = bench_seconds() - pushed;
        }
    }
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    int status;
    while (wait(&status) > 0)
        if (status != 0)
            bench_fail(bench->name, "a worker failed");
    bench_report(bench, push, pull);
    free(push);
}
