"""Random requests against the model: every answer must be the model's, every sum the exact one."""

import os
import random
import unittest

import exact
import wire
from case import ServerCase
from model import Job
from wire import DEADLINE_EXCEEDED, F32, OK, new, node
from xxh3 import xxh3_64

DTYPES = (wire.F32, wire.F64, wire.F16, wire.BF16, wire.I32, wire.I64)
STEPS = int(400 / wire.SCALE)


class Model(ServerCase):
    def random_spec(self, rng):
        world = rng.randrange(1, 4)
        quorum = rng.choice((0, 0, rng.randrange(1, world + 1)))
        full = quorum in (0, world)
        nodes = [
            node(
                rng.choice(DTYPES),
                rng.choice(([], [3], [2, 2], [0])),
                requires_grad=rng.random() < 0.8,
                expected=rng.choice((0, 0, 1, 3)) if full else 0,
            )
            for _ in range(rng.randrange(5))
        ]
        return self.spec(
            nodes,
            world,
            quorum=quorum,
            retain_rounds=rng.randrange(1, 4),
            reduction=rng.choice((wire.SUM, wire.MEAN)),
        )

    def random_push(self, rng, job):
        """(message, body, values a contribution); often wrong in one way or several."""
        contributions, values, body = [], [], b""
        for _ in range(rng.randrange(4)):
            id = rng.randrange(len(job.spec.nodes) + (rng.random() < 0.1)) if job.spec.nodes else 0
            home = job.spec.nodes[id] if id < len(job.spec.nodes) else node(F32)
            dtype = home.dtype if rng.random() < 0.8 else rng.choice(DTYPES)
            shape = home.shape if rng.random() < 0.93 else rng.choice(([], [3], [2, 2], [0], [7]))
            numbers = [rng.randrange(-500, 500) for _ in range(wire.elements(shape))]
            if dtype == wire.BF16:
                numbers = [n // 4 * 4 for n in numbers]
            data = exact.pack(dtype, numbers)
            values.append(exact.unpack(dtype, data))
            contributions.append(new("Contribution", node=id, dtype=dtype, shape=list(shape)))
            body += data
        round = rng.choice((None, job.open, job.open, job.open, max(0, job.open - 1), job.open + 1))
        checksum = xxh3_64(body) if rng.random() < 0.3 else None
        if rng.random() < 0.03:
            body += b"!"
        message = new(
            "Push",
            job=job.spec.name,
            round=round,
            worker=rng.randrange(job.spec.world_size + 1),
            sequence=rng.randrange(40),
            final=rng.random() < 0.25,
            body_checksum=checksum,
            contributions=contributions,
        )
        return message, body, values

    def step_push(self, rng, job, sent):
        if sent and rng.random() < 0.2:
            message, body, values = rng.choice(sent)
        else:
            message, body, values = self.random_push(rng, job)
            sent.append((message, body, values))
        want = job.push(message, len(body), values)
        if (
            want[0] == OK
            and message.has("body_checksum")
            and message.body_checksum != xxh3_64(body)
        ):
            self.fail("the generator makes no wrong checksums")
        reply = self.expect(self.conn.call("push", message, body), want[0])
        if want[0] == OK:
            self.assertEqual(
                (reply.result.verdict, reply.result.round, reply.result.ignored), want[1:]
            )

    def step_pull(self, rng, job):
        number = rng.choice(
            (None, job.open, job.open - 1, job.open - 2, job.open - 4, job.open + 1)
        )
        number = number if number is None or number >= 0 else 0
        count = len(job.spec.nodes)
        nodes = [rng.randrange(count) for _ in range(rng.randrange(4))] if count else []
        if rng.random() < 0.05:
            nodes.append(count)
        code, number_got, sums = job.pull(number, nodes)
        wait = 0 if code == DEADLINE_EXCEEDED else int(wire.DEADLINE * 1000)
        reply = self.expect(
            self.conn.call("pull", job=job.spec.name, round=number, nodes=nodes, wait_ms=wait), code
        )
        if code != OK:
            return
        self.assertEqual(reply.result.round, number_got)
        asked = nodes or list(range(count))
        self.assertEqual(
            [(g.node, g.contributions) for g in reply.result.gradients],
            [(n, s[0]) for n, s in zip(asked, sums)],
        )
        want = b"".join(
            exact.expected_bytes(job.spec.nodes[n].dtype, columns, job.spec.reduction)
            for n, (_, columns) in zip(asked, sums)
        )
        self.assertEqual(bytes(reply.body), want)

    def step_describe(self, job):
        rounds = self.rounds(job.spec.name)
        self.assertEqual(sorted(rounds), sorted(job.rounds))
        for number, status in rounds.items():
            mine = job.rounds[number]
            self.assertEqual(
                (status.pushes, status.bytes, status.final_workers),
                (len(mine.pushes), mine.bytes, sorted(mine.finals)),
            )
            self.assertEqual(status.state == wire.OPEN, number == job.open)

    def step(self, rng, job, sent):
        kind = rng.random()
        if kind < 0.7:
            self.step_push(rng, job, sent)
        elif kind < 0.85:
            self.step_pull(rng, job)
        elif kind < 0.93:
            self.step_describe(job)
        else:
            number = max(0, job.open + rng.choice((0, 0, 0, -1, -3, 1)))
            self.expect(
                self.conn.call("close_round", job=job.spec.name, round=number),
                job.close_round(number),
            )

    def settle(self, job):
        """Retirement counts closed rounds: wait until the newest has closed before going on."""
        if job.open:
            self.pull(job.spec.name, [], round=job.open - 1, wait_ms=int(wire.DEADLINE * 1000))

    def play(self, seed):
        rng = random.Random(seed)
        spec = self.random_spec(rng)
        self.expect(self.conn.call("create_job", spec=spec), OK)
        job, sent = Job(spec), []
        for step in range(STEPS):
            before = job.open
            try:
                self.step(rng, job, sent)
            except Exception as error:
                raise AssertionError(f"GRADFOLD_TEST_SEED={seed}, step {step}") from error
            if job.open != before:
                self.settle(job)
        self.expect(self.conn.call("delete_job", job=spec.name), OK)

    def test_random_requests_are_answered_as_the_model_says(self):
        seed = os.environ.get("GRADFOLD_TEST_SEED")
        for seed in [int(seed)] if seed else range(1, 1 + max(2, int(40 / wire.SCALE))):
            self.play(seed)


if __name__ == "__main__":
    unittest.main()
