/* Memory that a worker of these tests shares: a few floats in a mapping of its own. */
#pragma once

#include <stdatomic.h>

#include "fixture.h"

enum {
    SHARED_FLOATS = 64
};

struct shared {
    float values[SHARED_FLOATS];
    struct mapping mapping;
};

/* All values v; one reference, the test's. */
void shared_init(struct shared *shared, float v);

/* Writes v to all values, as the worker may at any time. */
void shared_fill(struct shared *shared, float v);

/* References that the core holds. */
unsigned shared_held(const struct shared *shared);

/* offer_w() with its tensor at the start of that memory, and no body. Static storage. */
struct push_offer *offer_shared(struct shared *shared, uint32_t worker, uint64_t sequence,
                                bool final);
