/* One read-out: what fold_read was asked, as its parts see it. */
#pragma once

#include "fold/state.h"

struct reading {
    const struct fold_rule *rule;
    const struct accumulator *acc; /* or NULL */
    const struct terms *terms;
    uint64_t n;       /* contributions */
    uint64_t divisor; /* n for MEAN, 1 for SUM */
};

/* Contributions of a block that need not be taken from the terms. */
static inline uint64_t reading_held(const struct reading *r, uint64_t block)
{
    return r->acc == NULL ? 0 : r->acc->blocks[block].held;
}
