"""Repeated keys: exactly once, whatever is resent, and CONFLICT when it is not the same push."""

import unittest

import wire
from case import ServerCase, push_message, tensor
from wire import CONFLICT, F32, F64, INVALID_ARGUMENT, SHAPE_MISMATCH, STALE_ROUND, node


class Keys(ServerCase):
    def setUp(self):
        super().setUp()
        self.job = self.create(
            [node(F32, [2]), node(F64, [2]), node(F32, [2], requires_grad=False)], 2
        )
        self.tensors = [tensor(0, [1, 2]), tensor(2, [9, 9])]

    def test_a_repeated_key_counts_once_and_gets_the_first_reply(self):
        first = self.accept(self.job, self.tensors, sequence=5)
        for _ in range(3):
            again = self.duplicate(self.job, self.tensors, sequence=5)
            self.assertEqual((again.round, again.ignored), (first.round, first.ignored))
        self.assertEqual(again.ignored, 1)
        status = self.rounds(self.job)[0]
        self.assertEqual((status.pushes, status.bytes), (1, 16))
        self.assertEqual(self.close_and_pull(self.job)[0], [1, 2])

    def test_a_repeated_key_works_from_another_connection(self):
        self.accept(self.job, self.tensors, sequence=5)
        self.duplicate(self.job, self.tensors, sequence=5, conn=self.connect())

    def test_each_difference_is_a_conflict(self):
        self.accept(self.job, self.tensors, sequence=5)
        (a, data_a), (b, data_b) = self.tensors
        for what, tensors, fields in (
            ("fewer contributions", [(a, data_a)], {}),
            ("more contributions", self.tensors + [tensor(0, [1, 2])], {}),
            ("none", [], {}),
            ("another order", [(b, data_b), (a, data_a)], {}),
            ("another node", [(a.copy(node=1), data_a), (b, data_b)], {}),
            ("another dtype", [(a.copy(dtype=F64), data_a * 2), (b, data_b)], {}),
            ("another shape", [(a.copy(shape=[2, 1]), data_a), (b, data_b)], {}),
            ("another shape of a frozen node", [(a, data_a), (b.copy(shape=[1, 2]), data_b)], {}),
            ("another body length", [(a, data_a), (b, data_b + b"1234")], {}),
            ("final", self.tensors, {"final": True}),
            ("a checksum", self.tensors, {"checksum": True}),
        ):
            with self.subTest(what):
                self.push(self.job, tensors, CONFLICT, sequence=5, **fields)
        self.assertEqual(self.rounds(self.job)[0].pushes, 1)
        self.duplicate(self.job, self.tensors, sequence=5)

    def test_checksum_presence_and_value_belong_to_the_push(self):
        self.accept(self.job, self.tensors, sequence=5, checksum=True)
        self.duplicate(self.job, self.tensors, sequence=5, checksum=True)
        self.push(self.job, self.tensors, CONFLICT, sequence=5)
        self.push(self.job, self.tensors, CONFLICT, sequence=5, checksum=77)
        self.push(self.job, self.tensors, CONFLICT, sequence=5, checksum=0)

    def test_a_checksum_of_zero_is_not_an_absent_one(self):
        self.accept(self.job, self.tensors, sequence=5)
        self.push(self.job, self.tensors, CONFLICT, sequence=5, checksum=0)

    def test_final_absent_and_false_are_the_same(self):
        self.accept(self.job, self.tensors, sequence=5)
        self.duplicate(self.job, self.tensors, sequence=5, final=False)

    def test_a_final_push_repeated_is_a_duplicate(self):
        self.accept(self.job, self.tensors, sequence=5, final=True)
        self.duplicate(self.job, self.tensors, sequence=5, final=True)
        self.push(self.job, self.tensors, CONFLICT, sequence=5)
        self.push(self.job, self.tensors, INVALID_ARGUMENT, sequence=6)
        self.assertEqual(self.rounds(self.job)[0].final_workers, [0])

    def test_duplicates_after_the_round_has_closed_while_it_is_retained(self):
        push = {"sequence": 5, "final": True}
        self.accept(self.job, self.tensors, **push)
        self.close_and_pull(self.job, 0)
        self.assertEqual(self.duplicate(self.job, self.tensors, **push).round, 0)
        self.push(self.job, self.tensors, CONFLICT, sequence=5)
        self.close_and_pull(self.job, 1)
        self.duplicate(self.job, self.tensors, **push)
        self.close_and_pull(self.job, 2)
        self.push(self.job, self.tensors, STALE_ROUND, **push)

    def test_duplicates_after_discard_by_quorum(self):
        job = self.create([node(F32, [2])], 2, quorum=1)
        self.accept(job, [tensor(0, [1, 1])], worker=1, sequence=1)
        self.accept(job, [tensor(0, [5, 6])], worker=0, sequence=1, final=True)
        gradients, values = self.pull_closed(job)
        self.assertEqual((values, gradients[0].contributions), ([[5, 6]], 1))
        self.duplicate(job, [tensor(0, [1, 1])], worker=1, sequence=1)
        self.assertEqual(self.pull_closed(job)[1], [[5, 6]])

    def test_keys_of_other_workers_and_rounds_are_others(self):
        one = [tensor(0, [1, 1])]
        self.accept(self.job, one, worker=0, sequence=0)
        self.accept(self.job, one, worker=1, sequence=0)
        self.accept(self.job, one, worker=0, sequence=(1 << 64) - 1)
        self.accept(self.job, one, worker=0, sequence=1 << 32)
        self.assertEqual(self.close_and_pull(self.job, nodes=[0]), [[4, 4]])
        self.accept(self.job, one, worker=0, sequence=0, round=1)
        self.assertEqual(self.close_and_pull(self.job, 1, nodes=[0]), [[1, 1]])

    def test_an_absent_sequence_is_zero(self):
        message, body = push_message(self.job, self.tensors)
        self.conn.call("push", message.copy(sequence=None), body)
        self.duplicate(self.job, self.tensors, sequence=0)

    def test_refused_pushes_leave_no_key(self):
        self.push(self.job, [tensor(0, [1])], SHAPE_MISMATCH, sequence=5)
        self.push(self.job, self.tensors, wire.CHECKSUM_MISMATCH, sequence=5, checksum=1)
        self.push(self.job, [tensor(0, [1, float("nan")])], wire.NON_FINITE, sequence=5)
        self.push(self.job, self.tensors, wire.FUTURE_ROUND, sequence=5, round=1)
        self.accept(self.job, self.tensors, sequence=5)

    def test_the_body_of_a_duplicate_is_dropped(self):
        self.accept(self.job, [tensor(0, [1, 2])], sequence=5)
        self.duplicate(self.job, [tensor(0, [50, 60])], sequence=5)
        self.duplicate(self.job, [tensor(0, [float("nan")] * 2)], sequence=5)
        self.assertEqual(self.close_and_pull(self.job, nodes=[0]), [[1, 2]])

    def test_a_round_that_is_named_binds_the_key_an_absent_one_binds_the_open_round(self):
        self.accept(self.job, self.tensors, sequence=5, round=None)
        self.duplicate(self.job, self.tensors, sequence=5, round=0)
        self.duplicate(self.job, self.tensors, sequence=5, round=None)
        self.close_and_pull(self.job)
        self.accept(self.job, self.tensors, sequence=5, round=None)

    def test_one_key_on_twenty_connections_at_once_counts_once(self):
        conns = [self.connect() for _ in range(20)]
        message, body = push_message(self.job, self.tensors, sequence=5)
        ids = [conn.send("push", message, body) for conn in conns]
        verdicts = sorted(conn.wait(id).result.verdict for conn, id in zip(conns, ids))
        self.assertEqual(verdicts, [wire.ACCEPTED] + [wire.DUPLICATE] * 19)
        self.assertEqual(self.close_and_pull(self.job, nodes=[0]), [[1, 2]])


if __name__ == "__main__":
    unittest.main()
