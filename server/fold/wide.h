/* Tier 2: a sum as one two's-complement integer, wide enough for every finite contribution. Words
 * are 64 bits, least significant first. Slow and always right; the ISA-dependent kernels avoid it.
 */
#pragma once

#include <stdint.h>

#include "base/dtype.h"

enum {
    WIDE_WORDS_MAX = 34,
    TIER1_F64_MAX = 1 << 23, /* contributions below 2^1000 whose sum stays below 2^1023 */
};

/* The integer's unit is 2^unit. */
struct wide_format {
    unsigned words;
    int unit;
};

/* f64: 2,176 bits in units of 2^-1074; the other float dtypes: 320 bits in units of 2^-149. */
/*@ assigns \result \from node; */
struct wide_format wide_format(enum dtype node);

/* Adds x, which is finite and a multiple of 2^unit. Room for 2^42 contributions of f32, 2^77 of
 * f64. */
void wide_add(uint64_t *words, struct wide_format format, double x);

enum rounding {
    ROUND_NEAREST, /* ties to even; overflow gives the infinity */
    ROUND_ODD,     /* towards zero, then the last bit is set when anything was cut off */
};

/* The integer divided by n, 1 <= n <= UINT32_MAX, rounded once to a double. Zero is +0. */
double wide_quotient(const uint64_t *words, struct wide_format format, uint64_t n,
                     enum rounding rounding);
