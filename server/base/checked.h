/* Arithmetic on lengths that come from outside: false means overflow, and the output is untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/must.h"

/*@ requires \valid(sum);
  @ assigns *sum;
  @ ensures \result <==> a + b <= UINT64_MAX;
  @ ensures *sum == (\result ? a + b : \old(*sum)); */
MUST_USE static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    if (a > UINT64_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

/* Compilers make of the division what they have for overflow. */
/*@ requires \valid(product);
  @ assigns *product;
  @ ensures \result <==> a * b <= UINT64_MAX;
  @ ensures *product == (\result ? a * b : \old(*product)); */
MUST_USE static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    if (b != 0 && a > UINT64_MAX / b)
        return false;
    *product = a * b;
    return true;
}
