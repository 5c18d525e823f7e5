/* IN_ORDER: TorchLean's foldlM over the node's own dtype, literally: each step is rounded in it. */
#pragma once

#include "fold/reading.h"
#include "fold/state.h"

void block_add_in_order(struct accumulator *acc, uint64_t block, const struct terms *terms,
                        uint64_t end);

/* Reads one span into out, padded to whole chunks. False: an integer step was out of range. */
MUST_USE bool read_in_order(const struct reading *r, uint64_t block, struct span span, void *out);
