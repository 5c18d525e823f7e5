#include <string.h>

#include "base/checked.h"
#include "fold/budget.h"
#include "fold/in_order.h"
#include "fold/integer.h"
#include "fold/state.h"

static uint64_t bytes_per_element(const struct fold_rule *rule)
{
    if (rule->accumulation == ACCUMULATION_IN_ORDER)
        return dtype_size(rule->dtype);
    return rule->dtype == DTYPE_F64 || rule->dtype == DTYPE_I64 ? 16 : 8;
}

struct accumulator *accumulator_new(const struct fold_rule *rule, uint64_t elements,
                                    struct fold_budget *budget)
{
    must(elements > 0);
    uint64_t padded;
    uint64_t state_size;
    uint64_t blocks = fold_blocks(elements);
    if (!checked_add(elements, CHUNK - 1, &padded) ||
        !checked_mul(padded / CHUNK * CHUNK, bytes_per_element(rule), &state_size))
        return NULL;
    uint64_t bytes = sizeof(struct accumulator) + blocks * sizeof(struct block);
    struct accumulator *acc = budget_take(budget, bytes);
    if (acc == NULL)
        return NULL;
    void *state = budget_take(budget, state_size);
    if (state == NULL) {
        budget_give(budget, acc, bytes);
        return NULL;
    }
    acc->rule = *rule;
    acc->elements = elements;
    acc->padded = padded / CHUNK * CHUNK;
    acc->budget = budget;
    acc->state = state;
    acc->state_bytes = state_size;
    acc->bytes = bytes;
    if (rule->accumulation == ACCUMULATION_EXACT && rule->dtype == DTYPE_F64)
        for (uint64_t b = 0; b < blocks; b++)
            acc->blocks[b].tier = 1;
    return acc;
}

void accumulator_free(struct accumulator *acc)
{
    if (acc == NULL)
        return;
    for (uint64_t b = 0; b < fold_blocks(acc->elements); b++)
        block_drop_extra(acc, b);
    budget_give(acc->budget, acc->state, acc->state_bytes);
    budget_give(acc->budget, acc, acc->bytes);
}

static bool block_add(struct accumulator *acc, uint64_t block, const struct terms *terms,
                      uint64_t end)
{
    if (acc->rule.accumulation == ACCUMULATION_IN_ORDER)
        block_add_in_order(acc, block, terms, end);
    else if (dtype_is_float(acc->rule.dtype))
        return block_add_floats(acc, block, terms, end);
    else
        block_add_integers(acc, block, terms, end);
    return true;
}

bool accumulator_add(struct accumulator *acc, const struct terms *terms, uint64_t block,
                     uint64_t n_blocks)
{
    uint64_t end = terms->first + terms->count;
    bool all = true;
    for (uint64_t b = block; b < block + n_blocks; b++) {
        if (acc->blocks[b].held >= end)
            continue;
        must(acc->blocks[b].held >= terms->first); /* else contributions would be missing */
        if (!block_add(acc, b, terms, end))
            all = false;
    }
    return all;
}

uint64_t accumulator_floor(const struct accumulator *acc)
{
    uint64_t floor = acc->blocks[0].held;
    for (uint64_t b = 1; b < fold_blocks(acc->elements); b++)
        if (acc->blocks[b].held < floor)
            floor = acc->blocks[b].held;
    return floor;
}
