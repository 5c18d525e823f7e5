/* The fold: adding the contributions of one node, exactly or in order (README.md beside
 * this file tells how). Pure functions over memory; nothing here knows of jobs, sockets or threads,
 * but different element ranges of one node may be folded by different threads at the same time.
 *
 * A node's contributions are numbered 0, 1, 2 … in the order in which they became eligible. A fold
 * call gets a run of them, `struct terms`. Elements are handled in blocks of FOLD_BLOCK; every
 * range is given in blocks. Tensors and outputs may be unaligned (bodies have no padding).
 *
 * EXACT: the value read is the correctly rounded exact sum (or mean) of the contributions: a
 * function of their set alone. IN_ORDER: each addition is rounded in the node's own dtype, in
 * number order. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/must.h"

enum {
    FOLD_BLOCK = 1024
};

enum reduction {
    REDUCTION_SUM = 1,
    REDUCTION_MEAN = 2
};
enum accumulation {
    ACCUMULATION_EXACT = 1,
    ACCUMULATION_IN_ORDER = 2
};

/* How a node is folded. */
struct fold_rule {
    enum dtype dtype; /* of the node, and of what is read out */
    enum accumulation accumulation;
    enum reduction reduction;
};

/* One staged tensor; dtype equals the rule's or widens to it (dtype_widens). data is borrowed for
 * the call, packed, native little-endian, with at least as many elements as the node has.
 *
 * Memory that somebody writes while it is read harms those elements and no other: nothing that is
 * read there decides where anything else is read or written. In every mode, a sum (or mean) into
 * which a NaN or infinity went is not finite: what was added can be judged by what came out. */
struct tensor {
    const void *data;
    enum dtype dtype;
};

/* Contributions number first, first + 1 … first + count - 1 of a node. */
struct terms {
    const struct tensor *tensors;
    size_t count;
    uint64_t first;
};

/* The memory that accumulators may take, shared by all of a server's folds. */
struct fold_budget {
    uint64_t bytes_max;
    atomic_uint_fast64_t bytes_used;
};

void fold_budget_init(struct fold_budget *budget, uint64_t bytes_max);

/* Chooses the kernels for this CPU once and returns their name: "avx512", "avx2" or "scalar". A
 * name in `wanted` forces that one (NULL: the best); NULL is returned when this CPU lacks it. Every
 * kernel gives the same bits. Not to be called while a fold runs; folds before the first call use
 * "scalar". */
const char *fold_kernels_choose(const char *wanted);

/* -- The state of a node between passes -------------------------------------------------------- */

struct accumulator;

/* For the proofs, what an accumulator owns is one cell, and a tensor does not change while it is
 * read. What the contents mean is left open: `plus` is the addition of the rule, whichever. */
/*@ ghost extern int64_t accumulator_cells[0x40000000]; */
/*@ axiomatic Sums {
  @   type sum;
  @   logic sum plus(sum a, sum b);
  @   logic integer cell_of(struct accumulator *acc);
  @   axiom cell_of_range: \forall struct accumulator *a; 0 <= cell_of(a) < 0x40000000;
  @   logic sum element_in(integer cell, integer i);
  @   logic integer count_in(integer cell);
  @   logic integer elements_in(integer cell);
  @   logic sum given(void *data, integer dtype, integer i);
  @ }
  @ logic sum held{L}(struct accumulator *a, integer i) =
  @     element_in(accumulator_cells[cell_of(a)], i);
  @ logic integer held_count{L}(struct accumulator *a) =
  @     count_in(accumulator_cells[cell_of(a)]);
  @ logic integer held_elements{L}(struct accumulator *a) =
  @     elements_in(accumulator_cells[cell_of(a)]);
  @ logic integer blocks_of(integer elements) = (elements + FOLD_BLOCK - 1) / FOLD_BLOCK; */

/* An accumulator holding no contribution; NULL when the budget or the memory is exhausted. The
 * budget is borrowed until accumulator_free. elements > 0. */
/*@ assigns \result, *budget \from *rule, elements, *budget; */
struct accumulator *accumulator_new(const struct fold_rule *rule, uint64_t elements,
                                    struct fold_budget *budget);

/* Gives memory and budget back. NULL is allowed. */
/*@ assigns accumulator_cells[cell_of(acc)]; */
void accumulator_free(struct accumulator *acc);

/* Adds terms to blocks [block, block + n_blocks). Each block remembers how many contributions it
 * holds and takes only those it lacks, so a call may be repeated. A block that needs memory which
 * is not to be had is left as it is; false means that there was such a block: the terms must stay
 * staged. */
/*@ assigns accumulator_cells[cell_of(acc)];
  @ ensures held_elements(acc) == \old(held_elements(acc));
  @ behavior one_to_all_blocks: // the rest is for property tests
  @   assumes terms->count == 1 && terms->first == held_count(acc);
  @   assumes block == 0 && n_blocks == blocks_of(held_elements(acc));
  @   ensures \result ==> held_count(acc) == \old(held_count(acc)) + 1;
  @   ensures \result ==> \forall integer i;
  @       held(acc, i) == plus(\old(held(acc, i)),
  @                            given(terms->tensors->data, terms->tensors->dtype, i)); */
MUST_USE bool accumulator_add(struct accumulator *acc, const struct terms *terms, uint64_t block,
                              uint64_t n_blocks);

/* The contributions that every block holds: those numbered below may be forgotten by the caller. */
uint64_t accumulator_floor(const struct accumulator *acc);

/* -- Read-out ---------------------------------------------------------------------------------- */

/* Blocks that a node of `elements` elements has. */
/*@ assigns \nothing;
  @ ensures \result == blocks_of(elements); */
uint64_t fold_blocks(uint64_t elements);

/* Rounds contributions number 0 … n - 1 into out. Blocks take what the accumulator holds (NULL:
 * nothing) and the rest from terms, which must reach from accumulator_floor (or 0) to n - 1. Needs
 * stack only and cannot fail.
 *
 * elements: of the node; out: the node's result in its own dtype, of which blocks [block, block +
 * n_blocks) are written; it may be one of the terms' tensors of the same dtype. n: at most
 * UINT32_MAX; the divisor of MEAN; with n = 0 the result is +0. Returns false when an integer sum
 * is out of the dtype's range (the block's elements are then unspecified). */
/*@ assigns ((char *)out)[..]; */
MUST_USE bool fold_read(const struct fold_rule *rule, const struct accumulator *acc,
                        const struct terms *terms, uint64_t n, uint64_t elements, void *out,
                        uint64_t block, uint64_t n_blocks);

/* -- Non-finite values -- */

enum {
    FOLD_ALL_FINITE = -1
};

/* The index of the first NaN or infinity among n elements, or FOLD_ALL_FINITE. Integers are always
 * finite. */
int64_t fold_find_non_finite(enum dtype dtype, const void *data, uint64_t n);
