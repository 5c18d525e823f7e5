/* The fixture of the tests of pushes in place: peers 0 and 1 are workers 0 and 1, whose tensors of
 * 16 bytes are enough to gather. */
#pragma once

#include "shared.h"

/* Of both workers; worker 0 adds 1, worker 1 adds 2. */
extern struct shared memory[2];

int setup_gathering(void **state);
/* Fails when the core still holds that memory. */
int teardown_gathering(void **state);

/* The worker's final push, by its place. */
void offer_final(struct fixture *f, uint32_t worker, uint64_t sequence);

enum intake_state intake(const struct fixture *f, int p);
struct core_stats stats(const struct fixture *f);

/* The reply to the last request of peer p. */
struct rig_reply *reply_of(struct fixture *f, int p);

/* Of node w in a closed round. */
float sum_of(struct fixture *f, uint64_t round);
