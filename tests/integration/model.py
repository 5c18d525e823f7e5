"""The rules of pushes, rounds and pulls as a small sequential model, for random comparison.

Whole requests only, one after the other, on quorum = world_size or a quorum without grace: for
these the contract leaves no freedom, so that the server must answer exactly as the model does.
"""

import wire
from wire import (
    CONFLICT,
    DEADLINE_EXCEEDED,
    DTYPE_MISMATCH,
    FUTURE_ROUND,
    INVALID_ARGUMENT,
    MALFORMED,
    NOT_FOUND,
    OK,
    SHAPE_MISMATCH,
    STALE_ROUND,
    UNKNOWN_NODE,
)

WIDENS = {
    (wire.F16, wire.F32),
    (wire.F16, wire.F64),
    (wire.BF16, wire.F32),
    (wire.BF16, wire.F64),
    (wire.F32, wire.F64),
    (wire.I32, wire.I64),
}


class Round:
    def __init__(self, nodes):
        self.pushes = []  # (worker, [(node, values)]) in the order accepted
        self.finals, self.keys, self.bytes = set(), {}, 0
        self.given = [0] * nodes

    def members(self, partial):
        """What counts: with a partial quorum only what belongs to final workers."""
        return [push for push in self.pushes if not partial or push[0] in self.finals]


class Job:
    def __init__(self, spec):
        self.spec = spec
        self.quorum = spec.quorum or spec.world_size
        self.open = 0
        self.rounds = {0: Round(len(spec.nodes))}
        self.retired_below = 0

    def close(self):
        self.open += 1
        self.rounds[self.open] = Round(len(self.spec.nodes))
        self.retired_below = max(0, self.open - self.spec.retain_rounds)
        for number in [n for n in self.rounds if n < self.retired_below]:
            del self.rounds[number]

    # -- push ---------------------------------------------------------------------------------

    def push(self, message, body_size, values):
        """(code, verdict, round, ignored); values: one list for each contribution."""
        if message.worker >= self.spec.world_size:
            return INVALID_ARGUMENT, 0, 0, 0
        number = message.round if message.has("round") else self.open
        current = self.rounds.get(number)
        key = message.worker, message.sequence
        same = (
            message.contributions,
            body_size,
            message.final,
            message.has("body_checksum"),
            message.body_checksum,
        )
        if current and key in current.keys:
            before, ignored = current.keys[key]
            return (OK, wire.DUPLICATE, number, ignored) if before == same else (CONFLICT, 0, 0, 0)
        if number != self.open:
            return (STALE_ROUND if number < self.open else FUTURE_ROUND), 0, 0, 0
        if message.worker in current.finals:
            return INVALID_ARGUMENT, 0, 0, 0
        code, ignored, given = self._contributions(message.contributions, current, body_size)
        if code != OK:
            return code, 0, 0, 0
        current.given = given
        current.keys[key] = same, ignored
        current.bytes += body_size
        current.pushes.append(
            (
                message.worker,
                [
                    (c.node, v)
                    for c, v in zip(message.contributions, values)
                    if self.spec.nodes[c.node].requires_grad
                ],
            )
        )
        if message.final:
            current.finals.add(message.worker)
            if len(current.finals) >= self.quorum:
                self.close()
        return OK, wire.ACCEPTED, number, ignored

    def _contributions(self, contributions, current, body_size):
        given, ignored = list(current.given), 0
        for c in contributions:
            if c.node >= len(self.spec.nodes):
                return UNKNOWN_NODE, 0, None
            node = self.spec.nodes[c.node]
            if not node.requires_grad:
                ignored += 1
                continue
            if c.shape != node.shape:
                return SHAPE_MISMATCH, 0, None
            if c.dtype != node.dtype and (c.dtype, node.dtype) not in WIDENS:
                return DTYPE_MISMATCH, 0, None
            if node.expected and given[c.node] >= node.expected:
                return INVALID_ARGUMENT, 0, None
            given[c.node] += 1
        want = sum(wire.ITEM_BYTES[c.dtype] * wire.elements(c.shape) for c in contributions)
        return (OK, ignored, given) if want == body_size else (MALFORMED, 0, None)

    # -- close and pull -------------------------------------------------------------------------

    def close_round(self, number):
        if number > self.open:
            return FUTURE_ROUND
        if number < self.retired_below:
            return NOT_FOUND
        if number == self.open:
            self.close()
        return OK

    def pull(self, number, nodes):
        """(code, round, [(contributions, columns)]) of a pull that does not wait."""
        if number is None:
            number = self.open - 1 if self.open else 0
        if number > self.open:
            return FUTURE_ROUND, 0, None
        if number < self.retired_below:
            return NOT_FOUND, 0, None
        if any(n >= len(self.spec.nodes) for n in nodes):
            return UNKNOWN_NODE, 0, None
        nodes = nodes or range(len(self.spec.nodes))
        current = self.rounds[number]
        if number == self.open and not all(self._complete(n, current) for n in nodes):
            return DEADLINE_EXCEEDED, 0, None
        return OK, number, [self._sum(n, current) for n in nodes]

    def _complete(self, n, current):
        node = self.spec.nodes[n]
        return not node.requires_grad or 0 < node.expected <= current.given[n]

    def _sum(self, n, current):
        columns = [[] for _ in range(wire.elements(self.spec.nodes[n].shape))]
        count = 0
        for _, contributions in current.members(self.quorum < self.spec.world_size):
            for node, values in contributions:
                if node == n:
                    count += 1
                    for column, value in zip(columns, values):
                        column.append(value)
        return count, columns
