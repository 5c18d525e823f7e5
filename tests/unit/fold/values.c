#include "values.h"

#include "oracle.h"

static int exponent_max(struct format f)
{
    return (1 << f.exponent_bits) - 2;
}

/* A random sign and fraction with a biased exponent, which is clamped to the finite ones. */
static uint64_t with_exponent(struct random *r, struct format f, int exponent)
{
    if (exponent < 0)
        exponent = 0;
    if (exponent > exponent_max(f))
        exponent = exponent_max(f);
    uint64_t bits = random_bits(r);
    uint64_t fraction = bits & (((uint64_t)1 << f.fraction_bits) - 1);
    uint64_t sign = bits >> 63 << (f.exponent_bits + f.fraction_bits);
    return sign | (uint64_t)exponent << f.fraction_bits | fraction;
}

static uint64_t special(struct random *r, struct format f)
{
    uint64_t sign = (uint64_t)1 << (f.exponent_bits + f.fraction_bits);
    switch (random_below(r, 8)) {
    case 0:
    case 1:
    case 2:
        return format_infinity(f);
    case 3:
    case 4:
        return format_infinity(f) | sign;
    case 5:
        return format_nan(f);
    case 6:
        return format_nan(f) | sign;
    default:
        return format_infinity(f) | 1; /* a signalling one */
    }
}

static uint64_t any_float(struct random *r, enum values kind, struct format f)
{
    int middle = (1 << (f.exponent_bits - 1)) - 1;
    uint64_t sign = random_bits(r) >> 63 << (f.exponent_bits + f.fraction_bits);
    switch (kind) {
    case VALUES_SAME_SCALE:
        return with_exponent(r, f, middle - random_from(r, 0, 3));
    case VALUES_SPREAD_24:
        return with_exponent(r, f, middle - random_from(r, 0, 24));
    case VALUES_SPREAD_48:
        return with_exponent(r, f, middle - random_from(r, 0, 48));
    case VALUES_SPREAD_70:
        return with_exponent(r, f, middle - random_from(r, 0, 70));
    case VALUES_ANY_BITS:
        return random_bits(r) >> (63 - f.exponent_bits - f.fraction_bits);
    case VALUES_SUBNORMAL:
        return with_exponent(r, f, random_from(r, -2, 2));
    case VALUES_HUGE:
        if (random_one_in(r, 4))
            return sign | (format_infinity(f) - 1);
        return with_exponent(r, f, exponent_max(f) - random_from(r, 0, 60));
    case VALUES_ZERO:
        return random_one_in(r, 5) ? sign | 1 : sign;
    case VALUES_SPECIAL:
        return random_one_in(r, 6) ? special(r, f) : with_exponent(r, f, middle);
    default:
        return with_exponent(r, f, random_from(r, 0, exponent_max(f)));
    }
}

/* Half the last place of the first value, so that the sum is a tie, and crumbs that decide it. */
static void near_tie(struct random *r, const enum dtype *from, uint64_t *bits, unsigned n)
{
    struct format f = format_of(from[0]);
    int exponent = random_from(r, f.fraction_bits + 2, exponent_max(f));
    if (exponent > exponent_max(f))
        exponent = exponent_max(f);
    bits[0] = with_exponent(r, f, exponent);
    for (unsigned k = 1; k < n; k++) {
        struct format g = format_of(from[k]);
        int same = exponent - (1 << (f.exponent_bits - 1)) + (1 << (g.exponent_bits - 1));
        int half = same - f.fraction_bits - 1;
        uint64_t sign = random_bits(r) >> 63 << (g.exponent_bits + g.fraction_bits);
        uint64_t power = half < 1 ? 0 : (uint64_t)half << g.fraction_bits;
        if (half > exponent_max(g))
            power = 0;
        if (k == 1 || random_one_in(r, 8))
            bits[k] = sign | power;
        else if (random_one_in(r, 2))
            bits[k] = sign;
        else
            bits[k] = random_one_in(r, 2) ? sign | 1 : with_exponent(r, g, half - 60);
    }
}

/* integer · 2^exponent, which must be a normal number. */
static uint64_t encode(struct format f, uint64_t integer, int exponent)
{
    if (integer == 0)
        return 0;
    int top = 63 - __builtin_clzll(integer);
    int shift = f.fraction_bits - top;
    uint64_t significand = shift >= 0 ? integer << shift : integer >> -shift;
    uint64_t fraction = significand & (((uint64_t)1 << f.fraction_bits) - 1);
    int biased = exponent + top + (1 << (f.exponent_bits - 1)) - 1;
    return (uint64_t)biased << f.fraction_bits | fraction;
}

/* 1 / n modulo 2^64, for odd n (Newton). */
static uint64_t inverse(uint64_t n)
{
    uint64_t x = n;
    for (int i = 0; i < 6; i++)
        x *= 2 - n * x;
    return x;
}

/* n · m, where m is half-way between two numbers, in two parts, and a crumb. For odd n the
 * second part is often 1 or 3, so that a crumb that it can just hold beside itself is lost in a
 * quotient of as many bits. */
static void near_mean_tie(struct random *r, enum dtype node, uint64_t *bits, unsigned n)
{
    struct format f = format_of(node);
    uint64_t m = (uint64_t)1 << (f.fraction_bits + 1) | 1;
    m |= random_bits(r) & (((uint64_t)1 << f.fraction_bits) - 1) << 1;
    int cut = 63 - __builtin_clzll(m * n) - f.fraction_bits;
    uint64_t low = ((uint64_t)1 << cut) - 1;
    if (n % 2 == 1 && random_one_in(r, 2))
        m = (m & ~low) | ((random_one_in(r, 2) ? 1 : 3) * inverse(n) & low);
    uint64_t product = m * n;
    cut = 63 - __builtin_clzll(product) - f.fraction_bits;
    int exponent = f.exponent_bits == 5 ? -8 : random_from(r, -40, 40);
    uint64_t sign = random_bits(r) >> 63 << (f.exponent_bits + f.fraction_bits);
    for (unsigned k = 0; k < n; k++)
        bits[k] = 0;
    bits[0] = sign | encode(f, product, exponent);
    if (n > 1)
        bits[1] = sign ^ encode(f, product & (((uint64_t)1 << cut) - 1), exponent);
    if (n > 2 && random_one_in(r, 2)) {
        uint64_t crumb = random_bits(r) >> 63 << (f.exponent_bits + f.fraction_bits);
        if (f.exponent_bits == 5)
            crumb |= 1;
        else
            crumb |= encode(f, 1, exponent - random_from(r, 1, f.fraction_bits + 2));
        bits[2] = crumb;
    }
}

static bool all_equal(const enum dtype *from, enum dtype node, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (from[k] != node)
            return false;
    return true;
}

/* Pairs that cancel, and what is left. */
static void cancel(struct random *r, const enum dtype *from, uint64_t *bits, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        struct format f = format_of(from[k]);
        if (k > 0 && from[k] == from[k - 1] && k % 2 == 1)
            bits[k] = bits[k - 1] ^ (uint64_t)1 << (f.exponent_bits + f.fraction_bits);
        else
            bits[k] = any_float(r, random_one_in(r, 3) ? VALUES_SUBNORMAL : VALUES_ANY_FINITE, f);
    }
}

static uint64_t any_integer(struct random *r, enum values kind, enum dtype dtype)
{
    uint64_t top = dtype == DTYPE_I32 ? (uint64_t)1 << 31 : (uint64_t)1 << 63;
    uint64_t x;
    switch (kind % 4) {
    case 0:
        x = random_below(r, 2001) - 1000;
        break;
    case 1:
        x = random_bits(r);
        break;
    case 2: /* at the limits */
        x = (random_one_in(r, 2) ? top : top - 1) + random_below(r, 3) - 1;
        break;
    default:
        x = random_bits(r) >> random_below(r, 63);
        x = random_one_in(r, 2) ? -x : x;
    }
    return dtype == DTYPE_I32 ? x & UINT32_MAX : x;
}

/* Pairs of x and -x - 1, so that the sum stays in range however large its terms; one without a
 * partner takes it to the upper limit. */
static void balanced_integers(struct random *r, const enum dtype *from, uint64_t *bits, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        uint64_t mask = from[k] == DTYPE_I32 ? UINT32_MAX : UINT64_MAX;
        if (k % 2 == 1 && from[k] == from[k - 1])
            bits[k] = ~bits[k - 1] & mask;
        else if (k + 1 < n && from[k] == from[k + 1] && k % 2 == 0)
            bits[k] = random_bits(r) & mask;
        else
            bits[k] = k + 1 == n ? (mask >> 1) - random_below(r, 2) : 0;
    }
}

void values_fill(struct random *r, enum values kind, enum dtype node, const enum dtype *from,
                 uint64_t *bits, unsigned n)
{
    if (!dtype_is_float(node) && kind % 5 == 4)
        balanced_integers(r, from, bits, n);
    else if (!dtype_is_float(node))
        for (unsigned k = 0; k < n; k++)
            bits[k] = any_integer(r, kind, from[k]);
    else if (kind == VALUES_NEAR_MEAN_TIE && all_equal(from, node, n))
        near_mean_tie(r, node, bits, n);
    else if (kind == VALUES_NEAR_TIE || kind == VALUES_NEAR_MEAN_TIE)
        near_tie(r, from, bits, n);
    else if (kind == VALUES_CANCEL)
        cancel(r, from, bits, n);
    else
        for (unsigned k = 0; k < n; k++)
            bits[k] = any_float(r, kind, format_of(from[k]));
}
