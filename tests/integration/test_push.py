"""Pushes, one rule at a time: what is refused, what is ignored, what is added."""

import unittest

import exact
import wire
from case import ServerCase, push_message, tensor
from wire import (
    BF16,
    CHECKSUM_MISMATCH,
    DTYPE_MISMATCH,
    F16,
    F32,
    F64,
    FUTURE_ROUND,
    I32,
    I64,
    INVALID_ARGUMENT,
    MALFORMED,
    NON_FINITE,
    OK,
    SHAPE_MISMATCH,
    STALE_ROUND,
    UNKNOWN_NODE,
    new,
    node,
)

NAN, INF = float("nan"), float("inf")


class Push(ServerCase):
    def test_accepted_pushes_are_summed(self):
        job = self.create([node(F32, [2, 2]), node(F64)])
        reply = self.accept(job, [tensor(0, [1, 2, 3, 4], shape=[2, 2])])
        self.assertEqual((reply.round, reply.ignored), (0, 0))
        self.accept(job, [tensor(0, [10, 20, 30, 40], shape=[2, 2]), tensor(1, [0.5], F64, [])])
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual(values, [[11, 22, 33, 44], [0.5]])
        self.assertEqual(
            [(g.node, g.dtype, g.shape, g.contributions) for g in gradients],
            [(0, F32, [2, 2], 2), (1, F64, [], 1)],
        )

    def test_a_refused_push_changes_nothing(self):
        job = self.create([node(F32, [2]), node(F32, [3])])
        for last in (tensor(7, [1]), tensor(1, [1, 2]), tensor(1, [1, 2, 3], I32)):
            message, body = push_message(job, [tensor(0, [1, 1]), last])
            self.assertNotEqual(self.conn.call("push", message, body).code, OK)
        status = self.rounds(job)[0]
        self.assertEqual((status.pushes, status.bytes), (0, 0))
        self.assertEqual(self.close_and_pull(job), [[0, 0], [0, 0, 0]])

    def test_unknown_node_is_named(self):
        job = self.vector_job()
        for id in (1, 17, (1 << 64) - 1, 1 << 63, 1 << 32):
            self.expect(self.push(job, [tensor(id, [1])], UNKNOWN_NODE), UNKNOWN_NODE, rf"\b{id}\b")

    def test_frozen_nodes_are_ignored_and_counted_even_with_a_wrong_shape_and_dtype(self):
        job = self.create([node(F32, [2], requires_grad=False), node(F32, [2])])
        reply = self.accept(
            job,
            [
                tensor(0, [NAN] * 5),
                tensor(1, [1, 2]),
                tensor(0, [7], I64, []),
                tensor(0, [], F32, [0, 1 << 40]),
            ],
        )
        self.assertEqual(reply.ignored, 3)
        self.assertEqual(self.close_and_pull(job), [[0, 0], [1, 2]])

    def test_frozen_tensors_count_in_body_length_and_bytes(self):
        job = self.create([node(F32, [2], requires_grad=False)])
        frozen, data = tensor(0, [1, 2, 3])
        self.push(job, [(frozen, data[:8])], MALFORMED)
        self.accept(job, [(frozen, data)], checksum=True)
        self.push(job, [(frozen, data)], CHECKSUM_MISMATCH, checksum=1)
        self.assertEqual(self.rounds(job)[0].bytes, 12)

    def test_shape_mismatch_names_the_node_and_both_shapes(self):
        job = self.create([node(F32, [1]), node(F32, [3, 4])])
        for shape in ([4, 3], [12], [3, 4, 1], [], [3, 5], [0]):
            bad = tensor(1, [0] * wire.elements(shape), shape=shape)
            reply = self.push(job, [tensor(0, [1]), bad], SHAPE_MISMATCH)
            self.expect_shapes(reply, SHAPE_MISMATCH, 1, shape, [3, 4])

    def test_scalars_and_vectors_of_one_are_different_shapes(self):
        job = self.create([node(F32, []), node(F32, [1])])
        self.push(job, [tensor(0, [1], shape=[1])], SHAPE_MISMATCH)
        self.push(job, [tensor(1, [1], shape=[])], SHAPE_MISMATCH)
        self.accept(job, [tensor(0, [1], shape=[]), tensor(1, [1], shape=[1])])

    def test_shapes_that_overflow_are_a_shape_mismatch_or_a_malformed_body(self):
        job = self.create([node(F32, [2]), node(F32, [2], requires_grad=False)])
        for shape in ([1 << 63], [1 << 63, 2], [1 << 32, 1 << 32], [1 << 62] * 30, [1 << 62]):
            self.push(job, [tensor(0, [1, 2], shape=shape)], SHAPE_MISMATCH)
            self.push(job, [tensor(1, [1, 2], shape=shape)], MALFORMED)
        self.push(job, [tensor(1, shape=[1 << 61])] * 8, MALFORMED)
        self.assertEqual(self.close_and_pull(job), [[0, 0], [0, 0]])

    def test_widening_is_exact_and_everything_else_is_refused(self):
        allowed = {(F16, F32), (F16, F64), (BF16, F32), (BF16, F64), (F32, F64), (I32, I64)}
        dtypes = (F32, F64, F16, BF16, I32, I64)
        values = [1, -2, 0, 96]
        for target in dtypes:
            job = self.create([node(target, [4])])
            count = 0
            for source in dtypes:
                push = [tensor(0, values, source)]
                if source == target or (source, target) in allowed:
                    self.accept(job, push)
                    count += 1
                else:
                    self.expect(self.push(job, push, DTYPE_MISMATCH), DTYPE_MISMATCH, r"\bnode 0\b")
            self.assertEqual(self.close_and_pull(job), [[v * count for v in values]], target)

    def test_widening_keeps_every_bit(self):
        job = self.create([node(F64, [3]), node(F32, [2]), node(I64, [2])])
        self.accept(
            job,
            [
                tensor(0, data=bytes.fromhex("01000000ffff7f7f00008080")),
                tensor(1, data=bytes.fromhex("0100ff7b"), dtype=F16),
                tensor(2, [-(2**31), 2**31 - 1], I32),
            ],
        )
        self.assertEqual(
            self.close_and_pull(job),
            [
                [2.0**-149, (2 - 2.0**-23) * 2.0**127, -(2.0**-126)],
                [2.0**-24, 65504.0],
                [-(2**31), 2**31 - 1],
            ],
        )

    def test_unknown_dtypes_are_invalid(self):
        job = self.vector_job(1)
        for dtype in (None, 0, 7, 1 << 31):
            contribution = new("Contribution", node=0, dtype=dtype, shape=[1])
            self.push(job, [(contribution, b"\0" * 4)], INVALID_ARGUMENT)

    def test_an_empty_push_is_valid(self):
        job = self.vector_job(2)
        self.accept(job)
        self.assertEqual(self.rounds(job)[0].pushes, 1)
        self.accept(job, final=True)
        self.assertEqual(self.pull_closed(job)[1], [[0, 0]])

    def test_a_node_may_occur_more_than_once_in_a_push(self):
        job = self.vector_job(2)
        self.accept(job, [tensor(0, [1, 2]), tensor(0, [10, 20]), tensor(0, [100, 200])])
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual((values, gradients[0].contributions), ([[111, 222]], 3))

    def test_tensors_without_elements_are_contributions(self):
        job = self.create([node(F32, [0]), node(F64, [3, 0])])
        self.accept(job, [tensor(0, []), tensor(1, [], F64, [3, 0]), tensor(0, [])])
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual((values, [g.contributions for g in gradients]), ([[], []], [2, 1]))

    def test_expected_contributions_complete_a_node_early(self):
        job = self.create([node(F32, [1], expected=2), node(F32, [1])], 2)
        self.accept(job, [tensor(0, [1])], worker=0)
        self.pull(job, [0], wire.DEADLINE_EXCEEDED)
        self.accept(job, [tensor(0, [2]), tensor(1, [3])], worker=1)
        reply = self.pull(job, [0], wait_ms=int(wire.DEADLINE * 1000))
        self.assertEqual(reply.result.state, wire.OPEN)
        self.assertEqual((self.values(reply), reply.result.gradients[0].contributions), ([[3]], 2))
        self.pull(job, [1, 0], wire.DEADLINE_EXCEEDED)
        self.pull(job, [], wire.DEADLINE_EXCEEDED)
        self.assertEqual(self.close_and_pull(job), [[3], [3]])

    def test_more_contributions_than_expected_are_invalid_this_push_included(self):
        job = self.create([node(F32, [1], expected=2), node(F32, [1])])
        one = tensor(0, [1])
        self.expect(
            self.push(job, [one, one, one], INVALID_ARGUMENT), INVALID_ARGUMENT, r"\bnode 0\b"
        )
        self.accept(job, [one])
        self.push(job, [one, tensor(1, [1]), one], INVALID_ARGUMENT)
        self.accept(job, [one])
        self.push(job, [one], INVALID_ARGUMENT)
        self.accept(job, [tensor(1, [1])])
        self.assertEqual(self.close_and_pull(job), [[2], [1]])

    def test_fewer_contributions_than_expected_give_the_sum_of_what_came(self):
        job = self.create([node(F32, [1], expected=5)])
        self.accept(job, [tensor(0, [4])])
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual((values, gradients[0].contributions), ([[4]], 1))

    def test_expected_counts_start_anew_each_round(self):
        job = self.create([node(F32, [1], expected=1)])
        for round in range(3):
            self.accept(job, [tensor(0, [round])], round=round, final=True)
            self.assertEqual(self.pull_closed(job, round)[1], [[round]])

    def test_workers_beyond_the_world_are_invalid(self):
        job = self.vector_job(1, world_size=2)
        for worker in (2, 3, 0xFFFFFFFF):
            self.push(job, [tensor(0, [1])], INVALID_ARGUMENT, worker=worker)
        self.accept(job, [tensor(0, [1])], worker=1)

    def test_a_worker_is_final_once_a_round(self):
        job = self.vector_job(1, world_size=2)
        self.accept(job, [tensor(0, [1])], worker=0, final=True)
        for final in (True, False):
            self.push(job, [tensor(0, [1])], INVALID_ARGUMENT, worker=0, final=final)
        self.accept(job, [tensor(0, [1])], worker=1, final=True)
        self.assertEqual(self.pull_closed(job)[1], [[2]])

    def test_rounds_that_are_not_open_are_stale_or_future(self):
        job = self.vector_job(1, retain_rounds=1)
        self.push(job, [tensor(0, [1])], FUTURE_ROUND, round=1)
        self.push(job, [tensor(0, [1])], FUTURE_ROUND, round=(1 << 64) - 1)
        for round in range(3):
            self.close_and_pull(job, round)
            for old in range(round + 1):
                self.push(job, [tensor(0, [1])], STALE_ROUND, round=old)

    def test_an_absent_round_is_the_open_one(self):
        job = self.vector_job(1)
        self.assertEqual(self.accept(job, [tensor(0, [1])], round=None).round, 0)
        self.close_and_pull(job)
        self.assertEqual(self.accept(job, [tensor(0, [1])], round=None).round, 1)

    def test_body_length_is_the_sum_of_the_tensors(self):
        job = self.vector_job(2)
        contribution, data = tensor(0, [1, 2])
        for body in (b"", data[:-1], data + b"\0", data * 2):
            self.push(job, [(contribution, body)], MALFORMED)
        self.push(job, [(new("Contribution", node=0, dtype=F32, shape=[2]), b"")] * 2, MALFORMED)
        self.accept(job, [(contribution, data)])

    def test_checksums_are_those_of_xxh3(self):
        job = self.create([node(F32, [size]) for size in (0, 1, 2, 4, 5, 33, 61, 300)])
        tensors = [tensor(i, range(s)) for i, s in enumerate((0, 1, 2, 4, 5, 33, 61, 300))]
        for one in tensors:
            self.accept(job, [one], checksum=True)
        self.accept(job, tensors, checksum=True)
        self.accept(job, checksum=True)
        self.push(job, [tensors[3]], CHECKSUM_MISMATCH, checksum=0)
        self.push(job, [], CHECKSUM_MISMATCH, checksum=12345)
        self.assertEqual(self.close_and_pull(job)[3], [0, 2, 4, 6])

    def test_non_finite_values_are_rejected_by_default(self):
        for dtype in (F32, F64, F16, BF16):
            job = self.create([node(F32, [1]), node(dtype, [40])])
            for value in (NAN, INF, -INF):
                for place in (0, 17, 39):
                    values = [1.0] * 40
                    values[place] = value
                    push = [tensor(0, [1]), tensor(1, values, dtype)]
                    self.expect(self.push(job, push, NON_FINITE), NON_FINITE, r"\bnode 1\b")
            self.assertEqual(self.close_and_pull(job), [[0], [0] * 40])

    def test_non_finite_values_propagate_when_asked(self):
        for dtype in (F32, F64, F16, BF16):
            job = self.create([node(dtype, [5])], non_finite=wire.PROPAGATE)
            self.accept(job, [tensor(0, [NAN, INF, -INF, INF, 1], dtype)])
            self.accept(job, [tensor(0, [1, 1, -INF, -INF, 1], dtype)])
            self.close_round(job)
            body = self.pull(job, wait_ms=int(wire.DEADLINE * 1000)).body
            nan = {F32: "0000c07f", F64: "000000000000f87f", F16: "007e", BF16: "c07f"}[dtype]
            nan = bytes.fromhex(nan)
            want = nan + exact.pack(dtype, [INF, -INF]) + nan + exact.pack(dtype, [2])
            self.assertEqual(bytes(body), want, dtype)


if __name__ == "__main__":
    unittest.main()
