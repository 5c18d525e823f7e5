"""The client's own tools against fixed vectors and other implementations: no server needed."""

import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
from fractions import Fraction

import exact
import wire
from protobuf import DecodeError
from xxh3 import xxh3_64

XXH3_VECTORS = {
    0: 0x2D06800538D394C2,
    1: 0xC44BDFF4074EECDB,
    3: 0x3698B80191E625F9,
    4: 0x2E4AC2F1C52157FC,
    8: 0x60E1BAA91347A1F2,
    9: 0x9C88FC32C37B56CB,
    16: 0xF9FBD0260BA978DF,
    17: 0xC56F339D36CC73D7,
    64: 0xEF5426B31747DB78,
    127: 0xB0CBDB17B0CFF4E1,
    128: 0x31CCF8DEC850D035,
    129: 0xC72AF4C6AC4DEA94,
    240: 0xE315D53D5129EEDE,
    241: 0x18773C512B008A63,
    512: 0xBB5563FC39C8D42D,
    1023: 0x2D05BD6EA544A161,
    1024: 0xB98390FE40B54BD9,
    1025: 0x45DD8FE938658A1C,
    1088: 0xC4809FB4AE1B2039,
    2048: 0x424C29FC514389F5,
    4999: 0xFA464C6B38290F54,
}
PROTO_TYPES = {"enum": "uint32"}


def schema_text():
    """The schema in protoc's language, enums as the numbers that they are on the wire."""
    lines = ['syntax = "proto2";', "package gradfold.v1;"]
    for kind, fields in wire.SCHEMA.by_name.items():
        lines.append(f"message {kind} {{")
        for f in fields.values():
            label = "repeated" if f.repeated else "optional"
            packed = " [packed=true]" if f.packed else ""
            kind_name = PROTO_TYPES.get(f.kind, f.kind)
            lines.append(f"  {label} {kind_name} {f.name} = {f.number}{packed};")
        lines.append("}")
    return "\n".join(lines)


class Xxh3(unittest.TestCase):
    def test_agrees_with_the_vectors_of_libxxhash(self):
        data = bytes(i * 31 + i // 251 * 7 & 255 for i in range(5000))
        for size, digest in XXH3_VECTORS.items():
            self.assertEqual(xxh3_64(data[:size]), digest, size)


class Codec(unittest.TestCase):
    def sample(self):
        node = wire.node(wire.F64, [3, 0, 1 << 63], name="w.é", requires_grad=False, expected=7)
        spec = wire.new(
            "JobSpec",
            name="job",
            nodes=[node, wire.node(wire.I32)],
            world_size=4,
            quorum=3,
            grace_ms=1 << 40,
            reduction=wire.MEAN,
            retain_rounds=9,
        )
        return wire.new("Request", id=(1 << 64) - 1, create_job=wire.new("CreateJob", spec=spec))

    def test_what_is_encoded_is_decoded(self):
        request = self.sample()
        again = wire.SCHEMA.decode("Request", request.encode())
        self.assertEqual(again.create_job.spec.nodes[0], request.create_job.spec.nodes[0])
        self.assertEqual(again.encode(), request.encode())

    def test_absent_fields_read_as_their_defaults(self):
        spec = wire.SCHEMA.decode("JobSpec", b"")
        self.assertEqual((spec.reduction, spec.retain_rounds, spec.world_size), (1, 2, 0))
        self.assertTrue(wire.SCHEMA.decode("Node", b"").requires_grad)

    def test_the_decoder_refuses_what_the_contract_does_not_list(self):
        for data in (b"\x58\x01", b"\x0a\x01x", b"\x08", b"\x12\x05a", b"\x08" + b"\xff" * 11):
            with self.assertRaises(DecodeError):
                wire.SCHEMA.decode("Response", data)

    @unittest.skipUnless(shutil.which("protoc"), "protoc is not installed")
    def test_protoc_reads_and_writes_the_same_bytes(self):
        push = wire.new(
            "Push",
            job="j",
            round=0,
            worker=3,
            sequence=1 << 63,
            final=True,
            body_checksum=0x0123456789ABCDEF,
            contributions=[wire.new("Contribution", node=2, dtype=1, shape=[2, 300])],
        )
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "w.proto"), "w", encoding="utf-8") as file:
                file.write(schema_text())
            for request in (self.sample(), wire.new("Request", id=1, push=push)):

                def protoc(mode, data):
                    return subprocess.run(
                        ["protoc", f"--{mode}=gradfold.v1.Request", "-I", folder, "w.proto"],
                        input=data,
                        stdout=subprocess.PIPE,
                        check=True,
                    ).stdout

                self.assertEqual(
                    protoc("encode", protoc("decode", request.encode())), request.encode()
                )


class Rounding(unittest.TestCase):
    def test_f32_f16_f64_agree_with_the_machine(self):
        rng = random.Random(7)
        for dtype, letter in ((wire.F32, "f"), (wire.F16, "e"), (wire.F64, "d")):
            size = wire.ITEM_BYTES[dtype]
            for _ in range(2000):
                bits = rng.getrandbits(8 * size)
                value = struct.unpack("<" + letter, bits.to_bytes(size, "little"))[0]
                if value != value or value in (float("inf"), float("-inf")) or value == 0:
                    continue
                self.assertEqual(exact.round_bits(dtype, Fraction(value)), bits)
                middle = rng.uniform(0.5, 2) * 2.0 ** rng.randrange(-30, 15)
                want = int.from_bytes(struct.pack("<" + letter, middle), "little")
                self.assertEqual(exact.round_bits(dtype, Fraction(middle)), want)

    def test_overflow_is_the_infinity_and_underflow_is_plus_zero(self):
        self.assertEqual(exact.round_bits(wire.F32, Fraction(2) ** 128), 0x7F800000)
        self.assertEqual(exact.round_bits(wire.F32, -Fraction(2) ** 128), 0xFF800000)
        self.assertEqual(exact.round_bits(wire.F16, 65520), 0x7C00)
        self.assertEqual(exact.round_bits(wire.F16, 65519), 0x7BFF)
        self.assertEqual(exact.round_bits(wire.F32, -Fraction(1, 2**151)), 0)
        self.assertEqual(exact.round_bits(wire.BF16, Fraction(1) + Fraction(1, 256)), 0x3F80)

    def test_integers_divide_to_nearest_ties_to_even(self):
        columns = [[1, 2], [3, 4], [-1, 0], [2**31 - 1, 2**31 - 1]]
        means = exact.unpack(wire.I32, exact.expected_bytes(wire.I32, columns, wire.MEAN))
        self.assertEqual(means, [2, 4, 0, 2**31 - 1])


if __name__ == "__main__":
    unittest.main()
