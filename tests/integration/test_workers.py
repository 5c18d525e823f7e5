"""The main job with real worker processes: any arrival order, the same bits; one is killed."""

import os
import random
import signal
import struct
import time
import unittest

import exact
import wire
from case import ServerCase, push_message, tensor
from server import wait_until
from wire import ACCEPTED, BF16, DUPLICATE, F16, F32, F64, I32, I64, OK, node

WORKERS, ROUNDS = 4, 5
LAYOUT = ((F32, 37), (F64, 11), (F16, 23), (BF16, 19), (I32, 8), (I64, 8), (F32, 1))


def random_values(rng, dtype, count):
    """Values over the whole range of the dtype; a BF16 is the upper half of an F32."""
    if dtype in (I32, I64):
        bits = 27 if dtype == I32 else 59
        return [rng.randrange(-1 << bits, 1 << bits) for _ in range(count)]
    values = []
    while len(values) < count:
        size = wire.ITEM_BYTES[dtype]
        value = exact.unpack(dtype, rng.randbytes(size))[0]
        if value == value and abs(value) != float("inf"):
            values.append(
                value
                if rng.random() < 0.5
                else exact.unpack(dtype, exact.pack(dtype, [0.25]))[0] * rng.randrange(-64, 64)
            )
    return values


def contributions(seed, worker, round):
    """What a worker pushes in a round: three pushes of (node, values)."""
    rng = random.Random(f"{seed} {worker} {round}")
    pushes = []
    for _ in range(3):
        ids = [i for i in range(len(LAYOUT)) if rng.random() < 0.7]
        pushes.append([(i, random_values(rng, *LAYOUT[i])) for i in ids])
    return pushes


class Worker:
    """The life of one worker process."""

    def __init__(self, server, job, seed, number):
        self.server, self.job, self.seed, self.number = server, job, seed, number
        self.rng = random.Random(f"delays {seed} {number}")

    def run(self):
        conn = self.server.connect()
        pulled = []
        for round in range(ROUNDS):
            pushes = contributions(self.seed, self.number, round)
            for i, push in enumerate(pushes):
                time.sleep(self.rng.random() * 0.02)
                tensors = [tensor(n, values, LAYOUT[n][0]) for n, values in push]
                message, body = push_message(
                    self.job,
                    tensors,
                    worker=self.number,
                    round=round,
                    sequence=i,
                    final=i == len(pushes) - 1,
                    checksum=True,
                )
                for attempt in range(self.rng.choice((1, 1, 2))):
                    reply = conn.call("push", message, body)
                    if reply.code != OK or reply.result.verdict != (
                        DUPLICATE if attempt else ACCEPTED
                    ):
                        raise AssertionError(reply)
            reply = conn.call("pull", job=self.job, round=round, wait_ms=int(wire.DEADLINE * 1000))
            if reply.code != OK:
                raise AssertionError(reply)
            pulled.append(bytes(reply.body))
        return b"".join(pulled)


def fork(function):
    """Runs a function in a child; returns (pid, file with what it returned)."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return pid, os.fdopen(read_end, "rb")
    status = 1
    try:
        with os.fdopen(write_end, "wb") as out:
            out.write(function())
        status = 0
    except BaseException as error:  # a child must never return into the test
        os.write(2, f"worker: {error!r}\n".encode())
    finally:
        os._exit(status)


class Workers(ServerCase):
    def oracle(self, seed, reduction):
        """The bytes that every worker must pull, round by round."""
        out = []
        for round in range(ROUNDS):
            columns = [[[] for _ in range(count)] for _, count in LAYOUT]
            for worker in range(WORKERS):
                for push in contributions(seed, worker, round):
                    for n, values in push:
                        for column, value in zip(columns[n], values):
                            column.append(value)
            out += [
                exact.expected_bytes(dtype, column, reduction)
                for (dtype, _), column in zip(LAYOUT, columns)
            ]
        return b"".join(out)

    def train(self, seed, reduction):
        job = self.create(
            [node(dtype, [count]) for dtype, count in LAYOUT], WORKERS, reduction=reduction
        )
        children = [fork(Worker(self.server, job, seed, number).run) for number in range(WORKERS)]
        results = []
        for pid, pipe in children:
            with pipe:
                results.append(pipe.read())
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(len(set(results)), 1, "workers pulled different bits")
        self.assertEqual(results[0], self.oracle(seed, reduction))

    def test_sums_are_the_exact_ones_in_any_order_of_arrival(self):
        for seed in range(max(1, int(4 / wire.SCALE))):
            self.train(seed, wire.SUM)

    def test_means_are_the_exact_ones(self):
        self.train(100, wire.MEAN)

    def test_a_worker_killed_in_mid_body_and_restarted_counts_once(self):
        job = self.vector_job(1000, world_size=2)
        tensors = [tensor(0, range(1000))]

        def half():
            conn, _, _ = self.half_push(job, tensors, worker=1, sequence=1, final=True)
            os.write(ready_write, b"!")
            time.sleep(600)
            return conn

        ready_read, ready_write = os.pipe()
        pid, pipe = fork(half)
        os.read(ready_read, 1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pipe.close()
        os.close(ready_read)
        os.close(ready_write)
        self.accept(job, tensors, worker=0, final=True)
        self.assertEqual(self.rounds(job)[0].final_workers, [0])
        for verdict in (self.accept, self.duplicate):
            verdict(job, tensors, worker=1, sequence=1, final=True)
        self.assertEqual(self.pull_closed(job)[1], [[2.0 * i for i in range(1000)]])
        wait_until(lambda: self.rounds(job)[0].pushes == 2, "two pushes")


class Orders(ServerCase):
    """The same contributions in other orders, batches and connections give the same bits."""

    def bits(self, pushes, dtype, size):
        job = self.create([node(dtype, [size])])
        for tensors in pushes:
            self.accept(job, tensors)
        self.close_round(job)
        return bytes(self.pull(job, wait_ms=int(wire.DEADLINE * 1000)).body)

    def test_orders_and_batches_do_not_matter(self):
        rng = random.Random(17)
        for dtype in (F32, F64, F16, BF16):
            size, count = 50, 12
            columns = [[] for _ in range(size)]
            tensors = []
            for _ in range(count):
                values = random_values(rng, dtype, size)
                tensors.append(tensor(0, values, dtype))
                for column, value in zip(columns, values):
                    column.append(value)
            want = exact.expected_bytes(dtype, columns)
            for _ in range(4):
                rng.shuffle(tensors)
                at, pushes = 0, []
                while at < count:
                    step = rng.randrange(1, 6)
                    pushes.append(tensors[at : at + step])
                    at += step
                self.assertEqual(self.bits(pushes, dtype, size), want, wire.DTYPE_NAMES[dtype])

    def test_cancellation_leaves_what_is_small(self):
        big = 2.0**127
        for small in (2.0**-149, 1.0):
            pushes = [[tensor(0, [v])] for v in (big, small, -big)]
            self.assertEqual(self.bits(pushes, F32, 1), struct.pack("<f", small))
        pushes = [[tensor(0, [v], F64)] for v in (2.0**1023, 2.0**-1074, -(2.0**1023))]
        self.assertEqual(self.bits(pushes, F64, 1), struct.pack("<d", 2.0**-1074))

    def test_in_order_adds_in_the_order_of_arrival_in_the_dtype(self):
        job = self.create([node(F32, [1])], accumulation=wire.IN_ORDER)
        for value in (1.0, 2.0**30, -(2.0**30)):
            self.accept(job, [tensor(0, [value])])
        self.assertEqual(self.close_and_pull(job), [[0.0]])

    def test_zero_results_are_plus_zero(self):
        for dtype in (F32, F64, F16, BF16):
            for values in ([-0.0], [-0.0, -0.0], [1.0, -1.0]):
                pushes = [[tensor(0, [value], dtype)] for value in values]
                self.assertEqual(self.bits(pushes, dtype, 1), bytes(wire.ITEM_BYTES[dtype]))


if __name__ == "__main__":
    unittest.main()
