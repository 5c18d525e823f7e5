#include "oracle.h"

#include <string.h>

struct format format_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return (struct format){8, 23};
    case DTYPE_F64:
        return (struct format){11, 52};
    case DTYPE_F16:
        return (struct format){5, 10};
    default:
        return (struct format){8, 7};
    }
}

static uint64_t exponent_mask(struct format f)
{
    return ((uint64_t)1 << f.exponent_bits) - 1;
}

uint64_t format_infinity(struct format f)
{
    return exponent_mask(f) << f.fraction_bits;
}

uint64_t format_nan(struct format f)
{
    return format_infinity(f) | (uint64_t)1 << (f.fraction_bits - 1);
}

/* The exponent of the smallest subnormal: the format's unit is 2 to this power. */
static int unit(struct format f)
{
    return 2 - (1 << (f.exponent_bits - 1)) - f.fraction_bits;
}

void oracle_init(struct oracle *o, enum dtype node)
{
    o->node = node;
    mpz_init(o->sum);
    for (int i = 0; i < 4; i++)
        mpz_init(o->scratch[i]);
    oracle_reset(o);
}

void oracle_clear(struct oracle *o)
{
    mpz_clear(o->sum);
    for (int i = 0; i < 4; i++)
        mpz_clear(o->scratch[i]);
}

void oracle_reset(struct oracle *o)
{
    mpz_set_ui(o->sum, 0);
    o->nan = o->plus = o->minus = false;
}

static void add_float(struct oracle *o, enum dtype from, uint64_t bits)
{
    struct format f = format_of(from);
    uint64_t fraction = bits & (((uint64_t)1 << f.fraction_bits) - 1);
    uint64_t exponent = bits >> f.fraction_bits & exponent_mask(f);
    bool negative = (bits >> (f.fraction_bits + f.exponent_bits) & 1) != 0;
    if (exponent == exponent_mask(f)) {
        o->nan |= fraction != 0;
        o->minus |= fraction == 0 && negative;
        o->plus |= fraction == 0 && !negative;
        return;
    }
    uint64_t significand = exponent == 0 ? fraction : fraction + ((uint64_t)1 << f.fraction_bits);
    int shift = unit(f) - unit(format_of(o->node)) + (exponent == 0 ? 0 : (int)exponent - 1);
    mpz_set_ui(o->scratch[0], significand);
    mpz_mul_2exp(o->scratch[0], o->scratch[0], (mp_bitcnt_t)shift);
    if (negative)
        mpz_sub(o->sum, o->sum, o->scratch[0]);
    else
        mpz_add(o->sum, o->sum, o->scratch[0]);
}

void oracle_add(struct oracle *o, enum dtype from, uint64_t bits)
{
    if (dtype_is_float(from)) {
        add_float(o, from, bits);
        return;
    }
    mpz_set_si(o->scratch[0], from == DTYPE_I32 ? (int32_t)(uint32_t)bits : (int64_t)bits);
    mpz_add(o->sum, o->sum, o->scratch[0]);
}

/* quotient = numerator / divisor of non-negative numbers, to nearest, ties to even. */
static void divide(struct oracle *o, mpz_t quotient, const mpz_t numerator, const mpz_t divisor)
{
    mpz_tdiv_qr(quotient, o->scratch[3], numerator, divisor);
    mpz_mul_2exp(o->scratch[3], o->scratch[3], 1);
    int compared = mpz_cmp(o->scratch[3], divisor);
    if (compared > 0 || (compared == 0 && mpz_odd_p(quotient)))
        mpz_add_ui(quotient, quotient, 1);
}

/* |sum| / n in units of 2^place, to nearest: the smallest place that leaves the precision. */
static int round_magnitude(struct oracle *o, mpz_t quotient, uint64_t n, int precision)
{
    mpz_ptr size = o->scratch[0];
    mpz_ptr divisor = o->scratch[1];
    mpz_abs(size, o->sum);
    int place = (int)mpz_sizeinbase(size, 2) - (64 - __builtin_clzll(n)) - precision - 1;
    for (place = place < 0 ? 0 : place;; place++) {
        mpz_set_ui(divisor, n);
        mpz_mul_2exp(divisor, divisor, (mp_bitcnt_t)place + (mp_bitcnt_t)precision);
        if (mpz_cmp(size, divisor) < 0)
            break;
    }
    mpz_tdiv_q_2exp(divisor, divisor, (mp_bitcnt_t)precision);
    divide(o, quotient, size, divisor);
    /* Rounded up to the next power of two: the same number, one place higher. */
    if (mpz_sizeinbase(quotient, 2) > (size_t)precision) {
        mpz_tdiv_q_2exp(quotient, quotient, 1);
        place++;
    }
    return place;
}

static uint64_t round_finite(struct oracle *o, struct format f, uint64_t n)
{
    mpz_ptr quotient = o->scratch[2];
    int place = round_magnitude(o, quotient, n, f.fraction_bits + 1);
    if (mpz_sgn(quotient) == 0)
        return 0;
    uint64_t sign = (uint64_t)(mpz_sgn(o->sum) < 0) << (f.fraction_bits + f.exponent_bits);
    uint64_t significand = mpz_get_ui(quotient);
    uint64_t implicit = (uint64_t)1 << f.fraction_bits;
    uint64_t exponent = significand < implicit ? 0 : (uint64_t)place + 1;
    if (exponent >= exponent_mask(f))
        return format_infinity(f) | sign;
    return (significand & (implicit - 1)) | exponent << f.fraction_bits | sign;
}

static uint64_t round_float(struct oracle *o, uint64_t n)
{
    struct format f = format_of(o->node);
    if (o->nan || (o->plus && o->minus))
        return format_nan(f);
    uint64_t minus = (uint64_t)o->minus << (f.fraction_bits + f.exponent_bits);
    if (o->plus || o->minus)
        return format_infinity(f) | minus;
    return round_finite(o, f, n);
}

static uint64_t round_integer(struct oracle *o, uint64_t n, bool *in_range)
{
    mpz_ptr quotient = o->scratch[2];
    mpz_set_ui(o->scratch[1], n);
    mpz_abs(o->scratch[0], o->sum);
    divide(o, quotient, o->scratch[0], o->scratch[1]);
    if (mpz_sgn(o->sum) < 0)
        mpz_neg(quotient, quotient);
    mpz_set_si(o->scratch[0], o->node == DTYPE_I32 ? INT32_MIN : INT64_MIN);
    mpz_set_si(o->scratch[1], o->node == DTYPE_I32 ? INT32_MAX : INT64_MAX);
    *in_range = mpz_cmp(quotient, o->scratch[0]) >= 0 && mpz_cmp(quotient, o->scratch[1]) <= 0;
    if (!*in_range)
        return 0;
    uint64_t bits = (uint64_t)mpz_get_si(quotient);
    return o->node == DTYPE_I32 ? bits & UINT32_MAX : bits;
}

uint64_t oracle_round(struct oracle *o, uint64_t n, bool *in_range)
{
    *in_range = true;
    return dtype_is_float(o->node) ? round_float(o, n) : round_integer(o, n, in_range);
}

uint64_t bits_load(enum dtype dtype, const unsigned char *data, uint64_t i)
{
    size_t size = dtype_size(dtype);
    uint64_t bits = 0;
    memcpy(&bits, data + i * size, size);
    return bits;
}

void bits_store(enum dtype dtype, unsigned char *data, uint64_t i, uint64_t bits)
{
    size_t size = dtype_size(dtype);
    memcpy(data + i * size, &bits, size);
}
