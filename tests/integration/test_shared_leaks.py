"""Whatever a client on the Unix socket does, and however it dies: nothing is left behind, and
nobody else waits."""

import os
import signal
import socket
import unittest

import exact
import wire
from case import push_message
from shared import Memory, SharedCase, lying
from wire import F32, INVALID_ARGUMENT, OK, Connection

LARGE = 4 << 20  # elements: a push of 16 MiB


class Leaks(SharedCase):
    """Each test does something rude some times; what the server holds must not grow."""

    def rudely(self, deed, times=4):
        """Does it until everything is there that is kept, and then again: more often than
        connections to the admin interface may be closing by chance."""
        for _ in range(3):  # as many rounds as are retained, and one more
            deed()
        self.settle()
        held = self.server.held()
        for _ in range(times):
            deed()
        self.until_held(held)
        self.expect_alive(self.local)

    def settle(self):
        self.until_calm()
        self.until_metric("connections", 2)  # self.conn and self.local

    def test_descriptors_that_nobody_asked_for(self):
        memory = self.memory(4096)

        def deed():
            for count in (1, 2, 100, 253):
                self.expect(self.local.call("list_jobs", fds=[memory.fd] * count), OK)
            conn = Connection(self.server.unix)
            conn.send_raw(wire.PREFIX.pack(wire.MAGIC, 1000, 0))
            for _ in range(20):  # with each byte of a header that does not end
                socket.send_fds(conn.sock, [b"x"], [memory.fd])
            conn.close()

        self.rudely(deed)

    def test_a_connection_that_the_server_would_keep_open_by_its_own_socket(self):
        """Its other end is with the server when the client is gone."""
        body = b"x" * 1000

        def deed():
            conn = Connection(self.server.unix)
            self.expect(conn.call("list_jobs", fds=[conn.sock.fileno()]), OK)
            conn.close()
            conn = Connection(self.server.unix)
            header = wire.request_header("push", conn.take_id(), wire.new("Push", job="none"))
            conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), len(body)) + header)
            socket.send_fds(conn.sock, [body], [conn.sock.fileno()])
            conn.close()

        self.rudely(deed)

    def test_descriptors_within_a_body(self):
        job = self.vector_job(LARGE, world_size=2)
        memory = self.memory(4096)

        def deed():
            conn = Connection(self.server.unix)
            contribution = lying(0, None, None, [LARGE])
            message, _ = push_message(job, [(contribution, b"")])
            header = wire.request_header("push", conn.take_id(), message)
            conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), 4 * LARGE) + header)
            piece = bytes(4 * LARGE // 64)
            for _ in range(64):
                sent = socket.send_fds(conn.sock, [piece], [memory.fd])
                conn.send_raw(piece[sent:])
            self.expect(conn.wait(1), OK)
            conn.close()

        self.rudely(deed)

    def test_refused_buffers(self):
        memory = self.memory(4096)

        def deed():
            for number in range(1, 10):
                self.add(memory, number)
                self.add(memory, number, INVALID_ARGUMENT)
                self.add(memory, number + 100, INVALID_ARGUMENT, size=1 << 30)
            for number in range(1, 10):
                self.expect(self.local.call("drop_buffer", buffer=number), OK)

        self.rudely(deed)

    def test_a_connection_that_ends_while_its_memory_is_mapped_or_copied(self):
        job = self.vector_job(LARGE, world_size=2)

        def deed():
            for steps in range(3):
                conn = Connection(self.server.unix)
                memory = Memory(4 * LARGE)
                conn.send("add_buffer", fds=[memory.fd], buffer=1, bytes=memory.size)
                if steps > 0:
                    for _ in range(4):
                        self.send_shared(job, [lying(0, 1, 0, [LARGE])], conn, round=None)
                if steps > 1:
                    conn.wait(1)
                conn.close()
                memory.close()
                self.expect_alive(self.local)
            self.settle()
            self.close_round(job, max(self.rounds(job)))

        self.rudely(deed)

    def test_a_job_that_is_deleted_while_it_is_copied_to(self):
        memory = self.buffer(4 * LARGE)

        def deed():
            job = self.vector_job(LARGE, world_size=2)
            ids = [self.send_shared(job, [lying(0, 1, 0, [LARGE])]) for _ in range(3)]
            self.expect(self.conn.call("delete_job", job=job), OK)
            codes = [self.local.wait(id).code for id in ids]
            self.assertEqual(codes, sorted(codes), "refused, and then accepted")
            self.assertLessEqual(set(codes), {OK, wire.NOT_FOUND})

        self.rudely(deed, 6)
        self.assertEqual(memory.map[:4], bytes(4))

    def test_a_client_that_is_killed(self):
        job = self.vector_job(LARGE, world_size=2)
        self.accept(job, [(lying(0, None, None, [LARGE]), exact.pack(F32, [1]) * LARGE)])
        self.close_round(job)

        def deed():
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                self.be_busy(job, writer)
            os.close(writer)
            self.assertEqual(os.read(reader, 1), b"!")
            os.close(reader)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self.settle()

        self.rudely(deed)

    def be_busy(self, job, writer):
        """In a process of its own, which is killed when it has said how far it is."""
        try:
            conn = Connection(self.server.unix)
            memory = Memory(4 * LARGE)
            conn.call("add_buffer", fds=[memory.fd], buffer=1, bytes=memory.size)
            conn.call("pull", job=job, round=0, view=True)
            conn.send("pull", job=job, round=1, view=True, wait_ms=60000)
            for _ in range(8):
                self.send_shared(job, [lying(0, 1, 0, [LARGE])], conn, round=1)
            socket.send_fds(conn.sock, [b"GFD1"], [memory.fd])
            os.write(writer, b"!")
            signal.pause()
        finally:
            os._exit(1)

    def test_views_that_never_end(self):
        job = self.vector_job(LARGE)
        data = exact.pack(F32, [1]) * LARGE
        self.accept(job, [(lying(0, None, None, [LARGE]), data)], final=True)
        self.pull_closed(job)

        def deed():
            conn = self.connect_local()
            for _ in range(10):
                self.view(job, conn=conn)
            conn.close()

        self.rudely(deed)


class Neighbours(SharedCase):
    OPTIONS = ("--threads", "1")

    def test_a_large_copy_keeps_nobody_waiting(self):
        """While one thread copies, the loop answers."""
        large = 64 << 20  # elements: 256 MiB
        job = self.vector_job(large, world_size=2)
        self.buffer(4 * large)
        id = self.send_shared(job, [lying(0, 1, 0, [large])])
        answers = 0
        while self.metric("bodies_receiving") > 0:
            answers += 1
        self.expect(self.local.wait(id), OK)
        self.assertGreater(answers, 0, "the copy was over before anybody else was answered")


    def test_memory_that_nobody_touched_is_not_filled(self):
        """That would take long, and more memory than there may be."""
        before = self.server.memory_bytes()
        self.buffer(1 << 30)
        self.assertLess(self.server.memory_bytes() - before, 1 << 28)


if __name__ == "__main__":
    unittest.main()
