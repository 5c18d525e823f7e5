/* Adding to an exact sum of floats, a block at a time.
 *
 * A group of contributions is added into scratch in the first cache level, at the block's tier. If
 * that was exact, the scratch becomes the state. If not, the block is promoted, which changes no
 * sum, and the group is added again; a promotion without memory leaves everything as it was. Tier 2
 * takes all. */

#include <math.h>
#include <string.h>

#include "fold/budget.h"
#include "fold/kernels.h"
#include "fold/state.h"

/* A group as a block sees it: once for its whole chunks, once for what is left. */
struct portion {
    struct span spans[2];
    struct group groups[2];
    unsigned count;
};

static uint64_t portion_take(struct portion *p, const struct accumulator *acc, uint64_t block,
                             const struct terms *terms, uint64_t end)
{
    uint64_t next = end;
    p->count = block_spans(acc->elements, block, p->spans);
    for (unsigned i = 0; i < p->count; i++)
        next = group_take(&p->groups[i], terms, acc->blocks[block].held, end, p->spans[i]);
    return next;
}

static uint64_t extra_bytes(const struct accumulator *acc, uint64_t block, unsigned tier)
{
    bool f64 = acc->rule.dtype == DTYPE_F64;
    unsigned n = block_elements(acc->elements, block);
    if (tier == 2)
        return n * wide_format(acc->rule.dtype).words * sizeof(uint64_t);
    if (tier == 1 && !f64)
        return (n + CHUNK - 1) / CHUNK * CHUNK * sizeof(double);
    return 0;
}

void block_drop_extra(struct accumulator *acc, uint64_t block)
{
    struct block *b = &acc->blocks[block];
    budget_give(acc->budget, b->extra, extra_bytes(acc, block, b->tier));
    b->extra = NULL;
}

/* Moves hi and lo into the words, whose sum they are. */
static void widen_state(struct accumulator *acc, uint64_t block, uint64_t *words)
{
    struct wide_format format = wide_format(acc->rule.dtype);
    double *hi = state_hi(acc, block * FOLD_BLOCK);
    const double *lo = state_lo(acc, block, 0);
    for (unsigned i = 0; i < block_elements(acc->elements, block); i++) {
        if (!isfinite(hi[i]))
            continue;
        wide_add(words + (size_t)i * format.words, format, hi[i]);
        wide_add(words + (size_t)i * format.words, format, lo[i]);
        hi[i] = 0;
    }
}

static bool block_promote(struct accumulator *acc, uint64_t block)
{
    struct block *b = &acc->blocks[block];
    unsigned tier = b->tier + 1U;
    void *extra = budget_take(acc->budget, extra_bytes(acc, block, tier));
    if (extra == NULL)
        return false;
    if (tier == 2)
        widen_state(acc, block, extra);
    block_drop_extra(acc, block);
    b->extra = extra;
    b->tier = (uint8_t)tier;
    return true;
}

static bool try_tier0(struct accumulator *acc, const struct portion *p, bool keep)
{
    double sums[FOLD_BLOCK];
    for (unsigned i = 0; i < p->count; i++) {
        const struct group *g = &p->groups[i];
        unsigned n = span_padded(p->spans[i]);
        double *out = sums + p->spans[i].first % FOLD_BLOCK;
        const double *hi = state_hi(acc, p->spans[i].first);
        if (kernels_chosen()->of[g->dtype].add(hi, out, g, 0, n) < n)
            return false;
    }
    for (unsigned i = 0; i < p->count && keep; i++)
        memcpy(state_hi(acc, p->spans[i].first), sums + p->spans[i].first % FOLD_BLOCK,
               span_padded(p->spans[i]) * sizeof *sums);
    return true;
}

static bool try_tier1(struct accumulator *acc, uint64_t block, const struct portion *p, bool keep)
{
    double hi[FOLD_BLOCK];
    double lo[FOLD_BLOCK];
    if (acc->rule.dtype == DTYPE_F64 &&
        acc->blocks[block].held + p->groups[0].count > TIER1_F64_MAX)
        return false;
    for (unsigned i = 0; i < p->count; i++) {
        const struct group *g = &p->groups[i];
        unsigned n = span_padded(p->spans[i]);
        unsigned at = p->spans[i].first % FOLD_BLOCK;
        const double *const in[2] = {state_hi(acc, p->spans[i].first), state_lo(acc, block, at)};
        double *const out[2] = {hi + at, lo + at};
        if (kernels_chosen()->of[g->dtype].add_pair(in, out, g, 0, n) < n)
            return false;
    }
    for (unsigned i = 0; i < p->count && keep; i++) {
        unsigned at = p->spans[i].first % FOLD_BLOCK;
        size_t bytes = span_padded(p->spans[i]) * sizeof *hi;
        memcpy(state_hi(acc, p->spans[i].first), hi + at, bytes);
        memcpy(state_lo(acc, block, at), lo + at, bytes);
    }
    return true;
}

static void add_wide(struct accumulator *acc, uint64_t block, struct span span,
                     const struct group *g)
{
    struct wide_format format = wide_format(acc->rule.dtype);
    size_t size = dtype_size(g->dtype);
    double x[CHUNK];
    for (unsigned at = 0; at < span.n; at += CHUNK) {
        unsigned n = span.n - at < CHUNK ? span.n - at : CHUNK;
        double *hi = state_hi(acc, span.first + at);
        uint64_t *words = state_words(acc, block, (unsigned)(span.first % FOLD_BLOCK) + at);
        for (unsigned k = 0; k < g->count; k++) {
            kernels_chosen()->of[g->dtype].widen(g->data[k] + at * size, x, CHUNK);
            for (unsigned i = 0; i < n; i++) {
                if (isfinite(x[i]))
                    wide_add(words + (size_t)i * format.words, format, x[i]);
                else
                    hi[i] += x[i];
            }
        }
    }
}

static bool try_add(struct accumulator *acc, uint64_t block, const struct portion *p, bool keep)
{
    switch (acc->blocks[block].tier) {
    case 0:
        return try_tier0(acc, p, keep);
    case 1:
        return try_tier1(acc, block, p, keep);
    default:
        for (unsigned i = 0; i < p->count && keep; i++)
            add_wide(acc, block, p->spans[i], &p->groups[i]);
        return true;
    }
}

static bool add_portion(struct accumulator *acc, uint64_t block, const struct portion *p, bool keep)
{
    while (!try_add(acc, block, p, keep))
        if (!block_promote(acc, block))
            return false;
    return true;
}

bool block_add_floats(struct accumulator *acc, uint64_t block, const struct terms *terms,
                      uint64_t end)
{
    struct portion p;
    while (acc->blocks[block].held < end) {
        uint64_t next = portion_take(&p, acc, block, terms, end);
        if (!add_portion(acc, block, &p, true))
            return false;
        acc->blocks[block].held = next;
    }
    return true;
}

static bool has_tiers(const struct accumulator *acc)
{
    return acc->rule.accumulation == ACCUMULATION_EXACT && dtype_is_float(acc->rule.dtype);
}

bool accumulator_prepare(struct accumulator *acc, const struct terms *terms)
{
    must(terms->count == 1);
    struct portion p;
    if (!has_tiers(acc))
        return true;
    for (uint64_t block = 0; block < fold_blocks(acc->elements); block++) {
        portion_take(&p, acc, block, terms, terms->first + 1);
        if (!add_portion(acc, block, &p, false))
            return false;
    }
    return true;
}

bool accumulator_prepare_any(struct accumulator *acc)
{
    for (uint64_t block = 0; has_tiers(acc) && block < fold_blocks(acc->elements); block++)
        while (acc->blocks[block].tier < 2)
            if (!block_promote(acc, block))
                return false;
    return true;
}
