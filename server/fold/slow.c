/* One chunk in tier 2, on the stack.
 *
 * 1. What the accumulator holds goes into the words of each element.
 * 2. Contributions up to f32 go to planes first: eight 64-bit integers an element, each for 32
 *    binades, into which a contribution is added whole. After 128 of them the planes are carried
 *    into the words. Contributions to an f64 node go straight into the words.
 * 3. The words are divided and rounded once. If all contributions fit the planes, these are
 *    rounded instead.
 *
 * What is not finite is summed beside all this, and replaces the result. */

#include "fold/slow.h"

#include <math.h>
#include <string.h>

#include "fold/kernels.h"
#include "fold/words.h"

struct chunk_sum {
    struct wide_format format;
    double special[CHUNK]; /* 0, or the infinity or NaN that the element became */
    uint64_t words[CHUNK * WIDE_WORDS_MAX];
};

static void add_value(struct chunk_sum *sum, unsigned i, double x)
{
    if (isfinite(x))
        wide_add(sum->words + (size_t)i * sum->format.words, sum->format, x);
    else
        sum->special[i] += x;
}

static void add_state(struct chunk_sum *sum, const struct accumulator *acc, uint64_t block,
                      struct span span)
{
    unsigned at = span.first % FOLD_BLOCK;
    const double *hi = state_hi(acc, span.first);
    uint8_t tier = acc->blocks[block].tier;
    if (tier == 2)
        memcpy(sum->words, state_words(acc, block, at),
               span.n * sum->format.words * sizeof *sum->words);
    for (unsigned i = 0; i < span.n; i++)
        add_value(sum, i, hi[i]);
    for (unsigned i = 0; i < span.n && tier == 1; i++)
        if (isfinite(hi[i]))
            add_value(sum, i, state_lo(acc, block, at)[i]);
}

_Static_assert((int)PLANES == (int)PLANE_DIGITS,
               "an element's planes are the digits that words.c adds");

/* words += the planes, which become 0. */
static void carry_planes(struct chunk_sum *sum, int64_t planes[PLANES][CHUNK])
{
    for (unsigned i = 0; i < CHUNK; i++) {
        int64_t digits[PLANES];
        for (unsigned p = 0; p < PLANES; p++) {
            digits[p] = planes[p][i];
            planes[p][i] = 0;
        }
        words_add_planes(sum->words + (size_t)i * PLANE_WORDS, digits);
    }
}

static void add_terms_planes(struct chunk_sum *sum, const struct reading *r, uint64_t held,
                             struct span span)
{
    int64_t planes[PLANES][CHUNK] = {{0}};
    struct group g;
    unsigned added = 0;
    for (uint64_t number = held; number < r->n;) {
        number = group_take(&g, r->terms, number, r->n, span);
        if (added + g.count > PLANE_ADDS_MAX) {
            carry_planes(sum, planes);
            added = 0;
        }
        kernels_chosen()->of[g.dtype].add_planes(planes, sum->special, &g, 0);
        added += g.count;
    }
    carry_planes(sum, planes);
}

static void add_terms_words(struct chunk_sum *sum, const struct reading *r, uint64_t held,
                            struct span span)
{
    struct group g;
    double x[CHUNK];
    for (uint64_t number = held; number < r->n;) {
        number = group_take(&g, r->terms, number, r->n, span);
        for (unsigned k = 0; k < g.count; k++) {
            kernels_chosen()->of[g.dtype].widen(g.data[k], x, CHUNK);
            for (unsigned i = 0; i < span.n; i++)
                add_value(sum, i, x[i]);
        }
    }
}

/* The usual case of the unusual: few contributions, all staged, which fit the planes. */
static void sum_planes_only(const struct reading *r, struct span span, double out[CHUNK])
{
    int64_t planes[PLANES][CHUNK] = {{0}};
    double special[CHUNK] = {0};
    struct group g;
    for (uint64_t number = 0; number < r->n;) {
        number = group_take(&g, r->terms, number, r->n, span);
        kernels_chosen()->of[g.dtype].add_planes(planes, special, &g, 0);
    }
    kernels_chosen()->round_planes(planes, special, out);
}

static void sum_words(const struct reading *r, uint64_t block, struct span span, double out[CHUNK])
{
    enum dtype dtype = r->rule->dtype;
    struct chunk_sum sum;
    uint64_t held = reading_held(r, block);
    sum.format = wide_format(dtype);
    memset(sum.special, 0, sizeof sum.special);
    memset(sum.words, 0, CHUNK * sum.format.words * sizeof *sum.words);
    if (r->acc != NULL)
        add_state(&sum, r->acc, block, span);
    if (dtype == DTYPE_F64)
        add_terms_words(&sum, r, held, span);
    else
        add_terms_planes(&sum, r, held, span);
    enum rounding rounding = dtype == DTYPE_F64 ? ROUND_NEAREST : ROUND_ODD;
    for (unsigned i = 0; i < span.n; i++) {
        out[i] = sum.special[i];
        if (isfinite(out[i]))
            out[i] = wide_quotient(sum.words + (size_t)i * sum.format.words, sum.format, r->divisor,
                                   rounding);
    }
    for (unsigned i = span.n; i < CHUNK; i++)
        out[i] = 0;
}

uint64_t slow_chunk(const struct reading *r, uint64_t block, struct span span, double out[CHUNK])
{
    if (r->rule->dtype != DTYPE_F64 && reading_held(r, block) == 0 && r->n <= PLANE_ADDS_MAX) {
        sum_planes_only(r, span, out);
        return r->divisor;
    }
    sum_words(r, block, span, out);
    return 1;
}

double slow_quotient(double hi, double lo, uint64_t n)
{
    struct wide_format format = wide_format(DTYPE_F64);
    uint64_t words[WIDE_WORDS_MAX] = {0};
    wide_add(words, format, hi);
    wide_add(words, format, lo);
    return wide_quotient(words, format, n, ROUND_NEAREST);
}

double slow_odd_quotient(enum dtype dtype, double x, uint64_t n)
{
    struct wide_format format = wide_format(dtype);
    uint64_t words[WIDE_WORDS_MAX] = {0};
    if (!isfinite(x))
        return x;
    wide_add(words, format, x);
    return wide_quotient(words, format, n, ROUND_ODD);
}
