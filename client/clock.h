/* Time for deadlines: milliseconds that never go back. */
#pragma once

#include <stdint.h>
#include <time.h>

#define NEVER UINT64_MAX

static inline uint64_t clock_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The time at which a time-out that begins now is over; NEVER stays NEVER. */
static inline uint64_t clock_after(uint64_t now_ms, uint32_t timeout_ms)
{
    return timeout_ms == UINT32_MAX ? NEVER : now_ms + timeout_ms;
}
