#include "fold/sums.h"

#include <string.h>

#include "fold/modulo.h"

/* Trusted: that memcpy takes an integer from its bytes. */
/*@ requires \valid_read(data + (0 .. 3));
  @ assigns \nothing;
  @ ensures \result == i32_at(data); */
static int32_t load_i32(const unsigned char *data)
{
    int32_t x;
    memcpy(&x, data, sizeof x);
    return x;
}

/*@ requires \valid_read(data + (0 .. 7));
  @ assigns \nothing;
  @ ensures \result == i64_at(data); */
static int64_t load_i64(const unsigned char *data)
{
    int64_t x;
    memcpy(&x, data, sizeof x);
    return x;
}

/*@ requires dtype == DTYPE_I32 || dtype == DTYPE_I64;
  @ requires \valid_read(data + (element_bytes(dtype) * i .. element_bytes(dtype) * (i + 1) - 1));
  @ assigns \nothing;
  @ ensures \result == element_at(dtype, data, i);
  @ ensures dtype == DTYPE_I32 ==> -0x80000000 <= \result <= 0x7fffffff; */
static inline int64_t element(enum dtype dtype, const unsigned char *data, unsigned i)
{
    if (dtype == DTYPE_I32)
        return load_i32(data + 4 * (size_t)i);
    return load_i64(data + 8 * (size_t)i);
}

void sums_add_i32(int64_t *sums, const unsigned char *data, unsigned n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant \forall integer j; i <= j < n ==> sums[j] == \at(sums[j], Pre);
      @ loop invariant \forall integer j; 0 <= j < i ==>
      @     sums[j] == \at(sums[j], Pre) + element_at(DTYPE_I32, data, j);
      @ loop invariant \forall integer j; 0 <= j < i ==>
      @     -0x80000000 <= sums[j] - \at(sums[j], Pre) <= 0x7fffffff;
      @ loop assigns i, sums[0 .. n - 1];
      @ loop variant n - i; */
    for (unsigned i = 0; i < n; i++)
        sums[i] += element(DTYPE_I32, data, i);
}

/* The word above x when it is sign-extended. Trusted: that >> keeps the sign. */
/*@ assigns \nothing;
  @ ensures \result == (x < 0 ? -1 : 0); */
static inline int64_t sign_word(int64_t x)
{
    return x >> 63;
}

/* (high, low) += x, sign-extended. */
/*@ requires \valid(low) && \valid(high);
  @ requires INT64_MIN < *high < INT64_MAX;
  @ assigns *low, *high;
  @ ensures sum128(*high, *low) == \old(sum128(*high, *low)) + x; */
static inline void add128(uint64_t *low, int64_t *high, int64_t x)
{
    uint64_t sum = *low + (uint64_t)x;
    *high += sign_word(x) + (sum < (uint64_t)x);
    *low = sum;
}

void sums_add(enum dtype dtype, uint64_t *low, int64_t *high, const unsigned char *data, unsigned n)
{
    /*@ loop invariant 0 <= i <= n;
      @ loop invariant \forall integer j; i <= j < n ==>
      @     low[j] == \at(low[j], Pre) && high[j] == \at(high[j], Pre);
      @ loop invariant \forall integer j; 0 <= j < i ==> sum128(high[j], low[j]) ==
      @     \at(sum128(high[j], low[j]), Pre) + element_at(dtype, data, j);
      @ loop invariant \forall integer j; 0 <= j < i ==> -0x8000000000000000 <=
      @     sum128(high[j], low[j]) - \at(sum128(high[j], low[j]), Pre) <= 0x7fffffffffffffff;
      @ loop assigns i, low[0 .. n - 1], high[0 .. n - 1];
      @ loop variant n - i; */
    for (unsigned i = 0; i < n; i++)
        add128(&low[i], &high[i], element(dtype, data, i));
}

uint64_t sum_divide(uint64_t high, uint64_t low, uint64_t n, uint64_t *rest)
{
    if (high == 0) {
        *rest = low % n;
        return low / n;
    }
    uint64_t upper = high * 0x100000000 + low / 0x100000000;
    //@ assert sum128(high, low) == upper * 0x100000000 + low % 0x100000000;
    uint64_t first = upper / n;
    //@ assert upper == first * n + upper % n && upper % n < n;
    //@ assert first <= 0xffffffff;
    uint64_t lower = upper % n * 0x100000000 + low % 0x100000000;
    uint64_t second = lower / n;
    //@ assert lower == second * n + lower % n && lower % n < n;
    //@ assert second <= 0xffffffff;
    *rest = lower % n;
    //@ assert sum128(high, low) == (first * 0x100000000 + second) * n + *rest;
    return first * 0x100000000 + second;
}

int64_t integer_mean(int64_t high, uint64_t low, uint64_t n)
{
    bool negative = high < 0;
    uint64_t upper = negative ? (uint64_t)(-1 - high) + (low == 0) : (uint64_t)high;
    uint64_t lower = negative && low != 0 ? UINT64_MAX - low + 1 : low;
    //@ assert sum128(upper, lower) == \abs(sum128(high, low));
    uint64_t rest;
    uint64_t quotient = sum_divide(upper, lower, n, &rest);
    //@ assert negative ==> sum128(high, low) == -(quotient * n) - rest;
    //@ assert !negative ==> sum128(high, low) == quotient * n + rest;
    uint64_t missing = n - rest;
    quotient += rest > missing || (rest == missing && quotient % 2 != 0);
    //@ assert nearest_even(\abs(sum128(high, low)), n, quotient);
    //@ assert quotient <= (negative ? 0x8000000000000000 : 0x7fffffffffffffff);
    return negative && quotient > 0 ? -1 - (int64_t)(quotient - 1) : (int64_t)quotient;
}
