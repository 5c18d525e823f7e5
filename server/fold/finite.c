#include <string.h>

#include "fold/kernels.h"

/* Elements that are scanned at once before it is asked whether there was one: 8 KiB of f32. */
enum {
    SCAN = 2048
};

int64_t fold_find_non_finite(enum dtype dtype, const void *data, uint64_t n)
{
    if (!dtype_is_float(dtype))
        return FOLD_ALL_FINITE;
    bool (*non_finite)(const void *, size_t) = kernels_chosen()->of[dtype].non_finite;
    const unsigned char *bytes = data;
    size_t size = dtype_size(dtype);
    for (uint64_t first = 0; first < n; first += SCAN) {
        size_t count = n - first < SCAN ? (size_t)(n - first) : SCAN;
        if (!non_finite(bytes + first * size, count))
            continue;
        uint64_t i = first;
        while (!non_finite(bytes + i * size, 1))
            i++;
        return (int64_t)i;
    }
    return FOLD_ALL_FINITE;
}
