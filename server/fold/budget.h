/* Memory of accumulators under the budget that all of a server's folds share. Thread-safe. */
#pragma once

#include "fold/fold.h"

/* Zeroed memory; NULL when the budget or the memory is exhausted. */
void *budget_take(struct fold_budget *budget, uint64_t bytes);

/* bytes as they were taken. NULL is allowed. */
void budget_give(struct fold_budget *budget, void *memory, uint64_t bytes);
