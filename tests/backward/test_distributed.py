"""The backward pass by several processes through a real server, against the one in this process."""

import atexit
import itertools
import os
import random
from collections import Counter

import server
import wire
from case import ServerCase
from oracle import Tape
from programs import (
    CALL_SECONDS,
    WAIT_MS,
    Crew,
    bits,
    difference,
    run_local,
    scaled,
    slots_of,
)
from server import wait_until
from tapes import long_tape, network, random_tape
from wire import CLOSED, OK

DTYPES = ("i64", "f64", "f32")
MOMENTS = ("before", "during", "after")
LONG_TAPE = 6000  # characters
numbers = itertools.count(1)


def gives(node):
    return not node.frozen and bool(node.parents or node.given)


def pushes_of(tape, owners, world_size):
    """How many pushes each worker makes: seeds, steps; or an empty one, to be final."""
    counts = [0] * world_size
    for id, _ in tape.seeds:
        counts[owners[id]] += 1
    for id, node in enumerate(tape.nodes):
        counts[owners[id]] += gives(node)
    return [count or 1 for count in counts]


def share(generator, nodes, world_size, how):
    if how == "round-robin":
        return [id % world_size for id in range(nodes)]
    if how == "blocks":
        return [id * world_size // nodes for id in range(nodes)]
    return [generator.randrange(world_size) for _ in range(nodes)]


class Distributed(ServerCase):
    """Each class counts what it did in a Counter of its own, `count`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        atexit.register(cls.server.kill)  # what ends the tests early leaves it running

    @classmethod
    def tearDownClass(cls):
        print(f"figure: {cls.__name__}: {cls.count['passes']} backward passes, by "
              f"{cls.count['workers']} processes; {cls.count['pushes']} pushes counted once, "
              f"{cls.count['duplicates']} more sendings answered DUPLICATE; {cls.count['kills']} "
              f"processes killed and restarted; {cls.count['arrived']} of {cls.count['during']} "
              f"pushes had arrived whose sender was killed while it sent", flush=True)
        super().tearDownClass()

    def connect(self):
        conn = wire.Connection(self.server.address, CALL_SECONDS)
        self.addCleanup(conn.close)
        return conn

    def say_how_again(self, tape, *what):
        """At once: when something hangs, unittest's own report may never be printed."""
        build = os.path.relpath(os.path.dirname(server.BIN[0]))
        test = self.id().split(".", 1)[1]
        text = tape.text()
        print(f"\nFAILED {test}: tape {tape.name} {tape.lines[1]}; {'; '.join(what)}\n"
              f"again: GRADFOLD_TEST_SCALE={wire.SCALE:g} tests/backward/run {build} -k {test}\n"
              f"{text if len(text) < LONG_TAPE else text[:LONG_TAPE] + ' ...'}", flush=True)

    def run_tape(self, tape, owners, world_size, victim=None, twice=False):
        """The crew, when it is done and everything about it is as it must be."""
        job = f"backward-{next(numbers)}"
        counts = pushes_of(tape, owners, world_size)
        try:
            with Crew(self.address(), job, tape, owners, world_size, victim, twice) as crew:
                crew.finish()
                slots = slots_of(tape)
                self.expect_sums(job, tape, slots, counts)
                self.expect_verdicts(crew, counts, victim, twice)
                self.expect_pulls(crew, tape, slots, counts, victim)
            self.count.update(passes=1, workers=world_size, pushes=sum(counts))
        except Exception:
            self.say_how_again(tape, f"owners {owners}", f"victim {victim}", f"twice {twice}")
            raise

    def address(self):
        return f"unix:{self.server.unix}" if self.UNIX else "%s:%d" % self.server.address

    def closed(self, job):
        """The gradients of all nodes, or None: those that are complete are given before the round
        is closed, too."""
        reply = self.conn.call("pull", job=job, round=0, wait_ms=WAIT_MS)
        self.assertEqual(reply.code, OK, reply.message)
        return reply if reply.result.state == CLOSED else None

    def expect_sums(self, job, tape, slots, counts):
        """The dense array is the local one and the oracle's, the round closed, each push counted
        once."""
        reply = wait_until(lambda: self.closed(job), f"the end of the round of {job}", CALL_SECONDS)
        found, at = [], 0
        for gradient, node in zip(reply.result.gradients, tape.nodes, strict=True):
            size = len(node.value) * wire.ITEM_BYTES[tape.dtype]
            found.append((gradient.contributions, bytes(reply.body[at : at + size])))
            at += size
        [local] = run_local([tape.text()])
        self.assertIsNone(difference(tape, local, slots))
        self.assertIsNone(difference(tape, found, slots))
        rounds = self.conn.call("describe_job", job=job).result.job.rounds
        self.assertEqual([(r.round, r.pushes) for r in rounds], [(0, sum(counts)), (1, 0)])

    def expect_verdicts(self, crew, counts, victim, twice):
        for rank, (worker, count) in enumerate(zip(crew.workers, counts)):
            self.count["duplicates"] += count * twice
            verdicts = [verdict for _, verdict in worker.lines("push")]
            if twice:
                pairs = [set(verdicts[i : i + 2]) for i in range(0, len(verdicts), 2)]
                self.assertEqual(pairs, [{"ACCEPTED", "DUPLICATE"}] * count)
            elif not victim or victim[0] != rank:
                self.assertEqual(verdicts, ["ACCEPTED"] * count)
        if victim:
            rank, moment, push = victim
            done = [words[0] for words in crew.workers[rank].lines("push")]
            self.assertEqual(len(done), push - (moment != "after"))
            again = crew.restarted.lines("push")
            self.assertEqual([key for key, _ in again][: len(done)], done)
            known = [verdict for _, verdict in again].count("DUPLICATE")
            # what was on its way has arrived, or has not
            self.assertIn(known, (push - 1, push) if moment == "during" else (len(done),))
            self.assertEqual([verdict for _, verdict in again],
                             ["DUPLICATE"] * known + ["ACCEPTED"] * (counts[rank] - known))
            self.count.update(kills=1, duplicates=known)
            if moment == "during":
                self.count.update(during=1, arrived=known - len(done))

    def expect_pulls(self, crew, tape, slots, counts, victim):
        """What was pulled on the way, in the open round, is what is there in the end."""
        late = crew.restarted if victim and victim[2] == counts[victim[0]] else None
        for worker in crew.workers + ([crew.restarted] if victim else []):
            for state, id, count, *words in worker.lines("pull"):
                values = [int(w) if tape.name == "i64" else float.fromhex(w) for w in words]
                self.assertIsNone(difference(tape, [(int(count), bits(tape.dtype, values))],
                                             [slots[int(id)]]))
                if gives(tape.nodes[int(id)]) and worker is not late:
                    self.assertEqual(state, "OPEN")


class OverTcp(Distributed):
    count = Counter()

    def shares(self, dtype, seed):
        tape, generator = random_tape(seed, dtype), random.Random(f"{seed} {dtype} shares")
        world_size = generator.choice((3, 4, 5))
        how = generator.choice(("round-robin", "blocks", "random"))
        return tape, share(generator, len(tape.nodes), world_size, how), world_size, generator

    def test_random_tapes(self):
        for dtype, seed in itertools.product(DTYPES, range(scaled(30))):
            tape, owners, world_size, _ = self.shares(dtype, seed)
            self.run_tape(tape, owners, world_size)

    def test_every_push_is_sent_twice(self):
        for dtype, seed in itertools.product(DTYPES, range(100, 100 + scaled(10, 1))):
            tape, owners, world_size, _ = self.shares(dtype, seed)
            self.run_tape(tape, owners, world_size, twice=True)

    def test_long_pushes_are_sent_twice(self):
        """So long that both are on their way before either is complete."""
        tape = long_tape("f64", (48, 160))
        for world_size in (3, 4, 5, 3, 4, 5):
            owners = share(None, len(tape.nodes), world_size, "round-robin")
            self.run_tape(tape, owners, world_size, twice=True)

    def test_one_worker_is_killed_and_comes_back(self):
        cases = itertools.product(MOMENTS, range(200, 200 + scaled(25)))
        for number, (moment, seed) in enumerate(cases):
            tape, owners, world_size, generator = self.shares(DTYPES[number % 3], seed)
            counts = pushes_of(tape, owners, world_size)
            rank = generator.randrange(world_size)
            self.run_tape(tape, owners, world_size,
                          (rank, moment, generator.randint(1, counts[rank])))

    def test_killed_about_each_push_of_one_tape(self):
        tape, world_size = Tape.read(CHAIN), 3
        owners = share(None, len(tape.nodes), world_size, "round-robin")
        pushes = pushes_of(tape, owners, world_size)[0]
        for moment, push in itertools.product(MOMENTS, range(1, pushes + 1)):
            self.run_tape(tape, owners, world_size, (0, moment, push))

    def test_a_network_on_digits(self):
        tape = network()
        owners = share(None, len(tape.nodes), 4, "round-robin")
        self.run_tape(tape, owners, 4, (1, "during", 3))

    def test_a_step_that_is_refused_adds_nothing(self):
        """One bad contribution behind a good one: the code of the pass here, and no trace."""
        for bad in ("9 [2] = 1 1", "0 [1,2] = 1 1"):
            text = f"tape i64\nleaf [2] = 1 2\ngiven [] = 1 ; 0 [2] = 5 6 ; {bad}\nseed 1 = 1\n"
            tape, job = Tape.read(text), f"backward-{next(numbers)}"
            with Crew(self.address(), job, tape, [0, 0], 1) as crew:
                [local] = run_local([text])
                with self.assertRaisesRegex(AssertionError, local.split()[1]):
                    crew.finish()
                self.conn.call("close_round", job=job, round=0)
                reply = self.conn.call("pull", job=job, round=0, nodes=[0], wait_ms=WAIT_MS)
                self.assertEqual((reply.code, reply.result.gradients[0].contributions, reply.body),
                                 (OK, 0, bytes(16)))


CHAIN = """tape i64
# a chain
leaf [2,2] = 1 -2 3 4
leaf [2,2] = 5 6 -7 8
matmul 0 1
relu 2
mul 3 0
sub 4 1
matmul 5 5
relu 6 frozen
add 6 6
add 8 7
sum 9
seed 10 = 1
seed 6 = 1 2 3 4
"""


class OverUnixSocket(Distributed):
    """Contributions lie in memory that the workers share with the server, also with dead ones."""

    UNIX = True
    count = Counter()

    def test_random_tapes_and_kills(self):
        cases = itertools.product(MOMENTS, range(300, 300 + scaled(15)))
        for number, (moment, seed) in enumerate(cases):
            tape, generator = random_tape(seed, DTYPES[number % 3]), random.Random(seed)
            owners = share(generator, len(tape.nodes), 4, "random")
            rank = generator.randrange(4)
            push = generator.randint(1, pushes_of(tape, owners, 4)[rank])
            self.run_tape(tape, owners, 4, (rank, moment, push))

    def test_a_network_on_digits(self):
        tape = network()
        self.run_tape(tape, share(None, len(tape.nodes), 4, "round-robin"), 4, (2, "during", 4))
