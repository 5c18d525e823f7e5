#include "expect.h"

#include "oracle.h"

static void keep(struct trial *t, uint64_t i, uint64_t bits, bool in_range)
{
    bits_store(t->rule.dtype, t->expected, i, bits);
    if (!in_range) {
        t->in_range[i / FOLD_BLOCK] = false;
        t->coverage->out_of_range++;
    }
}

static uint64_t divisor(const struct trial *t)
{
    return t->rule.reduction == REDUCTION_MEAN ? t->n : 1;
}

void expect_exact(struct trial *t)
{
    struct oracle o;
    oracle_init(&o, t->rule.dtype);
    for (uint64_t i = 0; i < t->elements; i++) {
        oracle_reset(&o);
        for (unsigned k = 0; k < t->n; k++)
            oracle_add(&o, t->tensors[k].dtype,
                       bits_load(t->tensors[k].dtype, t->tensors[k].data, i));
        bool in_range;
        uint64_t bits = oracle_round(&o, divisor(t), &in_range);
        keep(t, i, bits, in_range);
    }
    oracle_clear(&o);
}

void expect_in_order(struct trial *t)
{
    struct oracle o;
    oracle_init(&o, t->rule.dtype);
    for (uint64_t i = 0; i < t->elements; i++) {
        uint64_t state = 0;
        bool all_in_range = true;
        bool in_range;
        for (unsigned k = 0; k < t->n && all_in_range; k++) {
            oracle_reset(&o);
            oracle_add(&o, t->rule.dtype, state);
            oracle_add(&o, t->tensors[k].dtype,
                       bits_load(t->tensors[k].dtype, t->tensors[k].data, i));
            state = oracle_round(&o, 1, &in_range);
            all_in_range &= in_range;
        }
        oracle_reset(&o);
        oracle_add(&o, t->rule.dtype, state);
        state = oracle_round(&o, divisor(t), &in_range);
        keep(t, i, state, all_in_range);
    }
    oracle_clear(&o);
}
