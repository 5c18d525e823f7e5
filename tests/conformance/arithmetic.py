"""The elements of a tensor as exact numbers: what is added, and how a sum becomes bits.

A finite value is an int or a Fraction, never rounded; what is not finite is one of INF, -INF, NAN.
Rounding is that of tests/integration/exact.py: rationals, to nearest, ties to even, once.
"""

import struct
from fractions import Fraction

import exact
from wire import BF16, EXACT, F16, F32, F64, I32, I64, IN_ORDER, MEAN

INF, NAN = float("inf"), float("nan")
OUT = "out of range"  # the sum of an IN_ORDER node, once a step has left the integer's range

FLOATS = (F32, F64, F16, BF16)
INTEGER_BITS = {I32: 32, I64: 64}
PATTERN = {F32: "I", F64: "Q", F16: "H", BF16: "H", I32: "i", I64: "q"}
INFINITY = {F32: 0x7F800000, F64: 0x7FF << 52, F16: 0x7C00, BF16: 0x7F80}
CANONICAL_NAN = {F32: 0x7FC00000, F64: 0x7FF8 << 48, F16: 0x7E00, BF16: 0x7FC0}
SIGN = {F32: 1 << 31, F64: 1 << 63, F16: 1 << 15, BF16: 1 << 15}


def finite(x):
    return not isinstance(x, float)


def number(x):
    """A float as it is written down here."""
    if x != x:
        return NAN
    if x in (INF, -INF):
        return x
    return int(x) if x.is_integer() else Fraction(x)


def elements(dtype, data):
    """The numbers that the bytes of a tensor are."""
    values = exact.unpack(dtype, data)
    return tuple(values if dtype in INTEGER_BITS else map(number, values))


def exact_add(a, b):
    """The real sum. Not finite: an infinity stays, two of them that differ are NaN."""
    if finite(a) and finite(b):
        return a + b
    return number((0.0 if finite(a) else a) + (0.0 if finite(b) else b))


def in_range(dtype, x):
    return -(1 << INTEGER_BITS[dtype] - 1) <= x < 1 << INTEGER_BITS[dtype] - 1


def pattern(dtype, x):
    """The bits of the value of a float dtype that is nearest to x; zero is +0."""
    if finite(x):
        return exact.round_bits(dtype, x)
    if x != x:
        return CANONICAL_NAN[dtype]
    return INFINITY[dtype] | (SIGN[dtype] if x < 0 else 0)


def rounded(dtype, x):
    """The number that is left of x in this dtype."""
    return elements(dtype, struct.pack("<" + PATTERN[dtype], pattern(dtype, x)))[0]


def in_order(dtype):
    """The addition of the dtype itself: each sum is rounded."""

    def add(a, b):
        if OUT in (a, b):
            return OUT
        total = exact_add(a, b)
        if dtype in FLOATS:
            return rounded(dtype, total)
        return total if in_range(dtype, total) else OUT

    return add


def exactly(dtype):
    return exact_add


ADDITION = {EXACT: exactly, IN_ORDER: in_order}


def read_out(slot, reduction):
    """The bytes of a slot of the array, rounded once; OUT when an integer sum does not fit."""
    patterns, dtype = [], slot.dtype
    for x in slot.elements:
        if x is OUT:
            return OUT
        if reduction == MEAN and slot.contributions > 0 and finite(x):
            x = Fraction(x) / slot.contributions
        if dtype in INTEGER_BITS:
            x = exact.nearest(x)
            if not in_range(dtype, x):
                return OUT
        patterns.append(pattern(dtype, x) if dtype in FLOATS else x)
    return struct.pack(f"<{len(patterns)}{PATTERN[dtype]}", *patterns)
