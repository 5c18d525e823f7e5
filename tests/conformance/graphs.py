"""Tapes with backward functions: the ops of tests/backward, their arithmetic transcribed from its
README.md, and the pass as requests to a server.

Numbers are Python's: ints, and floats rounded to the tape's dtype after each operation.
"""

import struct
from collections import Counter, namedtuple

import exact
import model
from arithmetic import OUT, elements, exactly, read_out
from job import Close, Contribution, NodeSpec, Pull, Push, Spec
from model import Error, Tensor, size
from wire import F32, F64, I64, OUT_OF_RANGE, PROPAGATE, SUM

NAMES = {I64: "i64", F64: "f64", F32: "f32"}
SHAPES = ((2, 3), (3, 2), (2, 2), (), (3,), (1, 2), (2, 1), (0, 2), (2, 0))
SAME_SHAPE = ("add", "sub", "mul", "mse")

# given: of a `given`, (id, shape, numbers). value: numbers, row-major.
GraphNode = namedtuple("GraphNode", "op parents shape frozen value given", defaults=[()])
Graph = namedtuple("Graph", "dtype nodes seeds text")


class OutOfRange(Exception):
    """An integer left its range."""


class Arithmetic:
    """Single operations in a dtype, each rounded on its own."""

    def __init__(self, dtype):
        self.dtype = dtype

    def round(self, x):
        if self.dtype == I64:
            if not -(1 << 63) <= x < 1 << 63:
                raise OutOfRange
            return x
        if self.dtype == F64:
            return x
        try:
            return struct.unpack("<f", struct.pack("<f", x))[0]
        except OverflowError:
            return float("inf") if x > 0 else float("-inf")

    def zero(self):
        return 0 if self.dtype == I64 else 0.0

    def negative(self, x):
        return self.round(-x)

    def add(self, a, b):
        return self.round(a + b)

    def sub(self, a, b):
        return self.round(a - b)

    def mul(self, a, b):
        return self.round(a * b)

    def div(self, a, b):
        return self.round(a / b)

    def total(self, terms):
        s = self.zero()
        for x in terms:
            s = self.add(s, x)
        return s


# -- Values and backward functions, by op ---------------------------------------------------------


def rows(shape_a, shape_b):
    return shape_a[0], shape_a[1], shape_b[1]


def forward(t, op, shapes, a, b=None):
    """The value of a node from those of its parents."""
    if op in ("add", "sub", "mul"):
        return [getattr(t, op)(x, y) for x, y in zip(a, b)]
    if op == "relu":
        return [x if x > 0 else t.zero() for x in a]
    if op == "sum":
        return [t.total(a)]
    if op == "mse":
        d = [t.sub(x, y) for x, y in zip(a, b)]
        return [t.div(t.total(t.mul(x, x) for x in d), len(d))]
    m, k, n = rows(*shapes)
    return [
        t.total(t.mul(a[i * k + l], b[l * n + j]) for l in range(k))
        for i in range(m)
        for j in range(n)
    ]


def vjp_matmul(t, shapes, g, a, b):
    m, k, n = rows(*shapes)
    da = [
        t.total(t.mul(g[i * n + j], b[l * n + j]) for j in range(n))
        for i in range(m)
        for l in range(k)
    ]
    db = [
        t.total(t.mul(a[i * k + l], g[i * n + j]) for i in range(m))
        for l in range(k)
        for j in range(n)
    ]
    return da, db


def vjp_mse(t, shapes, g, a, b):
    c = t.div(t.mul(2, g[0]), len(a))
    da = [t.mul(c, t.sub(x, y)) for x, y in zip(a, b)]
    return da, [t.negative(x) for x in da]


# The contributions to the parents, from the gradient g at the node and the parents' values.
VJP = {
    "add": lambda t, shapes, g, a, b: (g, g),
    "sub": lambda t, shapes, g, a, b: (g, [t.negative(x) for x in g]),
    "mul": lambda t, shapes, g, a, b: (list(map(t.mul, g, b)), list(map(t.mul, g, a))),
    "relu": lambda t, shapes, g, a: ([y if x > 0 else t.zero() for x, y in zip(a, g)],),
    "sum": lambda t, shapes, g, a: (g * len(a),),
    "matmul": vjp_matmul,
    "mse": vjp_mse,
}


def as_tape(graph):
    """The tape of model.py: nodes whose backward functions are those above."""
    return tuple(
        model.Node(graph.dtype, n.shape, not n.frozen, backward_of(graph, id))
        for id, n in enumerate(graph.nodes)
    )


def tensor(graph, shape, numbers):
    return Tensor(graph.dtype, shape, elements(graph.dtype, exact.pack(graph.dtype, numbers)))


def backward_of(graph, id):
    node = graph.nodes[id]

    def backward(dldy):
        data = read_out(dldy, SUM)
        if data is OUT:
            raise Error(OUT_OF_RANGE, id)
        if node.op == "given":
            return [(pid, tensor(graph, shape, numbers)) for pid, shape, numbers in node.given]
        parents = [graph.nodes[pid] for pid in node.parents]
        if not parents:
            return []
        g, shapes = exact.unpack(graph.dtype, data), [p.shape for p in parents]
        try:
            gave = VJP[node.op](Arithmetic(graph.dtype), shapes, g, *(p.value for p in parents))
        except OutOfRange:
            raise Error(OUT_OF_RANGE, id) from None
        return [(p, tensor(graph, s, da)) for p, s, da in zip(node.parents, shapes, gave)]

    return backward


def seeds_of(graph):
    return [(id, tensor(graph, graph.nodes[id].shape, numbers)) for id, numbers in graph.seeds]


def start(graph, add=exactly):
    """The array that the pass begins with."""
    tape = as_tape(graph)
    return tape, model.fold_contributions(tape, model.zeros(tape), seeds_of(graph), add)


def dense(graph, add=exactly):
    """backwardDenseFrom: the array, or an Error."""
    tape, grads0 = start(graph, add)
    return model.backward_dense_from(tape, grads0, add)


# -- A graph from a generator ---------------------------------------------------------------------


def random_number(rng, dtype):
    if dtype == I64:
        bits = 62 if rng.random() < 0.06 else 4
        return rng.randint(-(1 << bits), 1 << bits)
    x = rng.choice((0.0, 1.0, rng.uniform(-4, 4), rng.uniform(-4, 4) * 2.0 ** rng.randint(-40, 40)))
    return Arithmetic(dtype).round(x)


def random_numbers(rng, dtype, shape):
    return [random_number(rng, dtype) for _ in range(size(shape))]


def choices(op, nodes):
    """All parents that an op could have."""
    ids = range(len(nodes))
    if op in ("relu", "sum"):
        return [(a,) for a in ids]
    shape = [n.shape for n in nodes]
    if op in SAME_SHAPE:
        fits = [(a, b) for a in ids for b in ids if shape[a] == shape[b]]
        return [p for p in fits if op != "mse" or size(shape[p[0]]) > 0]
    two = [i for i in ids if len(shape[i]) == 2]
    return [(a, b) for a in two for b in two if shape[a][1] == shape[b][0]]


def shape_of(op, shapes):
    if op in ("sum", "mse"):
        return ()
    return (shapes[0][0], shapes[1][1]) if op == "matmul" else shapes[0]


def given_contributions(rng, dtype, nodes):
    """What a `given` returns: mostly right, else an id or a shape that addGradAll refuses."""
    gave = []
    for _ in range(rng.randrange(4) if nodes else 0):
        id = rng.randrange(len(nodes))
        shape = nodes[id].shape
        if rng.random() < 0.06:
            id = 1 << 20
        elif rng.random() < 0.12:
            shape = rng.choice(SHAPES)
        gave.append((id, shape, random_numbers(rng, dtype, shape)))
    return tuple(gave)


def give_to_passed(rng, dtype, nodes):
    """Some `given` nodes contribute to themselves or to later ones, too, whose steps were taken."""
    for id, node in enumerate(nodes):
        if node.op == "given" and rng.random() < 0.4:
            to, at = rng.randrange(id, len(nodes)), rng.randrange(len(node.given) + 1)
            gave = to, nodes[to].shape, random_numbers(rng, dtype, nodes[to].shape)
            nodes[id] = node._replace(given=node.given[:at] + (gave,) + node.given[at:])


def add_node(rng, dtype, nodes):
    ops = ["leaf", "given", "add", "sub", "mul", "relu", "sum", "matmul", "matmul", "matmul"]
    op = rng.choice(ops + ([] if dtype == I64 else ["mse"]))
    frozen, parents = rng.random() < 0.12, ()
    if op not in ("leaf", "given"):
        possible = choices(op, nodes)
        if not possible:
            op = "leaf"
        else:
            parents = rng.choice(possible)
    if op in ("leaf", "given"):
        shape = rng.choice(SHAPES)
        given = given_contributions(rng, dtype, nodes) if op == "given" else ()
        nodes.append(
            GraphNode(op, (), shape, frozen, random_numbers(rng, dtype, shape), given)
        )
        return
    shapes, inputs = [nodes[p].shape for p in parents], [nodes[p].value for p in parents]
    value = forward(Arithmetic(dtype), op, shapes, *inputs)
    nodes.append(GraphNode(op, parents, shape_of(op, shapes), frozen, value))


def random_graph(rng):
    dtype = rng.choice((I64, I64, F64, F32))
    nodes = []
    for _ in range(rng.randint(2, 12)):
        try:
            add_node(rng, dtype, nodes)
        except OutOfRange:
            pass  # a forward pass that fails has no gradients
    ids = [len(nodes) - 1] * (rng.random() < 0.9)
    ids += [rng.randrange(len(nodes)) for _ in range(rng.choice((0, 0, 1, 2)))]
    seeds = [(id, random_numbers(rng, dtype, nodes[id].shape)) for id in ids if nodes]
    give_to_passed(rng, dtype, nodes)
    return Graph(dtype, nodes, seeds, as_text(dtype, nodes, seeds))


# -- As text, and as requests ---------------------------------------------------------------------


def numbers_text(numbers):
    return "".join(" " + (x.hex() if isinstance(x, float) else str(x)) for x in numbers)


def shape_text(shape):
    return "[" + ",".join(map(str, shape)) + "]"


def as_text(dtype, nodes, seeds):
    lines = [f"tape {NAMES[dtype]}"]
    for node in nodes:
        frozen = " frozen" if node.frozen else ""
        if node.op in ("leaf", "given"):
            line = f"{node.op} {shape_text(node.shape)}{frozen} ={numbers_text(node.value)}"
            for id, shape, numbers in node.given:
                line += f" ; {id} {shape_text(shape)} ={numbers_text(numbers)}"
        else:
            line = " ".join((node.op, *map(str, node.parents))) + frozen
        lines.append(line)
    lines += [f"seed {id} ={numbers_text(numbers)}" for id, numbers in seeds]
    return "\n".join(lines) + "\n"


def counts(graph):
    """How many contributions each node gets, when nothing goes wrong."""
    gets = Counter(id for id, _ in graph.seeds)
    for node in graph.nodes:
        if not node.frozen:
            gets.update(node.parents)
            gets.update(
                id
                for id, shape, _ in node.given
                if id < len(graph.nodes) and shape == graph.nodes[id].shape
            )
    return gets


def as_push(graph, sequence, tensors):
    """Contributions as they are sent. Their numbers were read from bytes: nothing is rounded."""
    return Push(
        tuple(
            Contribution(id, g.dtype, g.shape, read_out(g, SUM)) for id, g in tensors
        ),
        sequence=sequence,
    )


def as_requests(graph):
    """The pass through a server: the seeds; then for each node from the last, its gradient is
    pulled in the open round, and what its backward function makes of it is pushed. A node to which
    itself or an earlier one contributes is not complete then, and the pull says so."""
    tape, acc = start(graph)
    gets = counts(graph)
    yield Push((), sequence=0) if not graph.seeds else as_push(graph, 0, seeds_of(graph))
    for id in reversed(range(len(tape))):
        if not tape[id].requires_grad:
            continue
        if gets[id]:
            yield Pull(0, (id,))
        try:
            contributions = tape[id].backward(acc[id])
        except Error:
            break
        if contributions:
            yield as_push(graph, 1 + id, contributions)
        try:
            acc = model.backward_dense_from_step(tape, acc, id, exactly)
        except Error:
            break
    yield Close(0)
    yield Pull(0)
    for id in range(len(tape)):
        yield Pull(0, (id,))


def make(rng):
    """(graph, the job's spec, requests)"""
    graph = random_graph(rng)
    gets = counts(graph)
    nodes = tuple(
        NodeSpec(graph.dtype, n.shape, not n.frozen, gets[id])
        for id, n in enumerate(graph.nodes)
    )
    return graph, Spec(nodes, non_finite=PROPAGATE), list(as_requests(graph))
