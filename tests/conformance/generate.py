"""Cases from a seed: a job, and what is asked of it. Case n of a seed is the same in every run."""

import random
from collections import namedtuple

import graphs
import values
from job import Close, Contribution, Job, NodeSpec, Pull, Push, Spec
from model import DTYPES, WIDENS, size
from wire import (
    EXACT,
    F32,
    I32,
    I64,
    IN_ORDER,
    MEAN,
    OUT_OF_RANGE,
    PROPAGATE,
    REJECT,
    SUM,
)
from xxh3 import xxh3_64

# kind: how many of a thousand
SHARES = {
    "sums": 230,
    "decisions": 190,
    "not finite": 90,
    "integers": 100,
    "in order": 90,
    "rounds": 130,
    "retries": 10,
    "many": 15,
    "alike": 15,
    "broken array": 20,
    "tape": 120,
}
FLOAT_DTYPES = [dtype for dtype in DTYPES if dtype not in (I32, I64)]
SHAPES = ((), (1,), (2,), (3,), (2, 2), (3, 1), (1, 3), (5,), (0,), (2, 0, 3))
WRONG_SHAPES = SHAPES + ((7,), (1, 1), (2, 2, 1), (1 << 40, 1 << 30))
UNKNOWN_DTYPES = (0, 7, 99, -1)
# Like numbers, unlike answers: what a block, a chunk and a group of the fold are.
LONG_SHAPES = ((31,), (33,), (8, 9), (1023,), (1025,), (2, 1030))

# asked: (request, Answer) in order. broken: ("missing" or "shape", id) of a spoilt array, which no
# request can make: only for the C functions. graph: of a tape case.
Case = namedtuple("Case", "number kind spec asked job broken graph")


def kind_of(rng):
    at = rng.randrange(sum(SHARES.values()))
    for kind, share in SHARES.items():
        at -= share
        if at < 0:
            return kind


class Maker:
    """Makes the requests of one case, and remembers the model's answers to them."""

    def __init__(self, rng, kind):
        self.rng, self.kind = rng, kind
        self.errors = {"decisions": 0.18, "rounds": 0.04, "broken array": 0.1}.get(kind, 0.01)
        self.specials = 0.12 if kind == "not finite" else 0.003
        self.asked, self.pools, self.sequence = [], {}, 0
        self.spec = self.make_spec()
        self.job = Job(self.spec)

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    # -- the job ------------------------------------------------------------------------------

    def node_dtype(self):
        if self.kind == "alike":
            return self.rng.choice((F32, F32, *DTYPES))
        if self.kind == "integers":
            return self.rng.choice((I32, I64))
        if self.kind in ("sums", "not finite"):
            return self.rng.choice(FLOAT_DTYPES)
        return self.rng.choice(DTYPES)

    def make_node(self, expect):
        shape = self.rng.choice(SHAPES) if self.kind != "alike" else ()
        if self.kind in ("sums", "in order") and self.one_in(60):
            shape = self.rng.choice(LONG_SHAPES)
        return NodeSpec(
            self.node_dtype(),
            shape,
            self.rng.random() < {"decisions": 0.7, "alike": 1}.get(self.kind, 0.9),
            self.rng.choice((0, 1, 2, 3)) if expect else 0,
        )

    def make_spec(self):
        rng = self.rng
        rounds = self.kind in ("rounds", "retries")
        world = rng.randrange(1, 4) if rounds or self.one_in(4) else 1
        quorum = rng.randrange(world + 1) if rounds else 0
        expect = self.kind == "rounds" and quorum in (0, world)
        nodes = [self.make_node(expect) for _ in range(rng.choice((0, 1, 1, 2, 3, 4, 6)))]
        if self.kind != "decisions" and not nodes:
            nodes = [self.make_node(expect)]
        # A spoilt array is looked for by the fold alone, which does not mind what is not finite.
        propagate = self.kind == "broken array"
        propagate |= self.kind == "not finite" and not self.one_in(3)
        in_order = self.kind == "in order" or (self.kind == "not finite" and self.one_in(4))
        return Spec(
            tuple(nodes),
            world,
            quorum,
            rng.choice((SUM, SUM, MEAN)),
            IN_ORDER if in_order else EXACT,
            PROPAGATE if propagate else REJECT,
        )

    # -- pushes -------------------------------------------------------------------------------

    def contribution(self):
        rng, nodes = self.rng, self.spec.nodes
        if not nodes or rng.random() < self.errors / 4:
            id = rng.choice((len(nodes), len(nodes) + 1, 1 << 32, (1 << 64) - 1))
            node = NodeSpec(F32, (1,))
        else:
            id = rng.randrange(len(nodes))
            node = nodes[id]
        narrower = [a for a, b in WIDENS if b == node.dtype]
        dtype = rng.choice(narrower) if narrower and rng.random() < 0.3 else node.dtype
        shape = node.shape
        frozen = not node.requires_grad
        if rng.random() < self.errors / 2 or (frozen and self.one_in(3)):
            shape = rng.choice(WRONG_SHAPES)
        if rng.random() < self.errors / 3:
            dtype = rng.choice(DTYPES + UNKNOWN_DTYPES)
        count = size(shape) if size(shape) < 1 << 20 else 0
        specials = 0.5 if frozen and self.one_in(3) else self.specials
        return Contribution(id, dtype, shape, values.data(rng, dtype, count, self.pools, specials))

    def contributions(self):
        count = self.rng.choice((0, 1, 1, 2, 3, 5, 12))
        if self.kind == "many":
            count = self.rng.choice((9, 130, 260))
        return tuple(self.contribution() for _ in range(count))

    def push(self, **fields):
        self.sequence += 1
        rng = self.rng
        push = Push(self.contributions(), **{"sequence": self.sequence, **fields})
        if self.one_in(8) and len(data := b"".join(c.data for c in push.contributions)) < 1000:
            wrong = self.one_in(4)
            push = push._replace(checksum=xxh3_64(data) ^ wrong)
        if rng.random() < self.errors / 3:
            push = push._replace(extra=b"!")
        self.ask(push)

    def again(self):
        """A push that was sent before, or another one under its key."""
        pushes = [request for request, _ in self.asked if isinstance(request, Push)]
        push = self.rng.choice(pushes)
        change = self.rng.randrange(8)
        if change == 0:
            push = push._replace(final=not push.final)
        elif change == 1:
            push = push._replace(contributions=push.contributions[1:])
        self.ask(push)

    def ask(self, request):
        self.asked.append((request, self.job.ask(request)))

    # -- whole cases --------------------------------------------------------------------------

    def plain(self):
        """Pushes into round 0, which then closes: by its workers, or when asked to."""
        for _ in range(self.rng.choice((1, 1, 2, 3, 5))):
            self.push(worker=self.rng.randrange(self.spec.world_size))
        if self.one_in(3):
            self.ask(Close(0))
        else:
            for worker in range(self.spec.world_size):
                self.push(worker=worker, final=True)

    def rounds(self):
        """Everything at once, over up to three rounds."""
        rng, world = self.rng, self.spec.world_size
        for _ in range(rng.randrange(3, 9)):
            open_round, what = self.job.open, rng.random()
            if what < 0.15 and self.asked:
                pushes = [r for r, _ in self.asked if isinstance(r, Push)]
                if pushes:
                    self.again()
            elif what < 0.25 and self.spec.nodes:
                ids = [rng.randrange(len(self.spec.nodes)) for _ in range(rng.randrange(3))]
                ids += [len(self.spec.nodes)] if self.one_in(4) else []
                self.ask(Pull(rng.choice((open_round, open_round, open_round + 1)), tuple(ids)))
            elif what < 0.3 and open_round < 2:
                self.ask(Close(rng.choice((open_round, open_round, open_round + 1))))
            else:
                near = (open_round, open_round, open_round, None, open_round + 1, open_round - 1)
                number = rng.choice(near)
                self.push(
                    worker=rng.randrange(world) if not self.one_in(15) else world,
                    round=max(number, 0) if number is not None else None,
                    final=self.one_in(4) and open_round < 3,
                )
        self.ask(Close(self.job.open))

    def retries(self):
        """More keys than a table has room for at first, each looked for again."""
        world, count = self.spec.world_size, self.rng.choice((20, 40, 70))
        for i in range(count):
            self.sequence = self.rng.choice((i, i, i << 32, self.sequence))
            node = self.spec.nodes[0]
            data = values.data(self.rng, node.dtype, size(node.shape), self.pools)
            contribution = Contribution(0, node.dtype, node.shape, data)
            key = {"worker": self.rng.randrange(world), "sequence": self.sequence}
            self.ask(Push((contribution,) * self.rng.randrange(2), **key))
        for push in [request for request, _ in self.asked]:
            self.ask(push)
        self.ask(Close(0))

    def alike(self):
        """Many contributions to one scalar."""
        dtype = self.spec.nodes[0].dtype
        tensors = values.alike(self.rng, dtype, self.rng.choice((64, 257, 400)))
        self.ask(Push(tuple(Contribution(0, dtype, (), data) for data in tensors), final=True))
        self.ask(Close(0))

    def pull_everything(self):
        """What each closed round holds; if a node is out of range, the others alone."""
        for number in range(self.job.open):
            self.ask(Pull(number))
            if self.asked[-1][1].code == OUT_OF_RANGE:
                for id in range(len(self.spec.nodes)):
                    self.ask(Pull(number, (id,)))


def make(seed, number):
    """Case `number` of a seed."""
    rng = random.Random(f"{seed} {number}")
    kind = kind_of(rng)
    if kind == "tape":
        graph, spec, requests = graphs.make(rng)
        job = Job(spec)
        return Case(number, kind, spec, [(r, job.ask(r)) for r in requests], job, None, graph)
    maker = Maker(rng, kind)
    broken = None
    special = {"rounds": maker.rounds, "retries": maker.retries, "alike": maker.alike}
    special.get(kind, maker.plain)()
    if kind == "broken array":
        broken = (rng.choice(("missing", "shape")), rng.randrange(len(maker.spec.nodes)))
    else:
        maker.pull_everything()
    return Case(number, kind, maker.spec, maker.asked, maker.job, broken, None)
