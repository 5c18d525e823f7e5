/* Element types. The numbers are those of the wire (proto/gradfold.proto). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum dtype {
    DTYPE_F32 = 1,
    DTYPE_F64 = 2,
    DTYPE_F16 = 3,
    DTYPE_BF16 = 4,
    DTYPE_I32 = 5,
    DTYPE_I64 = 6,
};

/*@ predicate valid_dtype(integer dtype) = DTYPE_F32 <= dtype <= DTYPE_I64;
  @ logic integer dtype_bytes(integer dtype) =
  @     dtype == DTYPE_F64 || dtype == DTYPE_I64 ? 8 :
  @     dtype == DTYPE_F16 || dtype == DTYPE_BF16 ? 2 : 4;
  @ predicate widens(integer from, integer to) =
  @     from == to ||
  @     ((from == DTYPE_F16 || from == DTYPE_BF16) && (to == DTYPE_F32 || to == DTYPE_F64)) ||
  @     (from == DTYPE_F32 && to == DTYPE_F64) || (from == DTYPE_I32 && to == DTYPE_I64); */

/* True for the six above: a number off the wire may be any int. */
/*@ assigns \nothing;
  @ ensures \result <==> valid_dtype(dtype); */
bool dtype_valid(int dtype);

/* Bytes of an element; dtype must be valid. */
/*@ requires valid_dtype(dtype);
  @ assigns \nothing;
  @ ensures \result == dtype_bytes(dtype); */
size_t dtype_size(enum dtype dtype);

/* "f32", "bf16" …; "?" for an invalid one. Static storage. */
/*@ assigns \result \from dtype; */
const char *dtype_name(int dtype);

bool dtype_is_float(enum dtype dtype);

/* May a contribution of dtype `from` go to a node of dtype `to`? Equal, or one of the widenings
 * f16, bf16 -> f32, f64; f32 -> f64; i32 -> i64, all of which are exact. */
/*@ assigns \nothing;
  @ ensures \result <==> widens(from, to); */
bool dtype_widens(enum dtype from, enum dtype to);
