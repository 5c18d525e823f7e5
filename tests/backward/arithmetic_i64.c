#include <string.h>

#include "arithmetic.h"

typedef int64_t T;

static inline T plus(T a, T b, bool *ok)
{
    T sum;
    *ok &= !__builtin_add_overflow(a, b, &sum);
    return sum;
}

static inline T minus(T a, T b, bool *ok)
{
    T difference;
    *ok &= !__builtin_sub_overflow(a, b, &difference);
    return difference;
}

static inline T times(T a, T b, bool *ok)
{
    T product;
    *ok &= !__builtin_mul_overflow(a, b, &product);
    return product;
}

static inline T negative(T a, bool *ok)
{
    return minus(0, a, ok);
}

#define ARITHMETIC arithmetic_i64
#include "arithmetic.inc"
