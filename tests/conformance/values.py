"""Tensors that are hard to add: subnormals, ties, cancellations, overflow, what is not finite."""

import struct

from arithmetic import FLOATS, INFINITY, INTEGER_BITS, PATTERN, SIGN
from exact import FORMATS


def integer(rng, dtype):
    bits = INTEGER_BITS[dtype]
    if rng.random() < 0.5:
        return rng.randint(-100, 100)
    limit = 1 << bits - 1
    if rng.random() < 0.5:
        return rng.choice((limit - 1, -limit, limit - 2, 1 - limit, limit // 2, -(limit // 2)))
    return rng.randrange(-limit, limit)


def not_finite(rng, dtype):
    """An infinity or a NaN, quiet or signalling."""
    sign = rng.choice((0, SIGN[dtype]))
    payload = 0 if rng.random() < 0.6 else rng.randrange(1, 1 << FORMATS[dtype][0] - 1)
    return INFINITY[dtype] | sign | payload


def near(rng, dtype, other):
    """A pattern that makes trouble beside `other`: its negative, half of its last place, the value
    next to it."""
    precision = FORMATS[dtype][0]
    how = rng.random()
    if how < 0.4:
        return other ^ SIGN[dtype]
    if how < 0.8:  # a power of two, `precision` below: a tie; one more: less than a tie
        exponent = ((other & ~SIGN[dtype]) >> precision - 1) - precision + rng.choice((0, 0, 1, -1))
        tie = exponent << precision - 1 if exponent > 0 else 1
        return tie | (SIGN[dtype] if rng.random() < 0.5 else 0)
    return min(other & ~SIGN[dtype], INFINITY[dtype] - 2) + 1 | (other & SIGN[dtype])


def pattern(rng, dtype, pool):
    precision, infinity = FORMATS[dtype][0], INFINITY[dtype]
    how = rng.random()
    if pool and how < 0.4:
        return near(rng, dtype, rng.choice(pool))
    sign = SIGN[dtype] if rng.random() < 0.5 else 0
    if how < 0.5:  # subnormal, or 0 with a sign
        return sign | rng.choice((0, 1, 2, rng.randrange(1 << precision - 1)))
    if how < 0.57:  # so large that two of them may be too large
        return sign | infinity - 1 - rng.choice((0, 1, rng.randrange(1 << precision)))
    if how < 0.65:
        return sign | rng.randrange(infinity)  # of any size
    one = (infinity >> precision) << precision - 1  # the exponent of 1.0, about
    return sign | one + rng.randrange(-3 << precision - 1, 3 << precision - 1)


def data(rng, dtype, count, pools, specials=0.0):
    """The bytes of a tensor. pools: patterns by dtype that were used before, to be added to."""
    if dtype not in PATTERN:  # nobody knows its elements' size
        return bytes(rng.randrange(9))
    if dtype not in FLOATS:
        numbers = [integer(rng, dtype) for _ in range(count)]
        return struct.pack(f"<{count}{PATTERN[dtype]}", *numbers)
    pool, patterns = pools.setdefault(dtype, []), []
    for _ in range(count):
        if specials and rng.random() < specials:
            patterns.append(not_finite(rng, dtype))
            continue
        patterns.append(pattern(rng, dtype, pool))
        if len(pool) < 8:
            pool.append(patterns[-1])
    return struct.pack(f"<{count}{PATTERN[dtype]}", *patterns)


def alike(rng, dtype, count):
    """Scalars, nearly all of one sign and binade, their fraction all ones, so that an integer that
    adds them up is filled fastest; the last of 32 binades, which fill a plane first (NUMERICS.md),
    as often as all others. The largest and the smallest value beside them make a sum need it."""
    if dtype not in FLOATS:
        return [struct.pack(f"<{PATTERN[dtype]}", integer(rng, dtype)) for _ in range(count)]
    precision, infinity = FORMATS[dtype][0], INFINITY[dtype]
    exponents = infinity >> precision - 1
    last = list(range(32, exponents, 32)) or [exponents - 1]
    exponent = rng.choice(last) if rng.random() < 0.5 else rng.randrange(1, exponents)
    sign, ones = rng.choice((0, SIGN[dtype])), (1 << precision - 1) - 1
    patterns = [sign | exponent << precision - 1 | ones] * count
    patterns[0], patterns[2], patterns[-1] = infinity - 1, 1, SIGN[dtype] | infinity - 1
    return [struct.pack(f"<{PATTERN[dtype]}", p) for p in patterns]
