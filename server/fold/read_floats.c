/* Three ways to read a span, the fastest that will do:
 *
 *   one pass   up to eight tensors of the node's dtype and no accumulator: all in registers
 *   scratch    what the accumulator holds and further groups are added in the first cache level
 *   slow       chunks that need tier 2
 * A chunk is written only when all that it is made of was read, so out may be one of the tensors.
 */

#include "fold/read_floats.h"

#include <string.h>

#include "fold/kernels.h"
#include "fold/slow.h"

static unsigned char *out_at(const struct reading *r, void *out, unsigned element)
{
    return (unsigned char *)out + element * dtype_size(r->rule->dtype);
}

static void read_slow_chunk(const struct reading *r, uint64_t block, struct span span, unsigned at,
                            void *out)
{
    double values[CHUNK];
    unsigned left = span.n - at;
    struct span chunk = {.first = span.first + at, .n = left < CHUNK ? left : CHUNK};
    uint64_t divisor = slow_chunk(r, block, chunk, values);
    kernels_chosen()->of[r->rule->dtype].finish(values, NULL, out_at(r, out, at), CHUNK, divisor);
}

static void read_one_pass(const struct reading *r, uint64_t block, struct span span,
                          const struct group *g, void *out)
{
    const struct float_kernels *kernels = &kernels_chosen()->of[r->rule->dtype];
    unsigned n = span_padded(span);
    unsigned at = 0;
    while ((at = (unsigned)kernels->sum(g, out, at, n, r->divisor)) < n) {
        read_slow_chunk(r, block, span, at, out);
        at += CHUNK;
    }
}

/* Sums of a span, as far as tiers 0 and 1 reach. */
struct scratch {
    double hi[FOLD_BLOCK];
    double lo[FOLD_BLOCK]; /* used when pair is set */
    bool pair;
    uint32_t slow; /* a bit a chunk: needs tier 2 */
};

static void scratch_init(struct scratch *s, const struct reading *r, uint64_t block,
                         struct span span)
{
    unsigned n = span_padded(span);
    s->slow = 0;
    s->pair = r->rule->dtype == DTYPE_F64 || (r->acc != NULL && r->acc->blocks[block].tier == 1);
    memset(s->lo, 0, n * sizeof *s->lo);
    if (r->acc == NULL) {
        memset(s->hi, 0, n * sizeof *s->hi);
        return;
    }
    memcpy(s->hi, state_hi(r->acc, span.first), n * sizeof *s->hi);
    if (s->pair)
        memcpy(s->lo, state_lo(r->acc, block, span.first % FOLD_BLOCK), n * sizeof *s->lo);
}

static void scratch_add(struct scratch *s, const struct group *g, unsigned n)
{
    const struct float_kernels *kernels = &kernels_chosen()->of[g->dtype];
    double *const pair[2] = {s->hi, s->lo};
    size_t at = 0;
    if (!s->pair) {
        at = kernels->add(s->hi, s->hi, g, 0, n);
        s->pair = at < n;
    }
    while (at < n) {
        at = kernels->add_pair((const double *const *)pair, pair, g, at, n);
        if (at < n) {
            s->slow |= (uint32_t)1 << at / CHUNK;
            at += CHUNK;
        }
    }
}

static void scratch_read(const struct scratch *s, const struct reading *r, uint64_t block,
                         struct span span, void *out)
{
    const struct float_kernels *kernels = &kernels_chosen()->of[r->rule->dtype];
    for (unsigned at = 0; at < span.n; at += CHUNK) {
        if ((s->slow >> at / CHUNK & 1) != 0)
            read_slow_chunk(r, block, span, at, out);
        else
            kernels->finish(s->hi + at, s->pair ? s->lo + at : NULL, out_at(r, out, at), CHUNK,
                            r->divisor);
    }
}

/* Is the faster arithmetic not made for what is asked? */
static bool only_slow(const struct reading *r, uint64_t block)
{
    if (r->acc != NULL && r->acc->blocks[block].tier == 2)
        return true;
    if (r->rule->dtype == DTYPE_F64)
        return r->n > TIER1_F64_MAX;
    return r->divisor > DIVISOR_MAX;
}

void read_floats(const struct reading *r, uint64_t block, struct span span, void *out)
{
    if (only_slow(r, block)) {
        for (unsigned at = 0; at < span.n; at += CHUNK)
            read_slow_chunk(r, block, span, at, out);
        return;
    }
    struct group g;
    struct scratch s;
    uint64_t number = reading_held(r, block);
    bool fresh = number == 0;
    if (number < r->n)
        number = group_take(&g, r->terms, number, r->n, span);
    else
        g.count = 0;
    if (fresh && number == r->n && g.dtype == r->rule->dtype) {
        read_one_pass(r, block, span, &g, out);
        return;
    }
    scratch_init(&s, r, block, span);
    while (g.count > 0) {
        scratch_add(&s, &g, span_padded(span));
        g.count = 0;
        if (number < r->n)
            number = group_take(&g, r->terms, number, r->n, span);
    }
    scratch_read(&s, r, block, span, out);
}
