/* A soak: a steady mixed load against one gradfoldd, whose memory and descriptors must stay flat.
 *
 * Sampled twice a second. The medians of the second and of the last quarter are compared: the first
 * quarter is for pools to fill. */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soak_load.h"

enum {
    SAMPLE_MS = 500,
    SAMPLES_MAX = 1 << 16,
    GROWTH_PERCENT = 5,
    GROWTH_KIB = 2048,
    GROWTH_DESCRIPTORS = 6
};

struct samples {
    uint64_t kib[SAMPLES_MAX];
    uint64_t descriptors[SAMPLES_MAX];
    size_t n;
};

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Of quarter q (0 … 3); sorts it. */
static uint64_t median(uint64_t *values, size_t n, unsigned q)
{
    size_t first = n * q / 4, last = n * (q + 1) / 4;
    qsort(values + first, last - first, sizeof *values, by_size);
    return values[first + (last - first) / 2];
}

static bool sample(const struct gradfoldd *d, struct samples *samples)
{
    uint64_t bytes;
    unsigned descriptors;
    if (samples->n == SAMPLES_MAX || !gradfoldd_look(d, &bytes, &descriptors))
        return false;
    samples->kib[samples->n] = bytes / 1024;
    samples->descriptors[samples->n++] = descriptors;
    return true;
}

static unsigned passed, failed;

static void check(const char *what, bool ok)
{
    printf("%s: %s\n", ok ? "ok    " : "FAILED", what);
    ok ? passed++ : failed++;
}

static void judge(struct samples *s)
{
    uint64_t kib[4], descriptors[4];
    for (unsigned q = 0; q < 4; q++) {
        kib[q] = median(s->kib, s->n, q);
        descriptors[q] = median(s->descriptors, s->n, q);
        printf("quarter %u: median of resident memory %llu KiB, of descriptors %llu\n", q + 1,
               (unsigned long long)kib[q], (unsigned long long)descriptors[q]);
    }
    check("resident memory is flat", kib[3] <= kib[1] + kib[1] * GROWTH_PERCENT / 100 + GROWTH_KIB);
    check("descriptors are flat", descriptors[3] <= descriptors[1] + GROWTH_DESCRIPTORS);
}

static void soak(struct gradfoldd *server, unsigned seconds)
{
    static void *(*const kinds[])(void *) = {load_large, load_small, load_visitors, load_nuisances,
                                             load_admin};
    enum {
        KINDS = sizeof kinds / sizeof *kinds
    };
    static struct samples samples;
    struct load load = {.server = server};
    pthread_t threads[KINDS];
    unsigned started = 0;
    while (started < KINDS && pthread_create(&threads[started], NULL, kinds[started], &load) == 0)
        started++;
    int64_t end = now_ms() + (int64_t)seconds * 1000;
    while (now_ms() < end && !gradfoldd_died(server) && sample(server, &samples))
        poll(NULL, 0, SAMPLE_MS);
    atomic_store(&load.stopping, true);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    printf("%u s: %lu rounds, %lu jobs of visitors, %lu bad clients, %lu scrapes; %lu wrong\n",
           seconds, atomic_load(&load.rounds), atomic_load(&load.visits),
           atomic_load(&load.nuisances), atomic_load(&load.scrapes), atomic_load(&load.wrong));
    if (samples.n >= 8)
        judge(&samples);
    check("every kind of load ran to the end",
          started == KINDS && !gradfoldd_died(server) && samples.n >= 8);
    check("everything was answered as it should be", atomic_load(&load.wrong) == 0);
    check("no job is left", gradfoldd_metric(server, "gradfoldd_jobs") == 0);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"minutes", required_argument, NULL, 'm'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"gradfoldd", required_argument, NULL, 'g'},
                                          {NULL, 0, NULL, 0}};
    static const char *const options[] = {"--log-level", "error", NULL};
    const char *program = NULL;
    unsigned seconds = 60;
    struct gradfoldd server;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (o == 'm')
            seconds = (unsigned)strtoul(optarg, NULL, 10) * 60;
        else if (o == 's')
            seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (o == 'g')
            program = optarg;
        else
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (program == NULL || !gradfoldd_start(&server, program, options))
        return EXIT_FAILURE;
    soak(&server, seconds);
    check("the server ended well", gradfoldd_stop(&server) == 0);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
