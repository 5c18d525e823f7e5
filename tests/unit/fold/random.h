/* Random numbers for tests: xorshift64*, good enough and the same everywhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* Any seed but 0 is spread over all bits; 0 is one as well. */
static inline struct random random_seeded(uint64_t seed)
{
    seed = (seed + 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebU;
    return (struct random){seed | 1};
}

static inline uint64_t random_bits(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dU;
}

/* 0 … n - 1 */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    return (random_bits(r) >> 11) % n;
}

/* low … high */
static inline int random_from(struct random *r, int low, int high)
{
    return low + (int)random_below(r, (uint64_t)(high - low) + 1);
}

static inline bool random_one_in(struct random *r, uint64_t n)
{
    return random_below(r, n) == 0;
}
