#include "base/shape.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/checked.h"

/*@ lemma positive_factor: \forall integer p, d; p >= 0 && d >= 1 ==> p * d >= p; */

/*@ requires shape_readable(shape, ndim);
  @ assigns \nothing;
  @ ensures \result <==> product(shape, ndim) == 0;
  @ ensures !\result ==> \forall integer k; 0 <= k < ndim ==> shape[k] > 0; */
static bool is_empty(const uint64_t *shape, size_t ndim)
{
    bool empty = false;
    /*@ loop invariant 0 <= i <= ndim;
      @ loop invariant empty <==> product(shape, i) == 0;
      @ loop invariant !empty ==> \forall integer k; 0 <= k < i ==> shape[k] > 0;
      @ loop assigns i, empty;
      @ loop variant ndim - i; */
    for (size_t i = 0; i < ndim; i++)
        if (shape[i] == 0)
            empty = true;
    return empty;
}

/*@ requires shape_readable(shape, ndim) && \valid(n);
  @ requires ndim > 0 ==> \separated(n, shape + (0 .. ndim - 1));
  @ requires \forall integer k; 0 <= k < ndim ==> shape[k] > 0;
  @ assigns *n;
  @ ensures \result <==> \old(product(shape, ndim)) <= UINT64_MAX;
  @ ensures \result ==> *n == \old(product(shape, ndim)); */
static bool multiply(const uint64_t *shape, size_t ndim, uint64_t *n)
{
    bool fits = true;
    *n = 1;
    /*@ loop invariant 0 <= i <= ndim;
      @ loop invariant fits ==> *n == product{Pre}(shape, i);
      @ loop invariant !fits ==> product{Pre}(shape, i) > UINT64_MAX;
      @ loop assigns i, *n, fits;
      @ loop variant ndim - i; */
    for (size_t i = 0; i < ndim; i++)
        fits = fits && checked_mul(*n, shape[i], n);
    return fits;
}

bool shape_size(enum dtype dtype, const uint64_t *shape, size_t ndim, uint64_t *elements,
                uint64_t *bytes)
{
    uint64_t n = 0;
    uint64_t total;
    //@ assert 2 <= dtype_bytes(dtype) <= 8;
    if (!is_empty(shape, ndim) && !multiply(shape, ndim, &n))
        return false;
    //@ assert n == product{Pre}(shape, ndim);
    if (!checked_mul(n, dtype_size(dtype), &total) || total > INT64_MAX)
        return false;
    *elements = n;
    *bytes = total;
    return true;
}

bool shape_equal(const uint64_t *a, size_t a_ndim, const uint64_t *b, size_t b_ndim)
{
    if (a_ndim != b_ndim)
        return false;
    /*@ loop invariant 0 <= d <= a_ndim;
      @ loop invariant \forall integer k; 0 <= k < d ==> a[k] == b[k];
      @ loop assigns d;
      @ loop variant a_ndim - d; */
    for (size_t d = 0; d < a_ndim; d++)
        if (a[d] != b[d])
            return false;
    return true;
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
