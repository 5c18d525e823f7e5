#include <stdlib.h>
#include <string.h>

#include "base/shape.h"
#include "graph.h"

/* One more place in both arrays. */
static bool grow(struct contributions *c)
{
    struct contribution *list = realloc(c->list, (c->size + 1) * sizeof *list);
    if (list == NULL)
        return false;
    c->list = list;
    const void **data = realloc(c->data, (c->size + 1) * sizeof *data);
    if (data == NULL)
        return false;
    c->data = data;
    return true;
}

/* The shape lies behind the elements, in one piece of memory. */
void *contributions_add(struct contributions *contributions, uint64_t node, enum dtype dtype,
                        const uint64_t *shape, size_t ndim, uint64_t elements)
{
    size_t words = (elements * dtype_size(dtype) + sizeof *shape - 1) / sizeof *shape;
    uint64_t *memory = calloc(words + ndim + 1, sizeof *memory);
    if (memory == NULL || !grow(contributions)) {
        free(memory);
        return NULL;
    }
    if (ndim > 0)
        memcpy(memory + words, shape, ndim * sizeof *shape);
    contributions->list[contributions->size] = (struct contribution){
        .node = node, .dtype = (int)dtype, .shape = memory + words, .ndim = ndim};
    contributions->data[contributions->size] = memory;
    contributions->size++;
    return memory;
}

uint64_t contributions_bytes(const struct contributions *contributions, size_t i)
{
    const struct contribution *c = &contributions->list[i];
    uint64_t elements;
    uint64_t bytes;
    must(shape_size((enum dtype)c->dtype, c->shape, c->ndim, &elements, &bytes));
    return bytes;
}

void contributions_free(struct contributions *contributions)
{
    for (size_t i = 0; i < contributions->size; i++)
        free((void *)contributions->data[i]);
    free(contributions->list);
    free(contributions->data);
    *contributions = (struct contributions){.size = 0};
}
