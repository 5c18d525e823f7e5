/* What a training run says while it goes on: a line that is rewritten on a terminal, a line now and
 * then in a pipe or file. */
#pragma once

#include "model.h"

struct progress {
    uint64_t rounds;     /* in all */
    uint64_t shown;      /* the round of the last line */
    double shown_time_s; /* and when that was */
    int terminal;        /* is stdout one? */
};

/* `round` is the one that the run begins with: 0, or more after a restart. */
void progress_start(struct progress *progress, uint64_t round, uint64_t rounds);

/* To be called after each round, with the loss and the weights that it led to; shows them when it
 * is time to. */
void progress_show(struct progress *progress, uint64_t round, double loss,
                   const struct tensors *weights, const struct images *test);

/* A line of its own, in between. Arguments as for printf(). */
__attribute__((format(printf, 1, 2))) void progress_note(const char *format, ...);
