#include "delay.h"

#include <inttypes.h>
#include <sys/random.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

void delay_random(unsigned max_ms)
{
    uint64_t random;
    if (max_ms == 0 || getrandom(&random, sizeof random, 0) != sizeof random)
        return;
    uint64_t ns = random % (max_ms * NS_PER_MS);
    struct timespec pause = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&pause, NULL);
}

FILE *delay_trace_open(const char *path)
{
    FILE *trace = path == NULL ? NULL : fopen(path, "a");
    if (trace != NULL)
        setvbuf(trace, NULL, _IOLBF, 0); /* a killed process flushes nothing */
    return trace;
}

void delay_trace(FILE *trace, uint64_t round, size_t worker)
{
    struct timespec now;
    if (trace == NULL)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(trace, "%" PRIu64 " %" PRIu64 " %zu\n", round,
            (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec, worker);
}
