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
