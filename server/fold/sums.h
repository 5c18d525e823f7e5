/* The arithmetic of exact integer sums: i32 in 64 bits, i64 in 128. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"

/*@ logic integer sum128(integer high, integer low) = high * 0x10000000000000000 + low;
  @ // |value|: twice its distance from q * n is at most n, and if it is n, q is even
  @ predicate nearest_even(integer value, integer n, integer q) =
  @     -n <= 2 * (value - q * n) <= n &&
  @     (2 * (value - q * n) == n || 2 * (value - q * n) == -n ==> q % 2 == 0); */

/*@ axiomatic Integers {
  @     logic integer i32_at{L}(unsigned char *data) reads data[0 .. 3];
  @     logic integer i64_at{L}(unsigned char *data) reads data[0 .. 7];
  @ }
  @ logic integer element_at{L}(enum dtype dtype, unsigned char *data, integer i) =
  @     dtype == DTYPE_I32 ? i32_at(data + 4 * i) : i64_at(data + 8 * i);
  @ logic integer element_bytes(enum dtype dtype) = dtype == DTYPE_I32 ? 4 : 8;
  @
  @ // What k contributions can add up to: there are at most UINT32_MAX of them.
  @ predicate bounded64{L}(int64_t *sums, integer n, integer k) =
  @     \forall integer i; 0 <= i < n ==> -0x80000000 * k <= sums[i] <= 0x80000000 * k;
  @ predicate bounded128{L}(uint64_t *low, int64_t *high, integer n, integer k) =
  @     \forall integer i; 0 <= i < n ==>
  @         -0x8000000000000000 * k <= sum128(high[i], low[i]) <= 0x8000000000000000 * k; */

/* sums += the data, of one contribution, which is n packed i32 in native order. */
/*@ requires n > 0 ==> \valid(sums + (0 .. n - 1)) && \valid_read(data + (0 .. 4 * n - 1));
  @ requires bounded64(sums, n, 0xfffffffe);
  @ assigns sums[0 .. n - 1];
  @ ensures \forall integer i; 0 <= i < n ==>
  @     sums[i] == \old(sums[i]) + element_at(DTYPE_I32, data, i);
  @ ensures \forall integer k; bounded64{Pre}(sums, n, k) ==> bounded64(sums, n, k + 1); */
void sums_add_i32(int64_t *sums, const unsigned char *data, unsigned n);

/* The sums, of 128 bits, += the data, of one contribution: n packed i32 or i64. */
/*@ requires dtype == DTYPE_I32 || dtype == DTYPE_I64;
  @ requires n > 0 ==> \valid(low + (0 .. n - 1)) && \valid(high + (0 .. n - 1)) &&
  @     \valid_read(data + (0 .. element_bytes(dtype) * n - 1));
  @ requires bounded128(low, high, n, 0xfffffffe);
  @ assigns low[0 .. n - 1], high[0 .. n - 1];
  @ ensures \forall integer i; 0 <= i < n ==> sum128(high[i], low[i]) ==
  @     \old(sum128(high[i], low[i])) + element_at(dtype, data, i);
  @ ensures \forall integer k; bounded128{Pre}(low, high, n, k) ==>
  @     bounded128(low, high, n, k + 1); */
void sums_add(enum dtype dtype, uint64_t *low, int64_t *high, const unsigned char *data,
              unsigned n);

/* (high, low) / n, and what is left, in two digits of 32 bits. high < n <= UINT32_MAX. */
/*@ requires high < n <= 0xffffffff && \valid(rest);
  @ assigns *rest;
  @ ensures sum128(high, low) == \result * n + *rest && *rest < n; */
uint64_t sum_divide(uint64_t high, uint64_t low, uint64_t n, uint64_t *rest);

/* value / n to nearest, ties to even, of a value that is given as 128 bits: the sum of n or fewer
 * integers, so that it cannot be out of range. 1 <= n <= UINT32_MAX. */
/*@ requires 1 <= n <= 0xffffffff;
  @ requires -0x8000000000000000 * n <= sum128(high, low) <= 0x7fffffffffffffff * n;
  @ assigns \nothing;
  @ ensures nearest_even(sum128(high, low), n, \result); */
int64_t integer_mean(int64_t high, uint64_t low, uint64_t n);

/*@ assigns \nothing;
  @ ensures \result <==> INT32_MIN <= x <= INT32_MAX; */
static inline bool sum_fits_i32(int64_t x)
{
    return x == (int32_t)x;
}

/*@ assigns \nothing;
  @ ensures \result <==> INT64_MIN <= sum128(high, low) <= INT64_MAX; */
static inline bool sum_fits_i64(int64_t high, uint64_t low)
{
    return high == (low > INT64_MAX ? -1 : 0);
}
