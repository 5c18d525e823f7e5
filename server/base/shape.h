/* Shapes: dimensions, outermost first. A scalar has none; a dimension may be 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/must.h"

/*@ predicate shape_readable{L}(uint64_t *shape, integer ndim) =
  @     ndim > 0 ==> \valid_read(shape + (0 .. ndim - 1));
  @ predicate same_shape{L}(uint64_t *a, integer a_ndim, uint64_t *b, integer b_ndim) =
  @     a_ndim == b_ndim && \forall integer d; 0 <= d < a_ndim ==> a[d] == b[d];
  @ logic integer product{L}(uint64_t *shape, integer ndim) =
  @     ndim <= 0 ? 1 : product(shape, ndim - 1) * shape[ndim - 1]; */

/* Elements and bytes of a tensor; false when the bytes do not fit 63 bits. A dimension of 0 makes
 * the tensor empty, however large the others are. dtype must be valid. */
/*@ requires valid_dtype(dtype) && shape_readable(shape, ndim);
  @ requires \valid(elements) && \valid(bytes) && \separated(elements, bytes);
  @ assigns *elements, *bytes;
  @ ensures \result <==> \old(product(shape, ndim)) * dtype_bytes(dtype) <= INT64_MAX;
  @ ensures *elements == (\result ? \old(product(shape, ndim)) : \old(*elements));
  @ ensures *bytes == (\result ? \old(product(shape, ndim)) * dtype_bytes(dtype)
  @                            : \old(*bytes)); */
MUST_USE bool shape_size(enum dtype dtype, const uint64_t *shape, size_t ndim, uint64_t *elements,
                         uint64_t *bytes);

/*@ requires shape_readable(a, a_ndim) && shape_readable(b, b_ndim);
  @ assigns \nothing;
  @ ensures \result <==> same_shape(a, a_ndim, b, b_ndim); */
bool shape_equal(const uint64_t *a, size_t a_ndim, const uint64_t *b, size_t b_ndim);

enum {
    SHAPE_TEXT_MAX = 96
};

/* "[3,4]" into text, which is returned; a long shape ends in ",...]". */
/*@ requires \valid(text + (0 .. SHAPE_TEXT_MAX - 1)) && shape_readable(shape, ndim);
  @ assigns text[0 .. SHAPE_TEXT_MAX - 1];
  @ assigns \result \from text;
  @ ensures \result == text; */
const char *shape_text(char text[static SHAPE_TEXT_MAX], const uint64_t *shape, size_t ndim);
