#include "mean.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Every finite f32 is an integer times 2^-149. Its largest is below 2^(128 + 149) of these units,
 * so the sum of 2^31 of them fits 308 bits. Another 32 bits below the unit hold the first binary
 * places of the quotient. */
enum {
    UNIT_EXPONENT = -149,
    FRACTION_BITS = 32,
    DIGIT_BITS = 32,
    DIGITS = 11, /* 352 bits, least significant digit first */
    SIGNIFICANT_BITS = 24,
};

struct natural {
    uint32_t digit[DIGITS];
};

/* number += value * 2^shift */
static void natural_add(struct natural *number, uint32_t value, unsigned shift)
{
    uint64_t carry = (uint64_t)value << (shift % DIGIT_BITS);
    for (size_t i = shift / DIGIT_BITS; i < DIGITS && carry != 0; i++) {
        uint64_t sum = (uint64_t)number->digit[i] + (uint32_t)carry;
        number->digit[i] = (uint32_t)sum;
        carry = (carry >> DIGIT_BITS) + (sum >> DIGIT_BITS);
    }
}

static bool natural_less(const struct natural *a, const struct natural *b)
{
    for (size_t i = DIGITS; i-- > 0;)
        if (a->digit[i] != b->digit[i])
            return a->digit[i] < b->digit[i];
    return false;
}

/* a - b; a is not less than b. */
static struct natural natural_subtract(const struct natural *a, const struct natural *b)
{
    struct natural result;
    uint64_t borrow = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        uint64_t difference = (uint64_t)a->digit[i] - b->digit[i] - borrow;
        result.digit[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    return result;
}

/* Divides in place, as on paper; returns the remainder. */
static uint64_t natural_divide(struct natural *number, uint64_t divisor)
{
    uint64_t remainder = 0;
    for (size_t i = DIGITS; i-- > 0;) {
        uint64_t part = (remainder << DIGIT_BITS) | number->digit[i];
        number->digit[i] = (uint32_t)(part / divisor);
        remainder = part % divisor;
    }
    return remainder;
}

static bool natural_bit(const struct natural *number, unsigned bit)
{
    return (number->digit[bit / DIGIT_BITS] >> (bit % DIGIT_BITS) & 1) != 0;
}

static unsigned natural_bits(const struct natural *number)
{
    unsigned bits = DIGITS * DIGIT_BITS;
    while (bits > 0 && !natural_bit(number, bits - 1))
        bits--;
    return bits;
}

/* |value| = mantissa * 2^shift units */
static void magnitude_add(struct natural *sum, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t mantissa = bits & 0x7fffff;
    unsigned exponent = bits >> 23 & 0xff;
    if (exponent == 0) /* zero or subnormal: no hidden bit */
        natural_add(sum, mantissa, FRACTION_BITS);
    else
        natural_add(sum, mantissa | 0x800000, FRACTION_BITS + exponent - 1);
}

/* The number, and a bit more if `inexact`, rounded to 24 significant bits or to whole units,
 * whichever is coarser. */
static float natural_round(const struct natural *number, bool inexact)
{
    unsigned bits = natural_bits(number);
    unsigned cut = FRACTION_BITS; /* bits that are rounded away */
    if (bits > FRACTION_BITS + SIGNIFICANT_BITS)
        cut = bits - SIGNIFICANT_BITS;
    uint32_t kept = 0;
    for (unsigned bit = bits; bit-- > cut;)
        kept = kept << 1 | natural_bit(number, bit);
    bool half = natural_bit(number, cut - 1);
    for (unsigned bit = 0; bit < cut - 1; bit++)
        inexact = inexact || natural_bit(number, bit);
    if (half && (inexact || (kept & 1) != 0))
        kept++;
    return ldexpf((float)kept, (int)cut - FRACTION_BITS + UNIT_EXPONENT);
}

float mean_exact(const float *value, size_t count)
{
    struct natural positive = {{0}}, negative = {{0}};
    for (size_t i = 0; i < count; i++)
        magnitude_add(signbit(value[i]) ? &negative : &positive, value[i]);

    bool minus = natural_less(&positive, &negative);
    struct natural sum =
        minus ? natural_subtract(&negative, &positive) : natural_subtract(&positive, &negative);
    bool inexact = natural_divide(&sum, count) != 0;
    float mean = natural_round(&sum, inexact);
    return minus && mean != 0.0f ? -mean : mean;
}
