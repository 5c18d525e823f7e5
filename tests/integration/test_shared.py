"""Pushes from memory that is shared with the server: buffers, and what is refused."""

import fcntl
import itertools
import os
import resource
import socket
import tempfile
import unittest

import exact
import wire
from case import push_message
from server import Server, wait_until
from shared import SharedCase, lying
from wire import (
    DUPLICATE,
    F32,
    INVALID_ARGUMENT,
    MALFORMED,
    NON_FINITE,
    NOT_FOUND,
    OK,
    RESOURCE_EXHAUSTED,
)
from xxh3 import xxh3_64

LARGE = 2 << 20  # elements: such a push is copied by another thread


class Hello(SharedCase):
    def test_names_the_socket_and_the_instance(self):
        here = self.expect(self.conn.call("hello", protocol=1), OK).result
        there = self.expect(self.local.call("hello", protocol=1), OK).result
        self.assertEqual(here.unix_path, self.server.unix)
        self.assertTrue(os.path.isabs(here.unix_path))
        self.assertEqual(here, there)
        with Server(unix=True) as other:
            conn = other.connect()
            self.addCleanup(conn.close)
            self.assertNotEqual(conn.call("hello", protocol=1).result.instance, here.instance)

    def test_a_server_without_a_socket_names_none(self):
        with Server() as other:
            conn = other.connect()
            self.addCleanup(conn.close)
            self.assertFalse(conn.call("hello", protocol=1).result.has("unix_path"))


class Pushes(SharedCase):
    def test_a_tensor_may_lie_anywhere_in_a_buffer(self):
        job = self.create([wire.node(F32, [4]), wire.node(F32, [2])])
        memory = self.buffer(4096)
        memory.write(3, [1, 2, 3, 4])
        memory.write(4096 - 8, [5, 6])
        tensors = [lying(1, 1, 4096 - 8, [2]), lying(0, 1, 3, [4])]
        self.push_shared(job, tensors, final=True)
        self.assertEqual(self.pull_closed(job)[1], [[1, 2, 3, 4], [5, 6]])

    def test_unix_connections_take_bodies_too(self):
        job = self.vector_job(3)
        message, body = push_message(job, [(lying(0, None, None, [3]), exact.pack(F32, [1, 2, 3]))],
                                     final=True)
        self.expect(self.local.call("push", message, body), OK)
        self.assertEqual(self.pull_closed(job)[1], [[1, 2, 3]])

    def test_the_memory_is_the_clients_again_with_the_answer(self):
        job = self.vector_job(LARGE, world_size=2)
        memory = self.buffer(4 * LARGE)
        memory.map[:] = exact.pack(F32, [1.5]) * LARGE
        self.push_shared(job, [lying(0, 1, 0, [LARGE])])
        memory.map[:] = exact.pack(F32, [7]) * LARGE
        self.close_round(job)
        self.assertEqual(set(self.pull_closed(job)[1][0]), {1.5})

    def test_final_pushes_of_all_workers_are_summed(self):
        job = self.vector_job(LARGE, world_size=3)
        conns = [self.connect_local() for _ in range(3)]
        ids = []
        for worker, conn in enumerate(conns):
            memory = self.buffer(4 * LARGE, conn=conn)
            memory.map[:] = exact.pack(F32, [1 << worker]) * LARGE
            ids.append(self.send_shared(job, [lying(0, 1, 0, [LARGE])], conn, worker=worker,
                                        final=True))
        for conn, id in zip(conns, ids):
            self.expect(conn.wait(id), OK)
        self.assertEqual(set(self.pull_closed(job)[1][0]), {7})

    def test_ignored_tensors_lie_there_too(self):
        job = self.create([wire.node(F32, [2], requires_grad=False), wire.node(F32, [2])])
        memory = self.buffer(4096)
        memory.write(8, [1, 2])
        result = self.push_shared(
            job, [lying(0, 1, 4092, [1], F32), lying(1, 1, 8, [2])], final=True
        ).result
        self.assertEqual(result.ignored, 1)
        self.assertEqual(self.pull_closed(job, nodes=[1])[1], [[1, 2]])

    def test_a_repeated_key_may_take_another_way(self):
        job = self.vector_job(2, world_size=2)
        memory = self.buffer(64)
        memory.write(0, [1, 2])
        data = exact.pack(F32, [1, 2])
        check = xxh3_64(data)
        self.push_shared(job, [lying(0, 1, 0, [2])], sequence=9, body_checksum=check)
        message, body = push_message(job, [(lying(0, None, None, [2]), data)], 9, checksum=check)
        self.assertEqual(self.expect(self.conn.call("push", message, body), OK).result.verdict,
                         DUPLICATE)
        again = self.push_shared(job, [lying(0, 1, 0, [2])], sequence=9, body_checksum=check)
        self.assertEqual(again.result.verdict, DUPLICATE)
        self.push_shared(job, [lying(0, 1, 0, [2])], wire.CONFLICT, sequence=9)

    def test_checksum_and_non_finite_values_are_looked_at(self):
        for size in (2, LARGE):
            job = self.vector_job(size, world_size=2)
            memory = self.buffer(4 * size, size)
            self.push_shared(job, [lying(0, size, 0, [size])], wire.CHECKSUM_MISMATCH,
                             body_checksum=1)
            memory.write(4 * size - 4, [float("nan")])
            reply = self.push_shared(job, [lying(0, size, 0, [size])], NON_FINITE)
            self.assertRegex(reply.message, r"node 0\b")
            self.close_round(job)
            self.assertEqual(set(self.pull_closed(job)[1][0]), {0})

    def test_tensors_must_lie_within_a_buffer_of_this_connection(self):
        job = self.vector_job(4, world_size=2)
        self.buffer(64)
        self.buffer(64, 2, conn=self.connect_local())
        top = (1 << 64) - 1
        for tensor, words in (
            (lying(0, 3, 0, [4]), r"no buffer 3"),
            (lying(0, 2, 0, [4]), r"no buffer 2"),
            (lying(0, 1, 49, [4]), r"beyond buffer 1\b.*\b64"),
            (lying(0, 1, 64, [4]), r"beyond buffer 1"),
            (lying(0, 1, top, [4]), r"beyond buffer 1"),
            (lying(0, 1, top - 14, [4]), r"beyond buffer 1"),
        ):
            reply = self.push_shared(job, [tensor], INVALID_ARGUMENT)
            self.assertRegex(reply.message, words)
            self.assertRegex(reply.message, r"node 0\b")
        self.push_shared("none", [lying(0, 3, 0, [4])], NOT_FOUND)
        self.push_shared(job, [lying(0, 3, 0, [5])], wire.SHAPE_MISMATCH)
        self.push_shared(job, [lying(0, 1, 48, [4])])

    def test_a_push_lies_in_buffers_or_in_its_body(self):
        job = self.vector_job(2, world_size=2)
        self.buffer(64)
        inline = lying(0, None, None, [2])
        for mixed in ([lying(0, 1, 0, [2]), inline], [inline, lying(0, 1, 0, [2])]):
            self.push_shared(job, mixed, INVALID_ARGUMENT)
            message, body = push_message(job, [(t, b"\0" * 8) for t in mixed])
            self.expect(self.local.call("push", message, body[:8]), INVALID_ARGUMENT)
        message, body = push_message(job, [(lying(0, 1, 0, [2]), b"\0" * 8)])
        self.expect(self.local.call("push", message, body), MALFORMED, "buffer")
        self.expect_alive(self.local)

    def test_a_dropped_buffer_is_gone_and_what_was_pushed_from_it_stays(self):
        job = self.vector_job(LARGE, world_size=2)
        memory = self.buffer(4 * LARGE)
        memory.map[:] = exact.pack(F32, [2]) * LARGE
        id = self.send_shared(job, [lying(0, 1, 0, [LARGE])])
        dropped = self.local.send("drop_buffer", buffer=1)
        self.expect(self.local.wait(id), OK)
        self.expect(self.local.wait(dropped), OK)
        self.push_shared(job, [lying(0, 1, 0, [LARGE])], INVALID_ARGUMENT)
        self.expect(self.local.call("drop_buffer", buffer=1), INVALID_ARGUMENT, r"\b1\b")
        self.close_round(job)
        self.assertEqual(set(self.pull_closed(job)[1][0]), {2})

    def test_on_tcp_memory_cannot_be_shared(self):
        job = self.vector_job(2, world_size=2)
        for op, fields in (("add_buffer", {"buffer": 1, "bytes": 8}),
                           ("drop_buffer", {"buffer": 1}), ("end_view", {"pull": 1})):
            self.expect(self.conn.call(op, **fields), INVALID_ARGUMENT, "Unix")
        self.push_shared(job, [lying(0, 1, 0, [2])], INVALID_ARGUMENT, conn=self.conn)
        self.expect_alive(self.conn)


class Buffers(SharedCase):
    OPTIONS = ("--shared-bytes", "64MiB")

    def test_only_memory_that_cannot_go_away_is_taken(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        with tempfile.TemporaryFile() as file:
            file.truncate(4096)
            for fd in (reader, writer, file.fileno(), self.local.sock.fileno()):
                self.expect(self.local.call("add_buffer", fds=[fd], buffer=1, bytes=4096),
                            INVALID_ARGUMENT, "memfd")
        for seals in (0, fcntl.F_SEAL_GROW):
            self.assertRegex(
                self.add(self.memory(4096, seals=seals), code=INVALID_ARGUMENT).message, "SHRINK"
            )
        self.add(self.memory(4096), code=INVALID_ARGUMENT, size=4097)
        self.add(self.memory(4096), code=INVALID_ARGUMENT, size=0)
        self.add(self.memory(1 << 20), code=INVALID_ARGUMENT, size=(1 << 20) + 1)
        self.add(self.memory(4096), size=4095)

    def test_huge_pages_of_a_pool_are_refused(self):
        fd = os.memfd_create("test", os.MFD_ALLOW_SEALING | os.MFD_HUGETLB)
        self.addCleanup(os.close, fd)
        os.ftruncate(fd, 2 << 20)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self.expect(self.local.call("add_buffer", fds=[fd], buffer=1, bytes=4096),
                    INVALID_ARGUMENT, "memfd")

    def test_memory_that_was_opened_for_writing_only_is_refused(self):
        memory = self.memory(4096)
        fd = os.open(f"/proc/self/fd/{memory.fd}", os.O_WRONLY)
        self.addCleanup(os.close, fd)
        self.expect(self.local.call("add_buffer", fds=[fd], buffer=1, bytes=4096),
                    INVALID_ARGUMENT)

    def test_a_number_is_the_clients_and_used_once(self):
        self.buffer(4096, 7)
        self.add(self.memory(4096), 7, INVALID_ARGUMENT)
        self.add(self.memory(4096), 0, INVALID_ARGUMENT)
        self.add(self.memory(4096), (1 << 64) - 1)
        self.expect(self.local.call("drop_buffer", buffer=7), OK)
        self.add(self.memory(4096), 7)

    def test_the_descriptor_comes_with_its_frame(self):
        self.expect(self.local.call("add_buffer", buffer=1, bytes=4096), INVALID_ARGUMENT,
                    "descriptor")
        memory = self.memory(4096)
        # One that came with another request is nobody's.
        self.expect(self.local.call("list_jobs", fds=[memory.fd]), OK)
        self.expect(self.local.call("add_buffer", buffer=1, bytes=4096), INVALID_ARGUMENT)
        # One that comes in the middle of the frame is not this frame's.
        id = self.local.take_id()
        whole = wire.frame(wire.request_header("add_buffer", id, buffer=1, bytes=4096))
        self.local.send_raw(whole[:10])
        self.assertTrue(self.local.quiet(0.05))
        socket.send_fds(self.local.sock, [whole[10:]], [memory.fd])
        self.expect(self.local.wait(id), INVALID_ARGUMENT)
        # The header may come later than the first byte.
        id = self.local.take_id()
        whole = wire.frame(wire.request_header("add_buffer", id, buffer=1, bytes=4096))
        socket.send_fds(self.local.sock, [whole[:1]], [memory.fd])
        for byte in whole[1:]:
            self.local.send_raw(bytes([byte]))
        self.expect(self.local.wait(id), OK)

    def test_many_may_be_added_without_waiting(self):
        memory = self.memory(1 << 20)
        ids = [self.local.send("add_buffer", fds=[memory.fd], buffer=i, bytes=1 << (10 + i % 11))
               for i in range(1, 40)]
        for id in ids:
            self.expect(self.local.wait(id), OK)

    def test_buffers_and_their_bytes_are_limited(self):
        memory = self.memory(32 << 20)
        self.add(memory, 1)
        self.add(memory, 2)
        reply = self.add(memory, 3, RESOURCE_EXHAUSTED, conn=self.connect_local())
        self.assertRegex(reply.message, "--shared-bytes")
        self.expect(self.local.call("drop_buffer", buffer=2), OK)
        self.add(memory, 2)
        small = self.memory(1)
        self.expect(self.local.call("drop_buffer", buffer=1), OK)
        for number in range(3, 258):
            self.add(small, number)
        self.add(small, 258, RESOURCE_EXHAUSTED)
        other = self.connect_local()
        self.local.close()  # gives its 32 MiB back, soon

        def added():
            reply = other.call("add_buffer", fds=[memory.fd], buffer=1, bytes=64 << 20)
            return reply.code == INVALID_ARGUMENT  # the memory has 32 MiB, but might have 64

        wait_until(added, "the budget is free again")

    def test_a_process_without_descriptors_says_so(self):
        memory = self.memory(4096)
        pid = self.server.process.pid
        self.expect_alive(self.local)
        taken = set(map(int, os.listdir(f"/proc/{pid}/fd")))
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        lowest_free = next(fd for fd in itertools.count() if fd not in taken)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            self.add(memory, code=RESOURCE_EXHAUSTED)
            self.expect(self.local.call("list_jobs", fds=[memory.fd]), OK)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.add(memory)


if __name__ == "__main__":
    unittest.main()
