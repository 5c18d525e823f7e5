#include <stdlib.h>

#include "core/round.h"

struct results *results_new(struct pool *pool, uint64_t bytes, size_t n_nodes)
{
    struct results *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->contributions = calloc(n_nodes, sizeof *r->contributions);
    r->data = pool_take(pool, bytes);
    if (r->contributions == NULL || r->data == NULL) {
        pool_give(pool, r->data, bytes);
        free(r->contributions);
        free(r);
        return NULL;
    }
    r->pool = pool;
    r->bytes = bytes;
    r->refs = 1;
    return r;
}

void results_ref(struct results *results)
{
    if (results != NULL)
        results->refs++;
}

void results_unref(struct results *results)
{
    if (results == NULL || --results->refs > 0)
        return;
    pool_give(results->pool, results->data, results->bytes);
    free(results->contributions);
    free(results);
}
