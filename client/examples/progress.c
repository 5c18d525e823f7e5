#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_INTERVAL_S 0.1
enum {
    LINES_IN_A_PIPE = 10
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(struct progress *progress, uint64_t round, uint64_t rounds)
{
    *progress = (struct progress){.rounds = rounds,
                                  .shown = round,
                                  .shown_time_s = now_s(),
                                  .terminal = isatty(STDOUT_FILENO)};
}

static int due(const struct progress *progress, uint64_t done, double time_s)
{
    if (done == progress->rounds)
        return 1;
    if (progress->terminal)
        return time_s - progress->shown_time_s >= TERMINAL_INTERVAL_S;
    return done % ((progress->rounds + LINES_IN_A_PIPE - 1) / LINES_IN_A_PIPE) == 0;
}

void progress_show(struct progress *progress, uint64_t round, double loss,
                   const struct tensors *weights, const struct images *test)
{
    uint64_t done = round + 1;
    double time_s = now_s();
    if (!due(progress, done, time_s))
        return;
    double rate = (double)(done - progress->shown) / (time_s - progress->shown_time_s + 1e-9);
    printf("%s  round %4" PRIu64 "/%" PRIu64
           "   loss %.4f   test accuracy %5.1f %%   %6.0f rounds/s%s",
           progress->terminal ? "\r\033[K" : "", done, progress->rounds, loss,
           model_accuracy(weights, test), rate,
           progress->terminal && done < progress->rounds ? "" : "\n");
    fflush(stdout);
    progress->shown = done;
    progress->shown_time_s = time_s;
}

void progress_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s  ", isatty(STDOUT_FILENO) ? "\r\033[K" : "");
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}
