/* Arithmetic on lengths that come from outside: false means overflow, and the output is untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"

MUST_USE static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    uint64_t s;
    if (__builtin_add_overflow(a, b, &s))
        return false;
    *sum = s;
    return true;
}

MUST_USE static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    uint64_t p;
    if (__builtin_mul_overflow(a, b, &p))
        return false;
    *product = p;
    return true;
}
