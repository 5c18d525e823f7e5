/* A segment: memory of results that clients may share, a memfd of ours which they can map to be read
 * and nothing else. Numbers are never used again, segments are: later rounds of the job lie there,
 * once nobody looks any more. */
#pragma once

#include <stdint.h>

struct segment {
    uint64_t id; /* 1 … */
    int fd;      /* ours; sealed */
    uint64_t bytes;
    unsigned char *data;
};
