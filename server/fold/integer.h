/* Exact sums of integers: i32 in 64 bits, i64 in 128. Additions cannot fail; a range error is found
 * when the sum is read. */
#pragma once

#include "fold/reading.h"
#include "fold/state.h"

void block_add_integers(struct accumulator *acc, uint64_t block, const struct terms *terms,
                        uint64_t end);

/* Reads one span into out, padded to whole chunks. False: out of range. */
MUST_USE bool read_integers(const struct reading *r, uint64_t block, struct span span, void *out);
