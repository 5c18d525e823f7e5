#include "fold/wide.h"

#include <stdbool.h>
#include <string.h>

#include "base/must.h"
#include "fold/words.h"

enum {
    FRACTION_BITS = 52,
    FIRST_UNIT = -1074,
    FRACTION_WORDS = 2
};

__extension__ typedef unsigned __int128 u128;

struct wide_format wide_format(enum dtype node)
{
    struct wide_format f64 = {.words = WIDE_WORDS_MAX, .unit = FIRST_UNIT};
    struct wide_format others = {.words = PLANE_WORDS, .unit = -149};
    return node == DTYPE_F64 ? f64 : others;
}

/* words += (high, low) · 2^(64 · at), or -= */
static void add_pair(uint64_t *words, unsigned n_words, unsigned at, uint64_t low, uint64_t high)
{
    uint64_t carry = __builtin_add_overflow(words[at], low, &words[at]);
    for (unsigned i = at + 1; i < n_words && (high | carry) != 0; i++) {
        u128 sum = (u128)words[i] + high + carry;
        words[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
        high = 0;
    }
}

static void subtract_pair(uint64_t *words, unsigned n_words, unsigned at, uint64_t low,
                          uint64_t high)
{
    uint64_t borrow = __builtin_sub_overflow(words[at], low, &words[at]);
    for (unsigned i = at + 1; i < n_words && (high | borrow) != 0; i++) {
        u128 difference = (u128)words[i] - high - borrow;
        words[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
        high = 0;
    }
}

void wide_add(uint64_t *words, struct wide_format format, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> FRACTION_BITS & 0x7ff);
    must_debug(exponent != 0x7ff);
    uint64_t m = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    if (exponent > 0)
        m |= (uint64_t)1 << FRACTION_BITS;
    else
        exponent = 1;
    if (m == 0)
        return;
    int position = exponent - 1 + FIRST_UNIT - format.unit;
    if (position < 0) {
        must_debug(position > -64 && (m & (((uint64_t)1 << -position) - 1)) == 0);
        m >>= -position;
        position = 0;
    }
    u128 shifted = (u128)m << (position % 64);
    unsigned at = (unsigned)position / 64;
    if (bits >> 63 != 0)
        subtract_pair(words, format.words, at, (uint64_t)shifted, (uint64_t)(shifted >> 64));
    else
        add_pair(words, format.words, at, (uint64_t)shifted, (uint64_t)(shifted >> 64));
}

/* |words| into magnitude; true when it was negative. */
static bool take_magnitude(const uint64_t *words, unsigned n_words, uint64_t *magnitude)
{
    bool negative = words[n_words - 1] >> 63 != 0;
    uint64_t flip = negative ? UINT64_MAX : 0;
    uint64_t carry = negative;
    for (unsigned i = 0; i < n_words; i++)
        carry = __builtin_add_overflow(words[i] ^ flip, carry, &magnitude[i]);
    return negative;
}

/* (q + something below its last bit that is not zero, if that is set) · 2^unit as a double. The top
 * bit of q is set, so the last one is far below the double's and may stand for all that is cut off.
 */
static double round_top(uint64_t q, bool inexact, int unit, enum rounding rounding)
{
    const uint64_t half = (uint64_t)1 << 63;
    q |= inexact;
    int cut = 64 - (FRACTION_BITS + 1);
    if (unit + cut < FIRST_UNIT)
        cut = FIRST_UNIT - unit;
    if (cut > 64)
        return 0.0;
    uint64_t keep = cut == 64 ? 0 : q >> cut;
    uint64_t rest = cut == 64 ? q : q << (64 - cut);
    if (rounding == ROUND_ODD)
        keep |= rest != 0;
    else
        keep += rest > half || (rest == half && (keep & 1) != 0);
    /* keep holds the implicit bit, or, when rounding carried, twice it: both add up to the
     * exponent. */
    uint64_t bits = (uint64_t)(unit + cut - FIRST_UNIT) << FRACTION_BITS;
    bits += keep;
    const uint64_t infinity = (uint64_t)0x7ff << FRACTION_BITS;
    if (unit + cut - FIRST_UNIT >= 0x7ff || bits > infinity)
        bits = infinity;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

double wide_quotient(const uint64_t *words, struct wide_format format, uint64_t n,
                     enum rounding rounding)
{
    uint64_t m[FRACTION_WORDS + WIDE_WORDS_MAX] = {0}; /* the fraction's words first */
    bool negative = take_magnitude(words, format.words, m + FRACTION_WORDS);
    unsigned n_words = FRACTION_WORDS + format.words;
    bool inexact = n > 1 && words_divide(m, n_words, n) != 0;
    unsigned top = n_words;
    while (top > 0 && m[top - 1] == 0)
        top--;
    if (top == 0)
        return 0.0;
    top--;
    int shift = __builtin_clzll(m[top]);
    uint64_t q = m[top] << shift;
    if (top > 0) {
        q |= shift == 0 ? 0 : m[top - 1] >> (64 - shift);
        inexact |= m[top - 1] << shift != 0;
    }
    for (unsigned i = 0; i + 1 < top; i++)
        inexact |= m[i] != 0;
    int unit = format.unit + 64 * ((int)top - FRACTION_WORDS) - shift;
    double x = round_top(q, inexact, unit, rounding);
    return negative && x != 0 ? -x : x;
}
