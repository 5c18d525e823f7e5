"""The oracle of the sums: exact rationals, rounded once to nearest, ties to even.

Also the packing of values by dtype.
"""

import struct
from fractions import Fraction

from wire import BF16, F16, F32, F64, I32, I64, MEAN

# dtype: (precision in bits, exponent of the smallest subnormal, largest
# finite exponent, unsigned format)
FORMATS = {
    F32: (24, -149, 127, "I"),
    F64: (53, -1074, 1023, "Q"),
    F16: (11, -24, 15, "H"),
    BF16: (8, -133, 127, "H"),
}
PYTHON = {F32: "f", F64: "d", F16: "e", I32: "i", I64: "q"}


def pack(dtype, values):
    """Little-endian bytes of values; those of a BF16 must be exact in it."""
    if dtype == BF16:
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{PYTHON[dtype]}", *values)


def unpack(dtype, data):
    if dtype == BF16:
        return [struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, len(data), 2)]
    size = struct.calcsize(PYTHON[dtype])
    return list(struct.unpack(f"<{len(data) // size}{PYTHON[dtype]}", bytes(data)))


def nearest(value):
    """The integer nearest to a rational, ties to even."""
    return round(value)


def round_bits(dtype, value):
    """The bit pattern of the nearest value of a float dtype; zero is +0, overflow the infinity."""
    precision, lowest, highest, _ = FORMATS[dtype]
    value = Fraction(value)
    if value == 0:
        return 0
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    unit = max(exponent - precision + 1, lowest)
    mantissa = nearest(size / Fraction(2) ** unit)
    if mantissa == 0:
        return 0
    # the bit pattern counts the units from the smallest subnormal on, so a
    # carry does the right thing
    pattern = mantissa + (unit - lowest << precision - 1)
    infinity = (highest * 2 + 1) << precision - 1
    sign_at = precision - 1 + (highest * 2 + 1).bit_length()
    return min(pattern, infinity) | (1 << sign_at if value < 0 else 0)


def expected_bytes(dtype, columns, reduction=1):
    """What a pull must hold: columns[i] lists every contribution to element i."""
    patterns, letter = [], FORMATS[dtype][3] if dtype in FORMATS else PYTHON[dtype]
    for column in columns:
        total = sum(map(Fraction, column), Fraction(0))
        if reduction == MEAN and column:
            total /= len(column)
        patterns.append(round_bits(dtype, total) if dtype in FORMATS else nearest(total))
    return struct.pack(f"<{len(patterns)}{letter}", *patterns)
