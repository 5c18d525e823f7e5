/* A segment: memory of ours that others may share, a memfd which they can map to be read and, being
 * sealed, nothing else. */
#pragma once

#include <stdint.h>

#include "base/list.h"

struct segment {
    struct list link; /* for whoever keeps it */
    uint64_t id;
    int fd;
    uint64_t bytes; /* whole pages */
    unsigned char *data;
};

/* Mapped to be written by us, zero. NULL: there is no memory or no descriptor. */
struct segment *segment_new(uint64_t id, uint64_t bytes);

/* Unmaps and closes; others keep what they have mapped. NULL is allowed. */
void segment_free(struct segment *segment);
