#include "fold/integer.h"

#include <string.h>

#include "fold/sums.h"

static void add_term(enum dtype node, int64_t *low, int64_t *high, const struct terms *terms,
                     uint64_t number, struct span span)
{
    const unsigned char *data = term_at(terms, number, span.first);
    if (node == DTYPE_I32)
        sums_add_i32(low, data, span.n);
    else if (terms->tensors[number - terms->first].dtype == DTYPE_I32)
        sums_add(DTYPE_I32, (uint64_t *)low, high, data, span.n);
    else
        sums_add(DTYPE_I64, (uint64_t *)low, high, data, span.n);
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
            in_range &= i32 ? sum_fits_i32(x) : sum_fits_i64(high[i], (uint64_t)x);
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
