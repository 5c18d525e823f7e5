"""Idle limits: a body (or header) that makes no progress loses its connection; nobody else does."""

import threading
import time
import unittest

import wire
from case import ServerCase, tensor
from wire import F32, MAGIC, OK, PREFIX, node

IDLE = 1.0
STAGING = 8 << 20
BIG = (STAGING * 5 // 8) // 4


class Idle(ServerCase):
    OPTIONS = ("--idle-timeout", "1s", "--staging-bytes", str(STAGING))

    def expect_cut(self, conn, start):
        self.assertTrue(conn.ended())
        self.assertGreater(time.monotonic() - start, 0.5 * IDLE)

    def test_half_sent_frames_lose_their_connection(self):
        job = self.vector_job(100)
        header = wire.request_header("list_jobs", 1)
        pieces = (
            b"G",
            MAGIC + b"\x01",
            PREFIX.pack(MAGIC, len(header), 0),
            wire.frame(header)[:-1],
        )
        start = time.monotonic()
        conns = [self.connect() for _ in pieces]
        for conn, piece in zip(conns, pieces):
            conn.send_raw(piece)
        conns.append(self.half_push(job, [tensor(0, [1] * 100)])[0])
        conns.append(self.half_push("no-such-job", [tensor(0, [1] * 100)])[0])
        for conn in conns[:-1]:
            self.expect_cut(conn, start)
        try:
            self.expect(conns[-1].receive(), wire.NOT_FOUND)
            self.expect_cut(conns[-1], start)
        except EOFError:
            pass

    def test_connections_idle_between_frames_stay(self):
        conns = [self.connect() for _ in range(3)]
        self.expect_alive(conns[0])
        time.sleep(2.5 * IDLE)  # the rule itself is about time that passes
        for conn in conns:
            self.expect_alive(conn)

    def test_a_waiting_pull_outlives_the_idle_limit(self):
        job = self.vector_job(2)
        conn = self.connect()
        id = conn.send("pull", job=job, round=0, wait_ms=int(2500 * IDLE))
        self.expect(conn.wait(id), wire.DEADLINE_EXCEEDED)
        self.expect_alive(conn)

    def test_a_slow_body_that_makes_progress_is_accepted(self):
        job = self.vector_job(2)
        conn, id, rest = self.half_push(job, [tensor(0, [3, 4])], cut=1)
        start = time.monotonic()
        for i in range(len(rest)):
            time.sleep(IDLE * 0.4)
            conn.send_raw(rest[i : i + 1])
        self.assertGreater(time.monotonic() - start, 2 * IDLE)
        self.expect(conn.wait(id), OK)
        self.assertEqual(self.close_and_pull(job), [[3, 4]])

    def test_its_staging_goes_to_who_waited_and_waiting_for_the_budget_is_not_idle(self):
        job = self.create([node(F32, [BIG])], 2)
        data = [tensor(0, data=b"\0\0\x80\x3f" * BIG)]
        self.until_calm()
        holder, _, _ = self.half_push(job, data)
        self.until_metric("bodies_receiving", 1)
        second, held, rest = self.half_push(job, data, cut=1000)
        sender = threading.Thread(target=second.send_raw, args=(rest,))
        sender.start()
        self.assertTrue(holder.ended())
        self.expect(second.wait(held), OK)
        sender.join()
        self.assertEqual(set(self.close_and_pull(job)[0]), {1.0})

    def test_a_client_that_never_reads_loses_its_connection_or_its_answers_not_the_server(self):
        size = int((16 << 20) / wire.SCALE)
        job = self.create([node(F32, [size // 4])])
        self.close_and_pull(job)
        conn = self.connect()
        for _ in range(10):
            conn.send("pull", job=job, round=0)
        self.expect_alive(self.conn)
        time.sleep(2 * IDLE)
        self.expect_alive(self.conn)
        conn.reset()
        self.expect(self.conn.call("delete_job", job=job), OK)


if __name__ == "__main__":
    unittest.main()
