"""Tapes: at random from a seed, and a network on the handwritten digits."""

import functools
import math
import os
import random

from oracle import Tape, size_of

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/digits.csv")
LARGEST = {"i64": 2**40, "f64": 2.0**300, "f32": 2.0**40}


def number(x):
    return str(x) if isinstance(x, int) else x.hex()


def elements(values):
    return " ".join(map(number, values))


def text(shape):
    return "[" + ",".join(map(str, shape)) + "]"


class Maker:
    """Adds nodes at random: floats of many magnitudes, so that sums round."""

    def __init__(self, seed, dtype):
        self.random, self.dtype = random.Random(f"{seed} {dtype}"), dtype
        self.tape = Tape(dtype)
        self.tape.lines.append(f"# seed {seed}")

    def values(self, count):
        if self.dtype == "i64":
            return [self.random.randint(-9, 9) for _ in range(count)]
        bits = 50 if self.dtype == "f64" else 12
        return [self.tape.round(math.ldexp(self.random.uniform(-1, 1),
                                           self.random.randint(-bits, bits)))
                for _ in range(count)]

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    def leaf(self, shape):
        frozen = " frozen" if self.chance(6) else ""
        self.tape.add(f"leaf {text(shape)}{frozen} = {elements(self.values(size_of(shape)))}")

    def parents(self, op):
        """Ids that op takes, or None; a node twice is one of the choices."""
        nodes = self.tape.nodes
        a = self.random.randrange(len(nodes))
        if op in ("relu", "sum"):
            return (a,)
        if op == "matmul":
            fit = [i for i, node in enumerate(nodes) if len(node.shape) == 2 and
                   len(nodes[a].shape) == 2 and node.shape[0] == nodes[a].shape[1]]
        else:
            fit = [i for i, node in enumerate(nodes) if node.shape == nodes[a].shape]
        if not fit or (op == "mse" and size_of(nodes[a].shape) == 0):
            return None
        return a, self.random.choice(fit)

    def operation(self):
        ops = ["add", "sub", "mul", "matmul", "matmul", "relu", "sum"]
        if self.dtype != "i64":
            ops.append("mse")
        op = self.random.choice(ops)
        parents = self.parents(op)
        if parents is None:
            return
        frozen = " frozen" if self.chance(12) else ""
        self.tape.add(f"{op} {' '.join(map(str, parents))}{frozen}")
        if any(abs(x) > LARGEST[self.dtype] for x in self.tape.nodes[-1].value):
            self.tape.nodes.pop()
            self.tape.lines.pop()

    def seed(self, id):
        size = size_of(self.tape.nodes[id].shape)
        self.tape.add(f"seed {id} = {elements(self.values(size))}")

    def make(self, nodes):
        shapes = [(self.random.randint(1, 4), self.random.randint(1, 4)) for _ in range(2)]
        shapes += [shape[::-1] for shape in shapes] + [(), (0,), (2,), (2, 1, 2)]
        for _ in range(max(3, nodes // 4)):
            self.leaf(self.random.choice(shapes))
        for _ in range(10 * nodes):
            if len(self.tape.nodes) < nodes:
                self.operation()
        self.seed(len(self.tape.nodes) - 1)
        while self.chance(2):
            self.seed(self.random.randrange(len(self.tape.nodes)))
        return self.tape


def fits(tape):
    """Do its gradients have their place in the dtype?"""
    try:
        slots = tape.backward_dense_from()
    except OverflowError:  # struct: an f32 that is too large
        return False
    largest = LARGEST[tape.name] * 2**16
    return all(abs(x) < largest for _, values in slots for x in values)


def random_tape(seed, dtype):
    """4 to 30 nodes of all ops, some frozen, some twice the parent of one."""
    for attempt in range(100):
        maker = Maker(f"{seed}.{attempt}", dtype)
        tape = maker.make(maker.random.randint(4, 30))
        if fits(tape):
            return tape
    raise AssertionError(f"no tape for seed {seed} of {dtype}")


def any_parents(seed, dtype):
    """Nodes of one shape; some are `given`, whose contributions go to any node of the tape."""
    maker = Maker(f"{seed} any", dtype)
    nodes = maker.random.randint(3, 12)

    def two():
        return elements(maker.values(2))

    for id in range(nodes):
        frozen = " frozen" if maker.chance(6) else ""
        if id == 0 or maker.chance(2):
            to = [maker.random.randrange(nodes) for _ in range(maker.random.randrange(4))]
            given = "".join(f" ; {parent} [2] = {two()}" for parent in to)
            maker.tape.add(f"given [2]{frozen} = {two()}{given}")
        else:
            op, a, b = maker.random.choice(("add", "sub")), *maker.random.choices(range(id), k=2)
            maker.tape.add(f"{op} {a} {b}{frozen}")
    maker.seed(nodes - 1)
    return maker.tape


def long_tape(dtype, shape, steps=8):
    """Many elements; node 0 gets a contribution from each step."""
    maker = Maker("long", dtype)
    for _ in range(2):
        maker.tape.add(f"leaf {text(shape)} = {elements(maker.values(size_of(shape)))}")
    for step in range(steps):
        maker.tape.add(f"{'add' if step % 3 else 'sub'} {step + 1} 0")
    maker.tape.add(f"sum {steps + 1}")
    maker.tape.add(f"seed {steps + 2} = 3")
    return maker.tape


@functools.cache
def network(batches=3, batch=32, hidden=32, dtype="f32"):
    """64 - hidden - 10 with biases, on so many batches of digits with the same weights: each weight
    gets a contribution a batch. All the losses are added."""
    generator = random.Random(4)
    tape = Tape(dtype)
    tape.lines.append("# digits")
    with open(DIGITS, encoding="ascii") as file:
        images = [list(map(int, line.split(","))) for line in file]

    def leaf(shape, values, frozen=""):
        tape.add(f"leaf {text(shape)} {frozen} = {elements(map(tape.round, values))}")
        return len(tape.nodes) - 1

    def op(*words):
        tape.add(" ".join(map(str, words)))
        return len(tape.nodes) - 1

    def weights(*shape):
        return leaf(shape, [generator.gauss(0, 0.15) for _ in range(size_of(shape))])

    w1, b1, w2, b2 = weights(64, hidden), weights(1, hidden), weights(hidden, 10), weights(1, 10)
    ones = leaf((batch, 1), [1.0] * batch, "frozen")
    bias1, bias2, total = op("matmul", ones, b1), op("matmul", ones, b2), None
    for i in range(batches):
        some = images[i * batch : (i + 1) * batch]
        x = leaf((batch, 64), [p / 16 for image in some for p in image[:64]], "frozen")
        wanted = leaf((batch, 10), [float(image[64] == c) for image in some for c in range(10)],
                      "frozen")
        inner = op("relu", op("add", op("matmul", x, w1), bias1))
        loss = op("mse", op("add", op("matmul", inner, w2), bias2), wanted)
        total = loss if total is None else op("add", total, loss)
    tape.add(f"seed {total} = 1")
    return tape
