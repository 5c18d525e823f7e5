/* A trial: random contributions to one node, the oracle's result, and the many ways to fold the
 * former, each of which must give the latter to the bit. */
#pragma once

#include "fold/fold.h"
#include "random.h"
#include "values.h"

enum {
    TRIAL_CONTRIBUTIONS_MAX = 300,
    KERNELS_MAX = 3
};

struct coverage {
    uint64_t trials;
    uint64_t sums;    /* that the oracle computed */
    uint64_t checked; /* sums that the fold computed and that were compared with the oracle's */
    uint64_t wrong;
    uint64_t refused;    /* calls in which a promotion got no memory */
    uint64_t tiers[3];   /* blocks of accumulators that ended in the tier */
    uint64_t overlapped; /* outputs that overwrote a tensor */
    uint64_t out_of_range;
    uint64_t by_kernels[KERNELS_MAX];
};

struct trial {
    uint64_t seed;
    struct random random;
    struct fold_rule rule;
    uint64_t elements;
    unsigned n;
    struct tensor tensors[TRIAL_CONTRIBUTIONS_MAX];
    void *memory[TRIAL_CONTRIBUTIONS_MAX]; /* of the tensors, which start at any byte in it */
    unsigned char *expected;               /* the oracle's result */
    bool *in_range;                        /* by block */
    struct coverage *coverage;             /* borrowed */
};

/* Draws the sizes, dtypes and values from seed. */
void trial_make(struct trial *t, uint64_t seed, enum dtype node, enum accumulation accumulation,
                struct coverage *coverage);
void trial_free(struct trial *t);

/* Folds in one random way and compares; false, with a message, when a bit differs. */
bool trial_check(struct trial *t);

/* Trials of one dtype until `checks` sums were compared, with the results printed; false at the
 * first wrong one. */
bool trials_run(enum dtype node, enum accumulation accumulation, uint64_t checks);

/* The seed of this run (GRADFOLD_TEST_SEED, or the clock's; printed once) and its length: 1, less
 * under sanitizers; GRADFOLD_TEST_SCALE makes it so many times shorter, as everywhere in tests. */
uint64_t run_seed(void);
double run_scale(void);
