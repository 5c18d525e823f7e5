#!/usr/bin/python3
"""Compares the exact mean of client/examples/mean.c with rational arithmetic.

usage: demo_mean_test.py BUILD_DIR [SEED]

The single-process training of the demo is only worth something as a comparison if its mean is the
correctly rounded one. Here it is checked against fractions.Fraction, on random sets of many kinds.
"""

import random
import struct
import subprocess
import sys
from fractions import Fraction

SETS_PER_KIND = 2500
INFINITY = 0x7F800000


def value_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def bits_of(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def exponent_of(magnitude):
    """The e with 2^e <= magnitude < 2^(e + 1)."""
    e = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return e if magnitude >= Fraction(2) ** e else e - 1


def rounded(exact):
    """Bits of the f32 nearest to a fraction, ties to even; zero is +0."""
    if exact == 0:
        return 0
    sign = 0x80000000 if exact < 0 else 0
    magnitude = abs(exact)
    quantum = max(exponent_of(magnitude) - 23, -149)
    digits = round(magnitude / Fraction(2) ** quantum)  # Fraction rounds half to even
    if digits == 0:
        return 0
    if digits * Fraction(2) ** quantum >= Fraction(2) ** 128:
        return sign | INFINITY
    return sign | bits_of(float(digits * Fraction(2) ** quantum))


def finite_bits(rng):
    while True:
        bits = rng.getrandbits(32)
        if bits & INFINITY != INFINITY:
            return bits


def gaussian(rng):
    return [bits_of(rng.gauss(0, 1)) for _ in range(rng.choice((1, 2, 3, 4, 7, 64)))]


def spread(rng):
    return [bits_of(rng.gauss(0, 1) * 2.0 ** rng.randint(-70, 0)) for _ in range(4)]


def arbitrary(rng):
    return [finite_bits(rng) for _ in range(rng.choice((1, 2, 3, 4, 5, 11)))]


def subnormal(rng):
    return [rng.getrandbits(24) | rng.getrandbits(1) << 31 for _ in range(rng.randint(1, 6))]


def tiny(rng):
    return [rng.getrandbits(2) | rng.getrandbits(1) << 31 for _ in range(rng.randint(1, 6))]


def largest(rng):
    return [0x7F7FFFFF - rng.getrandbits(1) | (rng.random() < 0.1) << 31 for _ in range(4)]


def near_tie(rng):
    """x + half a unit of x in the last place, and something far below that tips it, or not."""
    one = bits_of(rng.uniform(1, 2))
    half = bits_of(2.0 ** -24)
    tip = bits_of(rng.choice((-1, 0, 1)) * 2.0 ** rng.randint(-120, -60))
    four = [one, half, tip, 0]
    sign = rng.getrandbits(1) << 31
    return [bits ^ sign for bits in rng.sample(four, 4)]


def cancelling(rng):
    big = finite_bits(rng)
    return rng.sample([big, big ^ 0x80000000, finite_bits(rng), 0x80000000], 4)


KINDS = (gaussian, spread, arbitrary, subnormal, tiny, largest, near_tie, cancelling)


def check(program, kind, seed):
    rng = random.Random(seed)
    sets = [kind(rng) for _ in range(SETS_PER_KIND)]
    lines = "".join(" ".join(f"{bits:08x}" for bits in s) + "\n" for s in sets)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, timeout=120,
                          check=True)
    answers = [int(line, 16) for line in done.stdout.split()]
    assert len(answers) == len(sets), f"{len(answers)} answers to {len(sets)} questions"
    for given, answer in zip(sets, answers):
        want = rounded(sum(Fraction(value_of(bits)) for bits in given) / len(given))
        if answer != want:
            shown = " ".join(f"{bits:08x}" for bits in given)
            return f"mean of {shown}: {answer:08x}, exactly rounded it is {want:08x}"
    return None


def main():
    program = f"{sys.argv[1]}/bin/mean_filter"
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    failed = 0
    for kind in KINDS:
        wrong = check(program, kind, seed)
        failed += wrong is not None
        print(f"{'not ok' if wrong else 'ok'} - mean of {SETS_PER_KIND} {kind.__name__} sets"
              + (f" (seed {seed}): {wrong}" if wrong else ""))
    print(f"{len(KINDS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
