#include "fold/integer.h"

#include <string.h>

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

static int64_t element(enum dtype dtype, const unsigned char *data, unsigned i)
{
    int32_t narrow;
    int64_t wide;
    if (dtype == DTYPE_I32) {
        memcpy(&narrow, data + sizeof narrow * i, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, data + sizeof wide * i, sizeof wide);
    return wide;
}

static void add_i32(int64_t *sums, const unsigned char *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sums[i] += element(DTYPE_I32, data, i);
}

/* sums and the words above them += the data, sign-extended. */
static inline void add_extended(enum dtype dtype, int64_t *low, int64_t *high,
                                const unsigned char *data, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int64_t x = element(dtype, data, i);
        uint64_t sum = (uint64_t)low[i] + (uint64_t)x;
        high[i] += (x >> 63) + (sum < (uint64_t)x);
        low[i] = (int64_t)sum;
    }
}

static void add_term(enum dtype node, int64_t *low, int64_t *high, const struct terms *terms,
                     uint64_t number, struct span span)
{
    const unsigned char *data = term_at(terms, number, span.first);
    if (node == DTYPE_I32)
        add_i32(low, data, span.n);
    else if (terms->tensors[number - terms->first].dtype == DTYPE_I32)
        add_extended(DTYPE_I32, low, high, data, span.n);
    else
        add_extended(DTYPE_I64, low, high, data, span.n);
}

void block_add_integers(struct accumulator *acc, uint64_t block, const struct terms *terms,
                        uint64_t end)
{
    uint64_t first = block * FOLD_BLOCK;
    struct span span = {.first = first, .n = block_elements(acc->elements, block)};
    int64_t *low = state_i64(acc, first);
    int64_t *high = acc->rule.dtype == DTYPE_I64 ? low + acc->padded : NULL;
    for (uint64_t number = acc->blocks[block].held; number < end; number++)
        add_term(acc->rule.dtype, low, high, terms, number, span);
    acc->blocks[block].held = end;
}

int64_t integer_mean(int64_t high, uint64_t low, uint64_t n)
{
    bool negative = high < 0;
    u128 sum = (u128)(uint64_t)high << 64 | low;
    u128 magnitude = negative ? -sum : sum;
    uint64_t quotient = (uint64_t)(magnitude / n);
    uint64_t rest = (uint64_t)(magnitude % n);
    uint64_t missing = n - rest;
    quotient += rest > missing || (rest == missing && (quotient & 1) != 0);
    return (int64_t)(negative ? -quotient : quotient);
}

static bool round_out(const struct reading *r, const int64_t *low, const int64_t *high, unsigned n,
                      unsigned char *out)
{
    bool i32 = r->rule->dtype == DTYPE_I32;
    bool in_range = true;
    for (unsigned i = 0; i < n; i++) {
        int64_t x = low[i];
        if (r->divisor > 1)
            x = integer_mean(i32 ? x >> 63 : high[i], (uint64_t)x, r->divisor);
        else
            in_range &= i32 ? x == (int32_t)x : high[i] == x >> 63;
        int32_t narrow = (int32_t)x;
        if (i32)
            memcpy(out + sizeof narrow * i, &narrow, sizeof narrow);
        else
            memcpy(out + sizeof x * i, &x, sizeof x);
    }
    return in_range;
}

bool read_integers(const struct reading *r, uint64_t block, struct span span, void *out)
{
    int64_t low[FOLD_BLOCK] = {0};
    int64_t high[FOLD_BLOCK] = {0};
    if (r->acc != NULL) {
        const int64_t *state = state_i64(r->acc, span.first);
        memcpy(low, state, span.n * sizeof *low);
        if (r->rule->dtype == DTYPE_I64)
            memcpy(high, state + r->acc->padded, span.n * sizeof *high);
    }
    for (uint64_t number = reading_held(r, block); number < r->n; number++)
        add_term(r->rule->dtype, low, high, r->terms, number, span);
    return round_out(r, low, high, span.n, out);
}
