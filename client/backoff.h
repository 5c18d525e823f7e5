/* Pauses between attempts: doubled after each, bounded, at random between a half and the whole, so
 * that workers that lost the same server do not come back in step. */
#pragma once

#include <stdint.h>

struct backoff {
    uint32_t min_ms;
    uint32_t max_ms;
    unsigned failures; /* in a row */
    uint64_t random;   /* state; any seed */
};

void backoff_init(struct backoff *backoff, uint32_t min_ms, uint32_t max_ms, uint64_t seed);

/* Another attempt failed: how long to wait before the next. */
uint32_t backoff_next_ms(struct backoff *backoff);

/* Something worked. */
void backoff_reset(struct backoff *backoff);
