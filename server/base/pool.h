/* A pool of large buffers under a budget: staging and results come from here.
 *
 * Fresh memory costs more than the addition it is for (page faults and zeroing), so what is given
 * back is kept for the next of its size, asks for huge pages, and goes to the system only when the
 * budget is needed for another size. Buffers are not zeroed. Buffers of 64 KiB and more start at
 * different offsets modulo 4 KiB, so that the fold's streams do not alias. Not thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pool;

/* bytes_max: what buffers in use and kept may take together. NULL without memory. */
struct pool *pool_new(uint64_t bytes_max);

/* Every buffer must have been given back. NULL is allowed. */
void pool_free(struct pool *pool);

/* A buffer of at least `bytes`; NULL when the budget or the memory is exhausted. bytes 0 gives a
 * buffer too. Aligned to 64 bytes. */
void *pool_take(struct pool *pool, uint64_t bytes);

/* `bytes` as it was taken. NULL is allowed. */
void pool_give(struct pool *pool, void *buffer, uint64_t bytes);

/* What a buffer of `bytes` takes from the budget. */
uint64_t pool_cost(uint64_t bytes);

/* Could pool_take succeed now, as far as the budget is concerned? */
bool pool_fits(const struct pool *pool, uint64_t bytes);

/* Memory beside the pool that counts against its budget (which it may exceed), and its return. */
void pool_charge(struct pool *pool, uint64_t bytes);
void pool_discharge(struct pool *pool, uint64_t bytes);

uint64_t pool_used(const struct pool *pool); /* in use, as cost */
uint64_t pool_kept(const struct pool *pool); /* given back and kept */
uint64_t pool_max(const struct pool *pool);
