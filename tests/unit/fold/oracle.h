/* The oracle: sums in integers of arbitrary precision, rounded by rules of its own. It shares no
 * code with the fold, knows nothing of tiers or doubles, and works on bit patterns alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <gmp.h>

#include "base/dtype.h"

/* Where the bits of a float are. */
struct format {
    int exponent_bits;
    int fraction_bits;
};

struct format format_of(enum dtype dtype);
uint64_t format_infinity(struct format f); /* the bits of +infinity */
uint64_t format_nan(struct format f);      /* the canonical one */

/* One element's sum. For floats the integer's unit is the node's smallest subnormal. */
struct oracle {
    enum dtype node;
    mpz_t sum;
    bool nan;
    bool plus;  /* +infinity was added */
    bool minus; /* -infinity was added */
    mpz_t scratch[4];
};

void oracle_init(struct oracle *o, enum dtype node);
void oracle_clear(struct oracle *o);

/* Back to +0. */
void oracle_reset(struct oracle *o);

/* Adds an element of dtype `from`, given as its bits. */
void oracle_add(struct oracle *o, enum dtype from, uint64_t bits);

/* The bits of sum / n, rounded to nearest, ties to even. *in_range: false when an integer does not
 * fit. */
uint64_t oracle_round(struct oracle *o, uint64_t n, bool *in_range);

/* An element's bits in memory, and back. */
uint64_t bits_load(enum dtype dtype, const unsigned char *data, uint64_t i);
void bits_store(enum dtype dtype, unsigned char *data, uint64_t i, uint64_t bits);
