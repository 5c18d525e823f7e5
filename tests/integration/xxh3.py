"""XXH3-64 (seed 0, the default secret) in plain Python, for the body checksum of a push.

Slow (about 1 MB/s) and independent of libxxhash, which is the point: the server's checksum is
compared with something that shares no code with it. The vectors in test_codec.py are libxxhash's.
"""

MASK64 = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
PMX1, PMX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

STRIPE, ACC_LANES, CONSUME = 64, 8, 8
ACC_START = (P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1)


def _u32(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def _u64(data, at):
    return int.from_bytes(data[at : at + 8], "little")


def _fold(a, b):
    """The two halves of the 128-bit product, xored."""
    product = a * b
    return (product & MASK64) ^ (product >> 64)


def _avalanche(h):
    h ^= h >> 37
    h = h * PMX1 & MASK64
    return h ^ (h >> 32)


def _avalanche_xxh64(h):
    h ^= h >> 33
    h = h * P64_2 & MASK64
    h ^= h >> 29
    h = h * P64_3 & MASK64
    return h ^ (h >> 32)


def _mix16(data, at, secret_at):
    return _fold(
        _u64(data, at) ^ _u64(SECRET, secret_at), _u64(data, at + 8) ^ _u64(SECRET, secret_at + 8)
    )


def _upto16(data):
    n = len(data)
    if n > 8:
        low = _u64(data, 0) ^ _u64(SECRET, 24) ^ _u64(SECRET, 32)
        high = _u64(data, n - 8) ^ _u64(SECRET, 40) ^ _u64(SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche((n + swapped + high + _fold(low, high)) & MASK64)
    if n >= 4:
        both = _u32(data, n - 4) | _u32(data, 0) << 32
        h = both ^ _u64(SECRET, 8) ^ _u64(SECRET, 16)
        h ^= ((h << 49 | h >> 15) ^ (h << 24 | h >> 40)) & MASK64
        h = h * PMX2 & MASK64
        h ^= (h >> 35) + n
        h = h * PMX2 & MASK64
        return h ^ (h >> 28)
    if n:
        combined = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return _avalanche_xxh64(combined ^ _u32(SECRET, 0) ^ _u32(SECRET, 4))
    return _avalanche_xxh64(_u64(SECRET, 56) ^ _u64(SECRET, 64))


def _upto128(data):
    n = len(data)
    h = n * P64_1
    for i in range((n - 1) // 32, -1, -1):
        h += _mix16(data, 16 * i, 32 * i) + _mix16(data, n - 16 * (i + 1), 32 * i + 16)
    return _avalanche(h & MASK64)


def _upto240(data):
    n = len(data)
    h = n * P64_1 + sum(_mix16(data, 16 * i, 16 * i) for i in range(8))
    h = _avalanche(h & MASK64)
    h += sum(_mix16(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16))
    return _avalanche((h + _mix16(data, n - 16, 136 - 17)) & MASK64)


def _accumulate(acc, data, at, secret_at):
    for i in range(ACC_LANES):
        value = _u64(data, at + 8 * i)
        key = value ^ _u64(SECRET, secret_at + 8 * i)
        acc[i ^ 1] = (acc[i ^ 1] + value) & MASK64
        acc[i] = (acc[i] + (key & 0xFFFFFFFF) * (key >> 32)) & MASK64


def _scramble(acc):
    for i in range(ACC_LANES):
        value = acc[i] ^ (acc[i] >> 47) ^ _u64(SECRET, len(SECRET) - STRIPE + 8 * i)
        acc[i] = value * P32_1 & MASK64


def _long(data):
    n, acc = len(data), list(ACC_START)
    per_block = (len(SECRET) - STRIPE) // CONSUME
    blocks = (n - 1) // (STRIPE * per_block)
    for block in range(blocks):
        for stripe in range(per_block):
            _accumulate(acc, data, (block * per_block + stripe) * STRIPE, stripe * CONSUME)
        _scramble(acc)
    start = blocks * per_block * STRIPE
    for stripe in range((n - 1 - start) // STRIPE):
        _accumulate(acc, data, start + stripe * STRIPE, stripe * CONSUME)
    _accumulate(acc, data, n - STRIPE, len(SECRET) - STRIPE - 7)
    h = n * P64_1
    for i in range(4):
        h += _fold(
            acc[2 * i] ^ _u64(SECRET, 11 + 16 * i), acc[2 * i + 1] ^ _u64(SECRET, 19 + 16 * i)
        )
    return _avalanche(h & MASK64)


def xxh3_64(data):
    """The 64-bit XXH3 of bytes of any length."""
    data = bytes(data)
    if len(data) <= 16:
        return _upto16(data)
    if len(data) <= 128:
        return _upto128(data)
    return _upto240(data) if len(data) <= 240 else _long(data)
