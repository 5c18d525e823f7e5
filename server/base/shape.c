#include "base/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

bool shape_size(enum dtype dtype, const uint64_t *shape, size_t ndim, uint64_t *elements,
                uint64_t *bytes)
{
    uint64_t n = 1;
    uint64_t total;
    for (size_t i = 0; i < ndim; i++)
        if (shape[i] == 0)
            n = 0;
    for (size_t i = 0; i < ndim && n > 0; i++)
        if (!checked_mul(n, shape[i], &n))
            return false;
    if (!checked_mul(n, dtype_size(dtype), &total) || total > INT64_MAX)
        return false;
    *elements = n;
    *bytes = total;
    return true;
}

bool shape_equal(const uint64_t *a, size_t a_ndim, const uint64_t *b, size_t b_ndim)
{
    return a_ndim == b_ndim && (a_ndim == 0 || memcmp(a, b, a_ndim * sizeof *a) == 0);
}

const char *shape_text(char text[static SHAPE_TEXT_MAX], const uint64_t *shape, size_t ndim)
{
    enum {
        ROOM_FOR_ONE_MORE = 30
    }; /* a comma, 20 digits, ",...]" and the end */
    size_t at = (size_t)snprintf(text, SHAPE_TEXT_MAX, "[");
    for (size_t i = 0; i < ndim; i++) {
        if (at > SHAPE_TEXT_MAX - ROOM_FOR_ONE_MORE) {
            at += (size_t)snprintf(text + at, SHAPE_TEXT_MAX - at, ",...");
            break;
        }
        at += (size_t)snprintf(text + at, SHAPE_TEXT_MAX - at, i == 0 ? "%" PRIu64 : ",%" PRIu64,
                               shape[i]);
    }
    snprintf(text + at, SHAPE_TEXT_MAX - at, "]");
    return text;
}
