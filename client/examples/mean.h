/* The correctly rounded mean of f32 numbers, done the plain way: with long integers.
 *
 * This is what gradfold promises for a node of an EXACT job with the reduction MEAN. The server
 * gets there on another way and much faster (server/fold); this file shares no code with it, so
 * that equal bits mean something. tests/integration/demo_mean_test.py compares it with rational
 * arithmetic. */
#pragma once

#include <stddef.h>

/* The f32 that is nearest to (value[0] + … + value[count - 1]) / count, as if computed with
 * infinitely many digits; of two that are equally near, the one with the even last digit. Zero is
 * always +0; too large is infinity. All values must be finite; `count` is 1 … 2^31. */
float mean_exact(const float *value, size_t count);
