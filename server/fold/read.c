#include <string.h>

#include "fold/in_order.h"
#include "fold/integer.h"
#include "fold/read_floats.h"

static bool read_span(const struct reading *r, uint64_t block, struct span span, void *out)
{
    if (r->rule->accumulation == ACCUMULATION_IN_ORDER)
        return read_in_order(r, block, span, out);
    if (!dtype_is_float(r->rule->dtype))
        return read_integers(r, block, span, out);
    read_floats(r, block, span, out);
    return true;
}

static bool read_block(const struct reading *r, uint64_t block, uint64_t elements,
                       unsigned char *out)
{
    size_t size = dtype_size(r->rule->dtype);
    struct span spans[2];
    unsigned count = block_spans(elements, block, spans);
    bool in_range = true;
    for (unsigned i = 0; i < count; i++) {
        unsigned char *at = out + spans[i].first * size;
        unsigned char padded[CHUNK_BYTES_MAX];
        bool whole = spans[i].n >= CHUNK;
        in_range &= read_span(r, block, spans[i], whole ? at : padded);
        if (!whole)
            memcpy(at, padded, spans[i].n * size);
    }
    return in_range;
}

bool fold_read(const struct fold_rule *rule, const struct accumulator *acc,
               const struct terms *terms, uint64_t n, uint64_t elements, void *out, uint64_t block,
               uint64_t n_blocks)
{
    must(n <= UINT32_MAX);
    struct reading r = {
        .rule = rule,
        .acc = acc,
        .terms = terms,
        .n = n,
        .divisor = rule->reduction == REDUCTION_MEAN && n > 0 ? n : 1,
    };
    bool in_range = true;
    for (uint64_t b = block; b < block + n_blocks; b++) {
        if (n == 0)
            memset((unsigned char *)out + b * FOLD_BLOCK * dtype_size(rule->dtype), 0,
                   block_elements(elements, b) * dtype_size(rule->dtype));
        else
            in_range &= read_block(&r, b, elements, out);
    }
    return in_range;
}
