#include "fold/in_order.h"

#include <string.h>

#include "fold/kernels.h"
#include "fold/slow.h"
#include "fold/sums.h"

static bool step_i32(unsigned char *state, const unsigned char *data, unsigned n)
{
    bool overflow = false;
    for (unsigned i = 0; i < n; i++) {
        int32_t a;
        int32_t b;
        memcpy(&a, state + sizeof a * i, sizeof a);
        memcpy(&b, data + sizeof b * i, sizeof b);
        overflow |= __builtin_add_overflow(a, b, &a);
        memcpy(state + sizeof a * i, &a, sizeof a);
    }
    return !overflow;
}

static bool step_i64(unsigned char *state, enum dtype from, const unsigned char *data, unsigned n)
{
    bool overflow = false;
    for (unsigned i = 0; i < n; i++) {
        int64_t a;
        int64_t b;
        int32_t narrow;
        memcpy(&a, state + sizeof a * i, sizeof a);
        if (from == DTYPE_I32) {
            memcpy(&narrow, data + sizeof narrow * i, sizeof narrow);
            b = narrow;
        } else {
            memcpy(&b, data + sizeof b * i, sizeof b);
        }
        overflow |= __builtin_add_overflow(a, b, &a);
        memcpy(state + sizeof a * i, &a, sizeof a);
    }
    return !overflow;
}

static void step_float(enum dtype node, unsigned char *state, const struct group *g, unsigned n)
{
    const struct float_kernels *kernels = kernels_chosen()->of;
    double wide[FOLD_BLOCK];
    unsigned char widened[FOLD_BLOCK * ELEMENT_MAX];
    const unsigned char *data = g->data[0];
    if (g->dtype != node) {
        kernels[g->dtype].widen(data, wide, n);
        kernels[node].finish(wide, NULL, widened, n, 1);
        data = widened;
    }
    kernels[node].step(state, data, n);
}

/* False: an integer step left the range. */
static bool add_term(enum dtype node, unsigned char *state, const struct terms *terms,
                     uint64_t number, struct span span)
{
    struct group g;
    if (node == DTYPE_I32)
        return step_i32(state, term_at(terms, number, span.first), span.n);
    if (node == DTYPE_I64)
        return step_i64(state, terms->tensors[number - terms->first].dtype,
                        term_at(terms, number, span.first), span.n);
    group_take(&g, terms, number, number + 1, span);
    step_float(node, state, &g, span_padded(span));
    return true;
}

void block_add_in_order(struct accumulator *acc, uint64_t block, const struct terms *terms,
                        uint64_t end)
{
    struct block *b = &acc->blocks[block];
    struct span spans[2];
    unsigned count = block_spans(acc->elements, block, spans);
    for (; b->held < end; b->held++)
        for (unsigned i = 0; i < count; i++)
            if (!add_term(acc->rule.dtype, state_bytes(acc, spans[i].first), terms, b->held,
                          spans[i]))
                b->out_of_range = true;
}

static void round_floats(const struct reading *r, const unsigned char *state, unsigned n, void *out)
{
    const struct float_kernels *kernels = &kernels_chosen()->of[r->rule->dtype];
    double wide[FOLD_BLOCK];
    uint64_t divisor = r->divisor;
    kernels->widen(state, wide, n);
    if (divisor > DIVISOR_MAX) {
        for (unsigned i = 0; i < n; i++)
            wide[i] = slow_odd_quotient(r->rule->dtype, wide[i], divisor);
        divisor = 1;
    }
    kernels->finish(wide, NULL, out, n, divisor);
}

static void round_integers(const struct reading *r, const unsigned char *state, unsigned n,
                           unsigned char *out)
{
    size_t size = dtype_size(r->rule->dtype);
    if (r->divisor == 1) {
        memcpy(out, state, n * size);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        int64_t x;
        int32_t narrow;
        memcpy(&x, state + size * i, size == sizeof x ? sizeof x : 0);
        memcpy(&narrow, state + size * i, sizeof narrow);
        if (size == sizeof narrow)
            x = narrow;
        x = integer_mean(x >> 63, (uint64_t)x, r->divisor);
        memcpy(out + size * i, &x, size); /* little-endian: the low bytes */
    }
}

bool read_in_order(const struct reading *r, uint64_t block, struct span span, void *out)
{
    enum dtype dtype = r->rule->dtype;
    unsigned n = span_padded(span);
    unsigned char state[FOLD_BLOCK * ELEMENT_MAX] = {0};
    bool in_range = true;
    if (r->acc != NULL) {
        memcpy(state, state_bytes(r->acc, span.first), n * dtype_size(dtype));
        in_range = !r->acc->blocks[block].out_of_range;
    }
    for (uint64_t number = reading_held(r, block); number < r->n; number++)
        in_range &= add_term(dtype, state, r->terms, number, span);
    if (dtype_is_float(dtype))
        round_floats(r, state, n, out);
    else
        round_integers(r, state, n, out);
    return in_range;
}
