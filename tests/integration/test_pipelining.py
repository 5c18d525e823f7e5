"""Many requests at once on one connection, and bytes in every possible portion."""

import random
import socket
import threading
import unittest

import wire
from case import ServerCase, push_message, tensor
from wire import ACCEPTED, F32, NOT_FOUND, OK, node

MANY = int(10_000 / wire.SCALE)


class Pipelining(ServerCase):
    def test_ten_thousand_pushes_in_flight(self):
        size, rng = 16, random.Random(3)
        job = self.vector_job(size)
        frames, sums = [], [0] * size
        for i in range(1, MANY + 1):
            values = [rng.randrange(-1000, 1000) for _ in range(size)]
            sums = [a + b for a, b in zip(sums, values)]
            message, body = push_message(job, [tensor(0, values)], sequence=i)
            frames.append(wire.frame(wire.request_header("push", i, message), body))
        conn = self.connect()
        sender = threading.Thread(target=conn.send_raw, args=(b"".join(frames),))
        sender.start()
        for i in range(1, MANY + 1):
            reply = self.expect(conn.receive(), OK)
            self.assertEqual((reply.id, reply.result.verdict), (i, ACCEPTED))
        sender.join()
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual((values, gradients[0].contributions), ([sums], MANY))

    def test_a_client_that_does_not_read_for_long_gets_all_its_answers(self):
        job = self.vector_job(4)
        count = int(5000 / wire.SCALE)
        conn = self.connect()
        message = wire.new("DescribeJob", job=job)
        data = b"".join(
            wire.frame(wire.request_header("describe_job", i, message)) for i in range(1, count + 1)
        )
        sender = threading.Thread(target=conn.send_raw, args=(data,))
        sender.start()
        self.expect_alive()
        for i in range(1, count + 1):
            self.assertEqual(conn.receive().id, i)
        sender.join()

    def test_requests_are_decided_in_the_order_sent(self):
        conn = self.connect()
        spec = self.spec([node(F32, [2])])
        message, body = push_message(spec.name, [tensor(0, [1, 2])], final=True)
        late, _ = push_message(spec.name, [tensor(0, [1, 2])], round=0)
        ids = [
            conn.send("push", message, body),
            conn.send("create_job", spec=spec),
            conn.send("push", message, body),
            conn.send("push", late, body),
            conn.send("delete_job", job=spec.name),
            conn.send("push", message, body),
        ]
        replies = [conn.receive() for _ in ids]
        self.assertEqual([r.id for r in replies], ids)
        self.assertEqual(
            [r.code for r in replies], [NOT_FOUND, OK, OK, wire.STALE_ROUND, OK, NOT_FOUND]
        )

    def test_a_waiting_pull_does_not_hold_up_what_follows(self):
        job = self.vector_job(1, world_size=2)
        conn = self.connect()
        pull = conn.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 1000))
        pushes = []
        for worker in (0, 1):
            message, body = push_message(job, [tensor(0, [worker + 1])], worker=worker, final=True)
            pushes.append(conn.send("push", message, body))
        listed = conn.send("list_jobs")
        replies = [conn.receive() for _ in range(4)]
        others = [r.id for r in replies if r.id != pull]
        self.assertEqual(others, pushes + [listed])
        reply = next(r for r in replies if r.id == pull)
        self.assertEqual(self.values(reply), [[3]])

    def test_a_thousand_waiting_pulls_on_one_connection(self):
        job = self.vector_job(3)
        conn = self.connect()
        ids = [
            conn.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 1000))
            for _ in range(1000)
        ]
        self.expect_alive(conn)
        self.accept(job, [tensor(0, [1, 2, 3])], final=True)
        codes = []
        for id in ids:
            reply = conn.wait(id)
            codes.append(reply.code)
            if reply.code != wire.RESOURCE_EXHAUSTED:
                self.assertEqual(self.values(self.expect(reply, OK)), [[1, 2, 3]])
        self.assertGreaterEqual(codes.count(OK), 64)

    def test_ids_are_echoed_as_they_are(self):
        conn = self.connect()
        for id in (1, 127, 128, 1 << 32, (1 << 64) - 1):
            conn.send_raw(wire.frame(wire.request_header("list_jobs", id)))
            self.assertEqual(conn.receive().id, id)

    def test_one_id_used_twice_is_answered_twice(self):
        conn = self.connect()
        conn.send_raw(wire.frame(wire.request_header("list_jobs", 5)) * 2)
        self.assertEqual([conn.receive().id, conn.receive().id], [5, 5])

    def test_split_into_single_bytes(self):
        job = self.vector_job(3)
        conn = self.connect()
        message, body = push_message(job, [tensor(0, [1, 2, 3])], checksum=True, final=True)
        data = wire.frame(wire.request_header("push", 1, message), body)
        data += wire.frame(
            wire.request_header("pull", 2, job=job, round=0, wait_ms=int(wire.DEADLINE * 1000))
        )
        for i in range(len(data)):
            conn.send_raw(data[i : i + 1])
        self.assertEqual(self.expect(conn.wait(1), OK).result.verdict, ACCEPTED)
        self.assertEqual(self.values(self.expect(conn.wait(2), OK)), [[1, 2, 3]])

    def test_split_and_joined_at_random(self):
        rng = random.Random(11)
        job = self.vector_job(8)
        stream, count = b"", 200
        for i in range(1, count + 1):
            message, body = push_message(
                job,
                [tensor(0, [i] * 8)] * rng.randrange(4),
                sequence=i,
                checksum=rng.choice((None, True)),
            )
            stream += wire.frame(wire.request_header("push", i, message), body)
        conn, at = self.connect(), 0
        while at < len(stream):
            step = rng.choice((1, 3, 15, 16, 17, 64, 333, 5000))
            conn.send_raw(stream[at : at + step])
            at += step
        for i in range(1, count + 1):
            self.assertEqual(self.expect(conn.receive(), OK).id, i)

    def test_interleaved_connections_do_not_mix(self):
        conns = [self.connect() for _ in range(20)]
        jobs = [self.vector_job(2) for _ in conns]
        halves = [
            self.half_push(job, [tensor(0, [i, -i])], conn=conn)
            for i, (job, conn) in enumerate(zip(jobs, conns))
        ]
        for conn, id, rest in reversed(halves):
            conn.send_raw(rest)
        for conn, id, _ in halves:
            self.expect(conn.wait(id), OK)
        for i, job in enumerate(jobs):
            self.assertEqual(self.close_and_pull(job), [[i, -i]])

    def test_a_half_closed_client_still_gets_its_answers(self):
        conn = self.connect()
        ids = [conn.send("list_jobs") for _ in range(10)]
        conn.sock.shutdown(socket.SHUT_WR)
        got = []
        try:
            while True:
                got.append(conn.receive().id)
        except (EOFError, ConnectionResetError):
            pass
        self.assertEqual(got, ids[: len(got)])
        self.expect_alive()


if __name__ == "__main__":
    unittest.main()
