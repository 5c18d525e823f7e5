"""A job as WIRE.md states it, around the definitions of model.py: keys, rounds, who is final.

One request after the other; what it answers is an Answer. Rounds close at once here: whoever asks a
server pulls with patience.
"""

from collections import namedtuple

import model
import wire
from arithmetic import ADDITION, OUT, elements, finite, read_out
from model import Error, Tensor
from wire import OK
from xxh3 import xxh3_64

NodeSpec = namedtuple("NodeSpec", "dtype shape requires_grad expected", defaults=[True, 0])
Spec = namedtuple(
    "Spec",
    "nodes world_size quorum reduction accumulation non_finite",
    defaults=[1, 0, wire.SUM, wire.EXACT, wire.REJECT],
)
Contribution = namedtuple("Contribution", "node dtype shape data")
# round: None where the request names none; checksum: None, or what it says; extra: bytes behind
# the tensors that the header does not list.
Push = namedtuple(
    "Push",
    "contributions round worker sequence final checksum extra",
    defaults=[0, 0, 0, False, None, b""],
)
Close = namedtuple("Close", "round")
Pull = namedtuple("Pull", "round nodes", defaults=[()])  # nodes: none for all

# kind: what the answer is, for the count of kinds. node, shapes: what an error's message names.
# states: a pull's round may be in; gradients: (node, contributions, bytes) each.
Answer = namedtuple(
    "Answer",
    "kind code round ignored states gradients node shapes",
    defaults=[OK, None, None, (), (), None, ()],
)


class Refused(Exception):
    """A code and what for; `node`, `shapes`: what the message must name."""

    def __init__(self, code, what, node=None, shapes=()):
        super().__init__(code, what)
        name = wire.CODES[code]
        kind = f"{name}: {what}" if what else name
        self.answer = Answer(kind, code, node=node, shapes=shapes)


def body(push):
    return b"".join(c.data for c in push.contributions) + push.extra


def as_tensor(c):
    """The contribution with its elements; of a dtype that nobody knows there are none."""
    known = c.dtype in model.DTYPES
    return Tensor(c.dtype, c.shape, elements(c.dtype, c.data) if known else ())


class Round:
    def __init__(self, tape):
        self.grads = model.zeros(tape)
        self.given = (0,) * len(tape)  # contributions accepted
        self.keys, self.finals = {}, set()
        self.waiting = {}  # partial quorum: accepted lists by worker, until it is final
        self.lists = []  # what the array saw, in order: (contributions, Answer)


class Job:
    def __init__(self, spec):
        self.spec = spec
        self.tape = tuple(model.Node(n.dtype, n.shape, n.requires_grad) for n in spec.nodes)
        self.add = ADDITION[spec.accumulation]
        self.quorum = spec.quorum or spec.world_size
        self.partial = self.quorum < spec.world_size
        self.open = 0
        self.rounds = [Round(self.tape)]

    def ask(self, request):
        act = {Push: self.push, Close: self.close, Pull: self.pull}[type(request)]
        try:
            return act(request)
        except Refused as refused:
            return refused.answer

    # -- push: decided in the order of WIRE.md ------------------------------------------------

    def push(self, push):
        if push.worker >= self.spec.world_size:
            raise Refused(wire.INVALID_ARGUMENT, "no such worker")
        number = self.open if push.round is None else push.round
        key, print_ = (push.worker, push.sequence), self.print_of(push)
        if number <= self.open and key in self.rounds[number].keys:
            before, ignored = self.rounds[number].keys[key]
            if before != print_:
                raise Refused(wire.CONFLICT, "")
            return Answer("DUPLICATE", round=number, ignored=ignored)
        if number != self.open:
            raise Refused(wire.STALE_ROUND if number < self.open else wire.FUTURE_ROUND, "")
        current = self.rounds[number]
        if push.worker in current.finals:
            raise Refused(wire.INVALID_ARGUMENT, "the worker is final")
        tensors = [(c.node, as_tensor(c)) for c in push.contributions]
        grads, given = self.fold(current, push, tensors)
        self.check_body(push, tensors, current)
        ignored = sum(not self.tape[id].requires_grad for id, _ in tensors)
        current.keys[key] = print_, ignored
        current.given = given
        answer = Answer("ACCEPTED", round=number, ignored=ignored)
        if self.partial:
            current.waiting.setdefault(push.worker, []).append((push, tensors, answer))
        else:
            current.grads = grads
            current.lists.append((push.contributions, answer))
        if push.final:
            self.final(current, push.worker)
        return answer

    @staticmethod
    def print_of(push):
        """What a repeated push must have in common with the first."""
        said = [(c.node, c.dtype, c.shape) for c in push.contributions]
        return said, len(body(push)), push.final, push.checksum

    def fold(self, current, push, tensors):
        """foldlM: addGradAll, and a count for `expected`."""

        def step(state, contribution):
            grads, given = state
            id, g = contribution
            grads = model.add_grad_all(self.tape, grads, id, g, self.add)
            if not self.tape[id].requires_grad:
                return grads, given
            if 0 < self.spec.nodes[id].expected <= given[id]:
                raise Refused(wire.INVALID_ARGUMENT, "has its expected contributions", id)
            return grads, given[:id] + (given[id] + 1,) + given[id + 1 :]

        try:
            return model.foldlm(step, (current.grads, current.given), tensors)
        except Error as error:
            what = "unknown dtype" if error.code == wire.INVALID_ARGUMENT else ""
            refused = Refused(error.code, what, error.node, error.shapes)
            current.lists.append((push.contributions, refused.answer))
            raise refused from None

    def check_body(self, push, tensors, current):
        data = body(push)
        if sum(wire.ITEM_BYTES[g.dtype] * model.size(g.shape) for _, g in tensors) != len(data):
            raise Refused(wire.MALFORMED, "")
        if push.checksum is not None and push.checksum != xxh3_64(data):
            raise Refused(wire.CHECKSUM_MISMATCH, "")
        if self.spec.non_finite == wire.PROPAGATE:
            return
        for id, g in tensors:
            if self.tape[id].requires_grad and not all(map(finite, g.elements)):
                refused = Refused(wire.NON_FINITE, "", id)
                current.lists.append((push.contributions, refused.answer))
                raise refused

    # -- rounds -------------------------------------------------------------------------------

    def final(self, current, worker):
        """With a partial quorum, what the worker pushed is added now."""
        for push, tensors, answer in current.waiting.pop(worker, ()):
            current.grads = model.fold_contributions(self.tape, current.grads, tensors, self.add)
            current.lists.append((push.contributions, answer))
        current.finals.add(worker)
        if len(current.finals) >= self.quorum:
            self.next_round()

    def next_round(self):
        self.open += 1
        self.rounds.append(Round(self.tape))

    def close(self, close):
        if close.round > self.open:
            raise Refused(wire.FUTURE_ROUND, "")
        if close.round == self.open:
            self.next_round()
        return Answer("round closed")

    # -- pull ---------------------------------------------------------------------------------

    def pull(self, pull):
        if pull.round > self.open:
            raise Refused(wire.FUTURE_ROUND, "")
        nodes = pull.nodes or range(len(self.tape))
        for id in nodes:
            if id >= len(self.tape):
                raise Refused(wire.UNKNOWN_NODE, "of a pull", id)
        current, is_open = self.rounds[pull.round], pull.round == self.open
        complete = all(self.complete(current, id) for id in nodes)
        if is_open and not complete:
            raise Refused(wire.DEADLINE_EXCEEDED, "")
        gradients = []
        for id in nodes:
            data = read_out(current.grads[id], self.spec.reduction)
            if data is OUT:
                raise Refused(wire.OUT_OF_RANGE, "", id)
            gradients.append((id, current.grads[id].contributions, data))
        if is_open:
            kind, states = "pulled early", (wire.OPEN,)
        else:  # a round that is still closing gives complete nodes as an open one does
            kind, states = "pulled", (wire.CLOSED,) + (wire.OPEN,) * complete
        return Answer(kind, round=pull.round, states=states, gradients=tuple(gradients))

    def complete(self, current, id):
        return not self.tape[id].requires_grad or 0 < self.spec.nodes[id].expected <= (
            current.given[id]
        )
