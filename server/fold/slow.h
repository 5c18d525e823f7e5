/* What the kernels cannot do: sums and quotients by way of tier 2's integers. Rare, and always
 * right. */
#pragma once

#include "fold/reading.h"

/* The correctly rounded double of (hi + lo) / n, both finite. */
double slow_quotient(double hi, double lo, uint64_t n);

/* x / n, rounded to odd, for a node of that dtype, smaller than f64. x not finite: itself. */
double slow_odd_quotient(enum dtype dtype, double x, uint64_t n);

/* Sums one chunk (or less) of a block, all that it holds and all terms, and divides: values that
 * need only be narrowed to the node's dtype. */
uint64_t slow_chunk(const struct reading *r, uint64_t block, struct span span, double out[CHUNK]);
