#include "fold/budget.h"

#include <stdlib.h>

void fold_budget_init(struct fold_budget *budget, uint64_t bytes_max)
{
    budget->bytes_max = bytes_max;
    atomic_init(&budget->bytes_used, 0);
}

static bool charge(struct fold_budget *budget, uint64_t bytes)
{
    uint_fast64_t used = atomic_load_explicit(&budget->bytes_used, memory_order_relaxed);
    do {
        if (used > budget->bytes_max || bytes > budget->bytes_max - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->bytes_used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void *budget_take(struct fold_budget *budget, uint64_t bytes)
{
    if (!charge(budget, bytes))
        return NULL;
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        atomic_fetch_sub_explicit(&budget->bytes_used, bytes, memory_order_relaxed);
    return memory;
}

void budget_give(struct fold_budget *budget, void *memory, uint64_t bytes)
{
    if (memory == NULL)
        return;
    free(memory);
    atomic_fetch_sub_explicit(&budget->bytes_used, bytes, memory_order_relaxed);
}
