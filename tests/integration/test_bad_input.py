"""Bad input: each with a clear answer, nothing lost, and the server goes on serving others."""

import random
import unittest

import wire
from case import ServerCase, push_message, tensor
from protobuf import bytes_field, varint
from wire import F32, INVALID_ARGUMENT, MALFORMED, OK, PREFIX, SHAPE_MISMATCH, TOO_LARGE, node

MAX_BODY = 1 << 20


class BadInput(ServerCase):
    OPTIONS = ("--max-body-bytes", str(MAX_BODY))

    def setUp(self):
        super().setUp()
        self.witness = self.vector_job(2)
        self.accept(self.witness, [tensor(0, [1, 2])])

    def tearDown(self):
        """Whatever happened, nothing accepted is lost and the first connection works."""
        self.accept(self.witness, [tensor(0, [10, 20])])
        self.assertEqual(self.close_and_pull(self.witness), [[11, 22]])
        self.conn.call("delete_job", job=self.witness)

    def raw(self, data):
        conn = self.connect()
        conn.send_raw(data)
        return conn

    # -- frames after which the connection cannot go on -----------------------------------------

    def test_wrong_magic(self):
        for magic in (b"GFD2", b"gfd1", b"HTTP", b"\0\0\0\0", b"1DFG"):
            self.expect_broken(self.raw(PREFIX.pack(magic, 10, 0) + b"x" * 10), MALFORMED)

    def test_an_http_request(self):
        self.expect_broken(self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), MALFORMED)

    def test_an_empty_header(self):
        self.expect_broken(self.raw(PREFIX.pack(wire.MAGIC, 0, 0)), MALFORMED)

    def test_header_length_beyond_the_limit(self):
        for size in (wire.HEADER_MAX + 1, 1 << 31, 0xFFFFFFFF):
            self.expect_broken(self.raw(PREFIX.pack(wire.MAGIC, size, 0)), TOO_LARGE)

    def test_body_length_beyond_the_limit(self):
        for size in (MAX_BODY + 1, 1 << 32, 1 << 63, (1 << 64) - 1):
            header = wire.request_header("list_jobs", 1)
            self.expect_broken(
                self.raw(PREFIX.pack(wire.MAGIC, len(header), size) + header), TOO_LARGE
            )

    def test_the_answer_survives_data_that_is_still_on_its_way(self):
        conn = self.connect()
        conn.send_raw(PREFIX.pack(b"JUNK", 1, 1))
        try:
            for _ in range(64):
                conn.send_raw(b"z" * 4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = conn.receive()
        self.assertEqual((reply.id, reply.code), (0, MALFORMED))
        self.assertTrue(conn.ended())

    def test_garbage_after_a_valid_frame(self):
        message, body = push_message(self.witness, [tensor(0, [0, 0])])
        good = wire.frame(wire.request_header("push", 5, message), body)
        for garbage in (b"garbage that is no frame at all", b"\0" * 16, good[1:]):
            conn = self.raw(wire.frame(wire.request_header("list_jobs", 4)) + garbage)
            self.assertEqual(self.expect(conn.receive(), OK).id, 4)
            self.expect_broken(conn, MALFORMED)
        conn = self.raw(good + b"GFD1" + b"\xff" * 12)
        self.assertEqual(self.expect(conn.receive(), OK).id, 5)
        self.expect_broken(conn, TOO_LARGE)

    # -- frames after which it goes on ----------------------------------------------------------

    def refused(self, data, code, id=0):
        """An answer, and the connection stays usable."""
        conn = self.raw(data)
        reply = self.expect(conn.receive(), code)
        self.assertEqual(reply.id, id, reply)
        self.expect_alive(conn)

    def test_a_header_that_is_no_protobuf(self):
        for header in (
            b"\xff",
            b"\x0a",
            b"\x08",
            b"\x3a\x05ab",
            b"\x08\x01\x3a\xff\xff\xff\xff\x0f",
            b"\x07" * 9,
            b"\x08" + b"\xff" * 11,
            bytes(64),
        ):
            self.refused(wire.frame(header), MALFORMED)

    def test_a_header_that_is_no_protobuf_with_a_body(self):
        self.refused(wire.frame(b"\xff\xff\xff", b"x" * 100_000), MALFORMED)

    def test_the_largest_header_of_garbage(self):
        self.refused(wire.frame(b"\xff" * wire.HEADER_MAX, b"y" * 1000), MALFORMED)

    def test_the_largest_header_of_empty_messages_costs_bounded_memory(self):
        before = self.server.memory_bytes()
        for piece in (bytes_field(7, b""), bytes_field(3, b"\x1a\x00"), b"\x18\x01"):
            push = bytes_field(1, self.witness.encode()) + piece * (
                (wire.HEADER_MAX - 500) // len(piece)
            )
            conn = self.raw(wire.frame(varint(8) + varint(1) + bytes_field(7, push)))
            self.assertNotEqual(conn.receive().code, OK)
            self.expect_alive(conn)
        self.assertLess(self.server.memory_bytes() - before, 512 << 20)

    def test_a_header_of_unknown_fields_only(self):
        self.refused(
            wire.frame(varint(1 << 3) + varint(9) + bytes_field(100, b"new")), INVALID_ARGUMENT, 9
        )

    def test_unknown_fields_beside_known_ones_are_skipped(self):
        header = (
            wire.request_header("list_jobs", 3)
            + bytes_field(1000, b"x")
            + varint(999 << 3)
            + b"\x05"
        )
        conn = self.raw(wire.frame(header))
        self.assertEqual(self.expect(conn.receive(), OK).id, 3)

    def test_a_request_without_an_op(self):
        self.refused(wire.frame(varint(1 << 3) + varint(7)), INVALID_ARGUMENT, 7)
        self.refused(wire.frame(varint(1 << 3) + varint(7), b"z" * 70_000), INVALID_ARGUMENT, 7)

    def test_a_body_where_none_belongs(self):
        for op, fields in (
            ("hello", {"protocol": 1}),
            ("list_jobs", {}),
            ("create_job", {}),
            ("describe_job", {"job": self.witness}),
            ("delete_job", {"job": self.witness}),
            ("pull", {"job": self.witness, "round": 0}),
            ("close_round", {"job": self.witness, "round": 0}),
        ):
            for size in (1, 100_000):
                header = wire.request_header(op, 6, **fields)
                self.refused(wire.frame(header, b"b" * size), MALFORMED, 6)
        self.assertEqual(self.rounds(self.witness)[0].state, wire.OPEN)

    def test_strings_that_are_no_utf8_or_hold_a_nul(self):
        for name in (b"\xff\xfe", b"a\0b", b"\xc0\x80"):
            op = bytes_field(4, bytes_field(1, name))
            conn = self.raw(wire.frame(varint(8) + varint(2) + op))
            self.assertIn(conn.receive().code, (MALFORMED, wire.NOT_FOUND, INVALID_ARGUMENT))
            self.expect_alive(conn)

    def test_repeated_numbers_may_come_unpacked(self):
        contribution = b"\x08\x00\x10\x01\x18\x02"  # node 0, F32, shape [2] not packed
        push = (
            bytes_field(1, self.witness.encode())
            + b"\x10\x00\x20\x4d"
            + bytes_field(7, contribution)
        )
        conn = self.raw(
            wire.frame(varint(8) + varint(2) + bytes_field(7, push), tensor(0, [0, 0])[1])
        )
        self.expect(conn.receive(), OK)

    def test_bodies_that_are_truncated_by_the_end_of_the_connection(self):
        message, body = push_message(self.witness, [tensor(0, [5, 5])])
        header = wire.request_header("push", 1, message)
        self.raw(PREFIX.pack(wire.MAGIC, len(header), len(body)) + header + body[:-1]).close()
        self.raw(PREFIX.pack(wire.MAGIC, 500, 0) + b"short").close()

    def test_shape_product_overflow_in_a_push(self):
        for shape in ([1 << 63], [1 << 32, 1 << 32], [1 << 63, 2, 3], [(1 << 64) - 1] * 100):
            self.push(self.witness, [tensor(0, [1, 2], shape=shape)], SHAPE_MISMATCH)

    def test_a_shape_of_a_hundred_thousand_dimensions(self):
        self.push(self.witness, [tensor(0, [1], shape=[1] * 100_000)], SHAPE_MISMATCH)

    def test_duplicate_node_names_and_spec_conflicts(self):
        spec = self.spec([node(F32, [1], name="w"), node(F32, [1], name="w")])
        self.expect(self.conn.call("create_job", spec=spec), INVALID_ARGUMENT)
        other = self.spec([node(F32, [3])], name=self.witness)
        self.expect(self.conn.call("create_job", spec=other), wire.ALREADY_EXISTS)

    def test_the_largest_body_is_read_and_dropped(self):
        header = wire.request_header("list_jobs", 8)
        self.refused(wire.frame(header, b"q" * MAX_BODY), MALFORMED, 8)

    # -- fuzz -----------------------------------------------------------------------------------

    def survive(self, data):
        conn = self.raw(b"")
        try:
            conn.send_raw(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        conn.close()

    def test_random_bytes(self):
        rng = random.Random(20240611)
        for _ in range(int(300 / wire.SCALE)):
            self.survive(rng.randbytes(rng.randrange(1, 300)))
        for _ in range(int(300 / wire.SCALE)):
            junk = rng.randbytes(rng.randrange(1, 200))
            self.survive(wire.frame(junk, rng.randbytes(rng.randrange(50))))
            self.expect_alive(self.conn)

    def seeds(self):
        """(header, body). The job of the pull is told by its name: a mutant may wait for a day."""
        job = self.vector_job(2)
        waiting = self.vector_job(2, name=f"waiting.{self._testMethodName}")
        message, body = push_message(job, [tensor(0, [1, 2])], checksum=True)
        yield wire.request_header("push", 1, message), body
        yield wire.request_header("pull", 2, job=waiting, round=0, nodes=[0, 0], wait_ms=50), b""
        yield wire.request_header(
            "create_job", 3, spec=self.spec([node(F32, [2, 2], name="w")] * 3, 2)
        ), b""
        yield wire.request_header("close_round", 4, job=job, round=1), b""
        yield wire.request_header("describe_job", 5, job=job), b""

    def test_mutated_requests(self):
        rng = random.Random(99)
        for header, body in list(self.seeds()):
            for _ in range(int(150 / wire.SCALE)):
                mutant = bytearray(header)
                for _ in range(rng.randrange(1, 4)):
                    at = rng.randrange(len(mutant))
                    mutant[at : at + rng.randrange(2)] = rng.randbytes(rng.randrange(3))
                if not mutant:
                    continue
                if b"waiting" in header:
                    self.survive(wire.frame(bytes(mutant), body))
                else:
                    conn = self.raw(wire.frame(bytes(mutant), body))
                    conn.receive()  # a well-framed request is always answered
                    conn.close()
            self.expect_alive(self.conn)

    def test_mutated_prefixes(self):
        rng = random.Random(5)
        for header, body in list(self.seeds()):
            for _ in range(int(60 / wire.SCALE)):
                data = bytearray(wire.frame(header, body))
                data[rng.randrange(16)] ^= 1 << rng.randrange(8)
                self.survive(bytes(data))
            self.expect_alive(self.conn)


if __name__ == "__main__":
    unittest.main()
