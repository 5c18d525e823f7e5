#include "progress.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD_MS = 250
};

static void add_ms(struct timespec *time, long ms)
{
    time->tv_nsec += ms * 1000000;
    time->tv_sec += time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
}

/* Shows the line every PERIOD_MS, until it is done. */
static void *show(void *context)
{
    struct progress *progress = context;
    struct timespec started;
    clock_gettime(CLOCK_MONOTONIC, &started);
    struct timespec next = started;
    add_ms(&next, PERIOD_MS);
    bool shown = false;
    pthread_mutex_lock(&progress->lock);
    while (!progress->done) {
        add_ms(&next, PERIOD_MS);
        while (!progress->done &&
               pthread_cond_timedwait(&progress->changed, &progress->lock, &next) == 0)
            continue;
        if (progress->done)
            break;
        fprintf(stderr, "\r\033[K%s: %ld s", progress->text, (long)(next.tv_sec - started.tv_sec));
        shown = true;
    }
    pthread_mutex_unlock(&progress->lock);
    if (shown)
        fputs("\r\033[K", stderr);
    return NULL;
}

static void set_text(struct progress *progress, const char *format, va_list args)
{
    pthread_mutex_lock(&progress->lock);
    vsnprintf(progress->text, sizeof progress->text, format, args);
    pthread_mutex_unlock(&progress->lock);
}

void progress_start(struct progress *progress, bool quiet, const char *format, ...)
{
    pthread_condattr_t monotonic;
    *progress = (struct progress){.running = false};
    if (quiet || !isatty(STDERR_FILENO))
        return;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    va_list args;
    va_start(args, format);
    set_text(progress, format, args);
    va_end(args);
    progress->running = pthread_create(&progress->thread, NULL, show, progress) == 0;
}

void progress_say(struct progress *progress, const char *format, ...)
{
    if (!progress->running)
        return;
    va_list args;
    va_start(args, format);
    set_text(progress, format, args);
    va_end(args);
}

void progress_stop(struct progress *progress)
{
    if (!progress->running)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->done = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->lock);
    progress->running = false;
}
