"""The order of the checks: a push that breaks two rules gets the error of the earlier one.

Every pair of rules that one push can break is tried on a job that is prepared so that each can be:
  a world of 3; round 0 closed, round 1 open; worker 1 is final in round 1; worker 0 has the
  accepted key (round 1, sequence 7) and worker 2 the key (round 0, sequence 7);
  node 0 plain f32 [2], node 1 frozen, node 2 expects one contribution and has it.
"""

import itertools
import unittest

from case import ServerCase, push_message, tensor
from wire import (
    CHECKSUM_MISMATCH,
    CONFLICT,
    DTYPE_MISMATCH,
    F32,
    FUTURE_ROUND,
    I64,
    INVALID_ARGUMENT,
    MALFORMED,
    NON_FINITE,
    NOT_FOUND,
    SHAPE_MISMATCH,
    STALE_ROUND,
    UNKNOWN_NODE,
    node,
)

GOOD = tensor(0, [1, 2])


def fields(**changes):
    return lambda push: push.update(changes)


def contribution(*tensors):
    return lambda push: push["tensors"].extend(tensors)


# (name, code, how to break it), in the order of the contract
RULES = [
    ("job", NOT_FOUND, fields(job="no-such-job")),
    ("worker", INVALID_ARGUMENT, fields(worker=3)),
    ("key", CONFLICT, fields(sequence=7)),
    ("stale", STALE_ROUND, fields(round=0)),
    ("future", FUTURE_ROUND, fields(round=2)),
    ("final", INVALID_ARGUMENT, fields(worker=1)),
    ("node", UNKNOWN_NODE, contribution(tensor(3, [1]))),
    ("shape", SHAPE_MISMATCH, contribution(tensor(0, [1, 2, 3]))),
    ("dtype", DTYPE_MISMATCH, contribution(tensor(0, [1, 2], I64))),
    ("expected", INVALID_ARGUMENT, contribution(tensor(2, [1]))),
    ("length", MALFORMED, fields(tail=b"x")),
    ("checksum", CHECKSUM_MISMATCH, fields(checksum=1)),
    ("non-finite", NON_FINITE, contribution(tensor(0, [1, float("inf")]))),
]
# One push has one worker and one round; these pairs contradict each other. Which of two bad
# contributions comes first is the push's choice: test_contributions_are_checked_in_their_order.
SET_BY = {"worker": "worker", "final": "worker", "stale": "round", "future": "round"}


class PushOrder(ServerCase):
    def setUp(self):
        super().setUp()
        self.job = self.create(
            [node(F32, [2]), node(F32, [2], requires_grad=False), node(F32, [1], expected=1)], 3
        )
        self.accept(self.job, [GOOD], worker=2, round=0, sequence=7)
        self.close_and_pull(self.job)
        self.accept(self.job, [GOOD, tensor(2, [1])], worker=0, round=1, sequence=7)
        self.accept(self.job, worker=1, round=1, final=True)

    def send_broken(self, rules):
        push = {
            "job": self.job,
            "tensors": [],
            "worker": 0,
            "round": 1,
            "sequence": None,
            "checksum": None,
            "tail": b"",
        }
        for _, _, break_it in rules:
            break_it(push)
        tail = push.pop("tail")
        message, body = push_message(push.pop("job"), push.pop("tensors") + [GOOD], **push)
        return self.conn.call("push", message, body + tail)

    def pairs(self):
        for first, second in itertools.combinations(RULES, 2):
            names = first[0], second[0]
            setting = [SET_BY.get(name) for name in names]
            if setting[0] and setting[0] == setting[1]:
                continue
            if "key" in names and {"job", "worker", "future", "final", "stale"} & set(names):
                continue  # tried by name below
            yield first, second

    def test_each_rule_alone(self):
        for rule in RULES:
            with self.subTest(rule[0]):
                self.expect(self.send_broken([rule]), rule[1])

    def test_of_two_broken_rules_the_first_answers(self):
        count = 0
        for first, second in self.pairs():
            with self.subTest(f"{first[0]} before {second[0]}"):
                self.expect(self.send_broken([first, second]), first[1])
                count += 1
        self.assertGreater(count, 60)
        self.assertEqual((self.rounds(self.job)[1].pushes, self.rounds(self.job)[1].bytes), (2, 12))

    def test_all_rules_at_once_fall_one_by_one(self):
        broken = [rule for rule in RULES if rule[0] not in ("key", "future", "final")]
        while broken:
            self.expect(self.send_broken(broken), broken[0][1])
            broken.pop(0)

    def test_key_comes_before_round(self):
        other = [tensor(0, [1, 2]), tensor(0, [1, 2])]
        self.push(self.job, other, CONFLICT, worker=2, round=0, sequence=7)
        self.duplicate(self.job, [GOOD], worker=2, round=0, sequence=7)
        self.push(self.job, [GOOD], STALE_ROUND, worker=2, round=0, sequence=8)

    def test_key_comes_before_final(self):
        self.accept(self.job, [GOOD], worker=0, round=1, sequence=8, final=True)
        self.duplicate(self.job, [GOOD], worker=0, round=1, sequence=8, final=True)
        self.push(self.job, [GOOD], CONFLICT, worker=0, round=1, sequence=8)
        self.push(self.job, [GOOD], INVALID_ARGUMENT, worker=0, round=1, sequence=9)

    def test_worker_comes_before_key(self):
        self.push(self.job, [GOOD], INVALID_ARGUMENT, worker=3, round=1, sequence=7)

    def test_contributions_are_checked_in_their_order(self):
        bad = {
            "node": tensor(9, [1]),
            "shape": tensor(0, [1]),
            "dtype": tensor(0, [1, 2], I64),
            "expected": tensor(2, [1]),
        }
        codes = {rule[0]: rule[1] for rule in RULES}
        for order in itertools.permutations(bad):
            push = [GOOD, tensor(1, [1] * 9)] + [bad[name] for name in order]
            self.push(self.job, push, codes[order[0]], worker=0, round=1)

    def test_shape_comes_before_dtype_and_dtype_before_expected(self):
        self.push(self.job, [tensor(0, [1, 2, 3], I64)], SHAPE_MISMATCH, round=1)
        self.push(self.job, [tensor(2, [1], I64)], DTYPE_MISMATCH, round=1)
        self.push(self.job, [tensor(2, [1, 1])], SHAPE_MISMATCH, round=1)


if __name__ == "__main__":
    unittest.main()
