#include "fold/group.h"

#include <string.h>

uint64_t fold_blocks(uint64_t elements)
{
    return elements / FOLD_BLOCK + (elements % FOLD_BLOCK != 0);
}

unsigned block_elements(uint64_t elements, uint64_t block)
{
    uint64_t left = elements - block * FOLD_BLOCK;
    return left < FOLD_BLOCK ? (unsigned)left : FOLD_BLOCK;
}

unsigned block_spans(uint64_t elements, uint64_t block, struct span spans[static 2])
{
    unsigned n = block_elements(elements, block);
    unsigned whole = n / CHUNK * CHUNK;
    unsigned count = 0;
    if (whole > 0)
        spans[count++] = (struct span){.first = block * FOLD_BLOCK, .n = whole};
    if (n > whole)
        spans[count++] = (struct span){.first = block * FOLD_BLOCK + whole, .n = n - whole};
    return count;
}

const unsigned char *term_at(const struct terms *terms, uint64_t number, uint64_t first)
{
    const struct tensor *t = &terms->tensors[number - terms->first];
    return (const unsigned char *)t->data + first * dtype_size(t->dtype);
}

uint64_t group_take(struct group *group, const struct terms *terms, uint64_t number, uint64_t end,
                    struct span span)
{
    const struct tensor *tensors = &terms->tensors[number - terms->first];
    group->dtype = tensors[0].dtype;
    size_t size = dtype_size(group->dtype);
    unsigned count = 0;
    while (number < end && count < GROUP_MAX && tensors[count].dtype == group->dtype) {
        const unsigned char *data = term_at(terms, number, span.first);
        if (span.n < CHUNK) {
            memset(group->padded[count], 0, CHUNK * size);
            memcpy(group->padded[count], data, span.n * size);
            data = group->padded[count];
        }
        group->data[count++] = data;
        number++;
    }
    group->count = count;
    return number;
}
