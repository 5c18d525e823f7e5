/* The body of a pull's reply, cut into runs of memory: adjacent gradients become one run, and
 * gradients that are all zero come from a block of zeros that everybody shares. */
#pragma once

#include <stdint.h>

struct pull;

struct pieces {
    const struct pull *pull;
    uint64_t left;   /* bytes not handed out yet */
    uint64_t offset; /* bytes of gradient i that were */
    uint64_t i;
};

void pieces_begin(struct pieces *pieces, const struct pull *pull, uint64_t body_bytes);

/* The next run of at most max bytes (> 0), valid as long as the pull. *n is 0 only when nothing is
 * left. */
const unsigned char *pieces_next(struct pieces *pieces, uint64_t max, uint64_t *n);
