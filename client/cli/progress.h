/* A line on a terminal that says what takes so long; nothing where standard error is none. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct progress {
    bool running;
    bool done; /* under lock */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char text[160]; /* under lock */
};

/* From half a second on, "TEXT: 3 s" is shown and kept up to date. */
__attribute__((format(printf, 3, 4))) void progress_start(struct progress *progress, bool quiet,
                                                          const char *format, ...);
__attribute__((format(printf, 2, 3))) void progress_say(struct progress *progress,
                                                        const char *format, ...);
/* Takes the line away. */
void progress_stop(struct progress *progress);
