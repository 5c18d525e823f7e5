/* What contributions are made of: kinds of values that are known to be hard. */
#pragma once

#include "base/dtype.h"
#include "random.h"

enum values {
    VALUES_SAME_SCALE,
    VALUES_SPREAD_24, /* binades */
    VALUES_SPREAD_48,
    VALUES_SPREAD_70,
    VALUES_ANY_FINITE,
    VALUES_ANY_BITS,
    VALUES_SUBNORMAL,
    VALUES_NEAR_TIE,
    VALUES_NEAR_MEAN_TIE, /* the mean is a tie, or next to one */
    VALUES_CANCEL,
    VALUES_HUGE,
    VALUES_ZERO,
    VALUES_SPECIAL, /* finite with some infinities and NaNs */
    VALUES_COUNT,
};

/* Fills one element of each of n contributions: bits[k] is of dtype from[k], for a node of dtype
 * node. */
void values_fill(struct random *r, enum values kind, enum dtype node, const enum dtype *from,
                 uint64_t *bits, unsigned n);
