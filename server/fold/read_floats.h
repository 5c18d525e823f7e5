/* Read-out of exact sums of floats. */
#pragma once

#include "fold/reading.h"

/* Reads one span into out, which has the node's dtype and room for whole chunks. */
void read_floats(const struct reading *r, uint64_t block, struct span span, void *out);
