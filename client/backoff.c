#include "client/backoff.h"

void backoff_init(struct backoff *backoff, uint32_t min_ms, uint32_t max_ms, uint64_t seed)
{
    *backoff = (struct backoff){.min_ms = min_ms, .max_ms = max_ms, .random = seed};
    if (backoff->max_ms < min_ms)
        backoff->max_ms = min_ms;
}

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t backoff_next_ms(struct backoff *backoff)
{
    uint64_t whole = backoff->max_ms;
    if (backoff->failures < 32 && (uint64_t)backoff->min_ms << backoff->failures < whole)
        whole = (uint64_t)backoff->min_ms << backoff->failures;
    if (backoff->failures < 32)
        backoff->failures++;
    uint64_t half = whole / 2;
    return (uint32_t)(half + draw(&backoff->random) % (whole - half + 1));
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
