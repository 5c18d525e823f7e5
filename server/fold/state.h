/* What an accumulator holds, for the files that add to it and read it.
 *
 * The elements' state lies in one array by kind, whole chunks long:
 *   exact floats up to f32   double hi
 *   exact f64                double hi, then double lo of all elements: it starts at tier 1
 *   exact i32                int64_t
 *   exact i64                uint64_t low, then int64_t high of all elements
 *   in order                 the node's own dtype
 * What a block needs beyond that for a higher tier is its own. Blocks share nothing, so that
 * threads may work on different blocks. */
#pragma once

#include "fold/group.h"
#include "fold/wide.h"

struct block {
    uint64_t held; /* contributions 0 … held - 1 are in the state */
    /* Tier 1 below f64: double lo[]. Tier 2: wide_format().words words an element; hi is then 0, or
     * the infinity or NaN that the element became. */
    void *extra;
    uint8_t tier;
    bool out_of_range; /* in order, integers: a step left the range */
};

struct accumulator {
    struct fold_rule rule;
    uint64_t elements;
    uint64_t padded; /* elements in whole chunks */
    struct fold_budget *budget;
    void *state;
    uint64_t state_bytes;
    uint64_t bytes; /* of this struct with its blocks */
    struct block blocks[];
};

static inline double *state_hi(const struct accumulator *acc, uint64_t element)
{
    return (double *)acc->state + element;
}

/* lo of a block at tier 1. offset: in the block. */
static inline double *state_lo(const struct accumulator *acc, uint64_t block, unsigned offset)
{
    if (acc->rule.dtype == DTYPE_F64)
        return state_hi(acc, acc->padded + block * FOLD_BLOCK + offset);
    return (double *)acc->blocks[block].extra + offset;
}

static inline uint64_t *state_words(const struct accumulator *acc, uint64_t block, unsigned offset)
{
    size_t words = wide_format(acc->rule.dtype).words;
    return (uint64_t *)acc->blocks[block].extra + offset * words;
}

static inline int64_t *state_i64(const struct accumulator *acc, uint64_t element)
{
    return (int64_t *)acc->state + element;
}

static inline unsigned char *state_bytes(const struct accumulator *acc, uint64_t element)
{
    return (unsigned char *)acc->state + element * dtype_size(acc->rule.dtype);
}

/* Exact floats: adds contributions number held … end - 1 to a block, group by group, promoting it
 * where that is needed. False: a promotion found no memory; groups from block->held on are not in.
 */
MUST_USE bool block_add_floats(struct accumulator *acc, uint64_t block, const struct terms *terms,
                               uint64_t end);

/* Gives back what a block took for its tier. */
void block_drop_extra(struct accumulator *acc, uint64_t block);

/*@ predicate same_sum{L1, L2}(struct accumulator *a) =
  @     held_count{L1}(a) == held_count{L2}(a) && held_elements{L1}(a) == held_elements{L2}(a) &&
  @     \forall integer i; held{L1}(a, i) == held{L2}(a, i); */

/* Promotes blocks until adding the one contribution in terms cannot fail. Sums stay what they are.
 */
/*@ assigns accumulator_cells[cell_of(acc)];
  @ ensures same_sum{Pre, Post}(acc); */
MUST_USE bool accumulator_prepare(struct accumulator *acc, const struct terms *terms);

/* Likewise, for any contributions at all: what may come is not known yet. */
/*@ assigns accumulator_cells[cell_of(acc)];
  @ ensures same_sum{Pre, Post}(acc); */
MUST_USE bool accumulator_prepare_any(struct accumulator *acc);
