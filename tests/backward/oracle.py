"""The tape a second time, from README.md alone: text, values, backwardDenseFrom; sums are exact.

Integers are Python's; f64 is Python's float, f32 the same, rounded after each operation (which for
+, -, *, / gives what f32 arithmetic gives: f64 has more than twice the bits).

Beside it, a check that knows no backward function: `tangents` is forward differentiation, and on a
tape of rationals, where nothing is rounded,
    sum over seeds <seed, tangent of its node>  =  sum over leaves <gradient, tangent of the leaf>.
"""

import operator
import struct
from fractions import Fraction

import exact
from wire import F32, F64, I64

DTYPES = {"i64": I64, "f64": F64, "f32": F32}
_F32 = struct.Struct("<f")


def round_f32(x):
    return _F32.unpack(_F32.pack(x))[0]


def size_of(shape):
    size = 1
    for dimension in shape:
        size *= dimension
    return size


class Node:
    def __init__(self, op, shape, value, parents=(), frozen=False, given=()):
        self.op, self.shape, self.value, self.parents = op, shape, value, parents
        self.frozen, self.given = frozen, given


def _shape(word):
    assert word[0] == "[" and word[-1] == "]", word
    return tuple(int(d) for d in word[1:-1].split(",") if d)


class Tape:
    """A list of nodes and seeds, made of lines of text one by one. rational: of exact values, as if
    the dtype had no end."""

    def __init__(self, dtype, rational=False):
        self.name, self.dtype = dtype, DTYPES[dtype]
        self.nodes, self.seeds, self.lines = [], [], [f"tape {dtype}"]
        self.rational = rational
        self.round = round_f32 if dtype == "f32" and not rational else lambda x: x

    @classmethod
    def read(cls, text, rational=False):
        lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
        tape = cls(lines[0].split()[1], rational)
        for line in lines[1:]:
            tape.add(line)
        return tape

    def text(self):
        return "\n".join(self.lines) + "\n"

    def add(self, line):
        """A node, whose value is computed, or a seed."""
        op, *words = line.split()
        frozen = "frozen" in words
        words = [word for word in words if word != "frozen"]
        if op == "seed":
            self.seeds.append((int(words[0]), self._elements(words[2:])))
        elif op in ("leaf", "given"):
            parts = " ".join(words).split(" ;")
            shape, value = self._tensor(parts[0])
            given = [(int(part.split()[0]), *self._tensor(part.split(None, 1)[1]))
                     for part in parts[1:]]
            self.nodes.append(Node(op, shape, value, (), frozen, given))
        else:
            parents = tuple(map(int, words))
            shape, value = self._value(op, *(self.nodes[p] for p in parents))
            self.nodes.append(Node(op, shape, value, parents, frozen))
        self.lines.append(line)

    def _elements(self, words):
        if self.name == "i64":
            return [int(word) for word in words]
        values = [float.fromhex(word) if "x" in word else float(word) for word in words]
        if self.name == "f32":
            values = list(map(round_f32, values))
        return list(map(Fraction, values)) if self.rational else values

    def _tensor(self, text):
        shape, value = text.split("=")
        return _shape(shape.strip()), self._elements(value.split())

    # -- Arithmetic --------------------------------------------------------------------------------

    def _each(self, function, *tensors):
        return [self.round(function(*elements)) for elements in zip(*tensors)]

    def _sum(self, terms):
        total = 0 if self.name == "i64" or self.rational else 0.0
        for term in terms:
            total = self.round(total + term)
        return total

    def _dot(self, a, b):
        return self._sum(self._each(operator.mul, a, b))

    def _value(self, op, a, b=None):
        if op == "matmul":
            (m, _), (_, n) = a.shape, b.shape
            return (m, n), [self._dot(row(a, i), column(b, j)) for i in range(m) for j in range(n)]
        if op == "relu":
            return a.shape, [x if x > 0 else x * 0 for x in a.value]
        if op == "sum":
            return (), [self._sum(a.value)]
        if op == "mse":
            d = self._each(operator.sub, a.value, b.value)
            return (), [self.round(self._dot(d, d) / len(d))]
        function = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}[op]
        return a.shape, self._each(function, a.value, b.value)

    def vjp(self, node, g):
        """[(parent id, shape, elements)]"""
        if node.op == "given":
            return node.given
        of = [self.nodes[p] for p in node.parents]
        tensors = getattr(self, f"_vjp_{node.op}")(g, *of)
        return [(p, self.nodes[p].shape, t) for p, t in zip(node.parents, tensors)]

    def _vjp_leaf(self, _):
        return ()

    def _vjp_add(self, g, *_):
        return g, g

    def _vjp_sub(self, g, *_):
        return g, [-x for x in g]

    def _vjp_mul(self, g, a, b):
        return self._each(operator.mul, g, b.value), self._each(operator.mul, g, a.value)

    def _vjp_matmul(self, g, a, b):
        (m, k), (_, n) = a.shape, b.shape
        g = Node("", (m, n), g)
        return ([self._dot(row(g, i), row(b, l)) for i in range(m) for l in range(k)],
                [self._dot(column(a, l), column(g, j)) for l in range(k) for j in range(n)])

    def _vjp_relu(self, g, a):
        return [y if x > 0 else y * 0 for x, y in zip(a.value, g)],

    def _vjp_sum(self, g, a):
        return g * len(a.value),

    def _vjp_mse(self, g, a, b):
        c = self.round(self.round(2 * g[0]) / len(a.value))
        da = self._each(operator.mul, [c] * len(a.value),
                        self._each(operator.sub, a.value, b.value))
        return da, [-x for x in da]

    # -- The pass ----------------------------------------------------------------------------------

    def backward_dense_from(self):
        """[(contributions, elements)], a slot a node; an error is a ValueError."""
        slots = [[] for _ in self.nodes]

        def add_grad_all(id, shape, tensor):
            if id >= len(self.nodes):
                raise ValueError("UNKNOWN_NODE")
            if self.nodes[id].frozen:
                return
            if shape != self.nodes[id].shape:
                raise ValueError("SHAPE_MISMATCH")
            slots[id].append(tensor)

        for id, tensor in self.seeds:
            add_grad_all(id, self.nodes[id].shape, tensor)
        for id in reversed(range(len(self.nodes))):
            if not self.nodes[id].frozen:
                for contribution in self.vjp(self.nodes[id], self.read_slot(id, slots[id])):
                    add_grad_all(*contribution)
        return [(len(slot), self.read_slot(id, slot)) for id, slot in enumerate(slots)]

    def read_slot(self, id, contributions):
        """Their exact sum, rounded once."""
        columns = list(zip(*contributions)) or [()] * size_of(self.nodes[id].shape)
        if self.rational:
            return [sum(column, Fraction(0)) for column in columns]
        return exact.unpack(self.dtype, exact.expected_bytes(self.dtype, columns))

    def tangents(self, of_leaves):
        """The derivative of each node in the direction of_leaves; nothing passes frozen ones."""
        made = []
        for id, node in enumerate(self.nodes):
            if node.frozen:
                made.append([Fraction(0)] * size_of(node.shape))
            elif node.op == "leaf":
                made.append([Fraction(x) for x in of_leaves[id]])
            else:
                of = [self.nodes[p] for p in node.parents]
                made.append(_tangent(node, of, [made[p] for p in node.parents]))
        return made


def row(node, i):
    n = node.shape[1]
    return node.value[i * n : (i + 1) * n]


def column(node, j):
    return node.value[j :: node.shape[1]]


def _tangent(node, of, d):
    """By the rules of school: sum, product; relu where it has a derivative, 0 at 0."""
    x = [parent.value for parent in of]
    if node.op == "add":
        return list(map(operator.add, *d))
    if node.op == "sub":
        return list(map(operator.sub, *d))
    if node.op == "mul":
        return [p * dq + dp * q for p, q, dp, dq in zip(*x, *d)]
    if node.op == "relu":
        return [dp * (p > 0) for p, dp in zip(x[0], d[0])]
    if node.op == "sum":
        return [sum(d[0], Fraction(0))]
    if node.op == "mse":
        return [sum(2 * (p - q) * (dp - dq) for p, q, dp, dq in zip(*x, *d)) / len(x[0])]
    return _tangent_matmul(of, x, d)


def _tangent_matmul(of, x, d):
    (m, k), n = of[0].shape, of[1].shape[1]
    return [sum((x[0][i * k + l] * d[1][l * n + j] + d[0][i * k + l] * x[1][l * n + j]
                 for l in range(k)), Fraction(0)) for i in range(m) for j in range(n)]
