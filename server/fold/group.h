/* A group: up to eight contributions of one dtype that a kernel adds in one pass, and the loop that
 * cuts a node's terms into groups. */
#pragma once

#include <stdint.h>

#include "fold/fold.h"

enum {
    GROUP_MAX = 8,
    CHUNK = 32,      /* elements that a kernel computes, checks and only then stores */
    ELEMENT_MAX = 8, /* bytes of the largest dtype */
    CHUNK_BYTES_MAX = CHUNK * ELEMENT_MAX,
};

/* A run of elements inside one block: either whole chunks, or fewer elements than one chunk. */
struct span {
    uint64_t first; /* of the node */
    unsigned n;
};

/* elements, rounded up to whole chunks: what kernels are called with. */
static inline unsigned span_padded(struct span span)
{
    return (span.n + CHUNK - 1) / CHUNK * CHUNK;
}

/* The whole chunks of a block and what is left of it: 1 or 2 spans. */
unsigned block_spans(uint64_t elements, uint64_t block, struct span spans[static 2]);

/* Elements of a block: FOLD_BLOCK but for the last one. */
unsigned block_elements(uint64_t elements, uint64_t block);

struct group {
    const unsigned char *data[GROUP_MAX]; /* at the span's first element */
    unsigned count;
    enum dtype dtype;
    /* Copies, padded with zeros, of a span that is shorter than a chunk. */
    unsigned char padded[GROUP_MAX][CHUNK_BYTES_MAX];
};

/* Fills group with as many as possible of contributions [number, end) and returns the next number.
 */
uint64_t group_take(struct group *group, const struct terms *terms, uint64_t number, uint64_t end,
                    struct span span);

/* One contribution at element `first`. */
const unsigned char *term_at(const struct terms *terms, uint64_t number, uint64_t first);
