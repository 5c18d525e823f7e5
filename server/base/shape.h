/* Shapes: dimensions, outermost first. A scalar has none; a dimension may be 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/must.h"

/* Elements and bytes of a tensor; false when the bytes do not fit 63 bits. A dimension of 0 makes
 * the tensor empty, however large the others are. dtype must be valid. */
MUST_USE bool shape_size(enum dtype dtype, const uint64_t *shape, size_t ndim, uint64_t *elements,
                         uint64_t *bytes);

bool shape_equal(const uint64_t *a, size_t a_ndim, const uint64_t *b, size_t b_ndim);

enum {
    SHAPE_TEXT_MAX = 96
};

/* "[3,4]" into text, which is returned; a long shape ends in ",...]". */
const char *shape_text(char text[static SHAPE_TEXT_MAX], const uint64_t *shape, size_t ndim);
