"""Pulls: what is answered at once, what waits and for how long, and what a pull holds."""

import time
import unittest

import wire
from case import ServerCase, tensor
from protobuf import bytes_field, varint
from wire import (
    CLOSED,
    DEADLINE_EXCEEDED,
    F32,
    F64,
    FUTURE_ROUND,
    I32,
    I64,
    MEAN,
    NOT_FOUND,
    OK,
    OPEN,
    OUT_OF_RANGE,
    UNKNOWN_NODE,
    node,
)

LONG = int(wire.DEADLINE * 1000)


class Pull(ServerCase):
    def setUp(self):
        super().setUp()
        self.until_calm()

    def three(self, **fields):
        """Nodes 0 and 2 trained, 1 frozen; worker 0 of 2 has pushed."""
        job = self.create(
            [node(F32, [2]), node(F32, [3], requires_grad=False), node(F64)], 2, **fields
        )
        self.accept(job, [tensor(0, [1, 2]), tensor(2, [0.5], F64, [])])
        return job

    def test_all_nodes_come_in_ascending_order(self):
        job = self.three()
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual([g.node for g in gradients], [0, 1, 2])
        self.assertEqual(values, [[1, 2], [0, 0, 0], [0.5]])

    def test_selected_nodes_come_in_the_order_and_as_often_as_asked(self):
        job = self.three()
        self.close_round(job)
        for nodes in ([2], [2, 0], [0, 0, 2, 1, 0], [1] * 50):
            gradients, values = self.pull_closed(job, nodes=nodes)
            self.assertEqual([g.node for g in gradients], nodes)
            self.assertEqual(values, [[[1, 2], [0, 0, 0], [0.5]][n] for n in nodes])

    def test_gradients_tell_dtype_shape_and_contributions(self):
        job = self.three()
        self.accept(job, [tensor(2, [1], F32, [])], worker=1)
        self.close_round(job)
        gradients, _ = self.pull_closed(job)
        self.assertEqual(
            [(g.dtype, g.shape, g.contributions) for g in gradients],
            [(F32, [2], 1), (F32, [3], 0), (F64, [], 2)],
        )

    def test_frozen_nodes_are_always_complete(self):
        job = self.three()
        reply = self.pull(job, [1, 1])
        self.assertEqual((reply.result.state, reply.result.round), (OPEN, 0))
        self.assertEqual(self.values(reply), [[0, 0, 0]] * 2)
        self.pull(job, [1, 0], DEADLINE_EXCEEDED)

    def test_a_node_without_contributions_is_zero_when_the_round_has_closed(self):
        job = self.create([node(dtype, [3]) for dtype in range(1, 7)], reduction=MEAN)
        self.close_round(job)
        reply = self.pull(job, wait_ms=LONG)
        self.assertEqual(bytes(reply.body), bytes(len(reply.body)))
        self.assertEqual([g.contributions for g in reply.result.gradients], [0] * 6)

    def test_without_waiting_an_open_round_is_a_deadline(self):
        job = self.three()
        for fields in ({}, {"round": None}, {"nodes": [0]}):
            start = time.monotonic()
            self.pull(job, code=DEADLINE_EXCEEDED, **fields)
            self.assertLess(time.monotonic() - start, 5 * wire.SCALE)

    def test_a_pull_waits_for_the_round_to_close(self):
        job = self.three()
        conn = self.connect()
        id = conn.send("pull", job=job, round=0, wait_ms=LONG)
        self.until_metric("pulls_waiting", 1)
        self.close_round(job)
        reply = self.expect(conn.wait(id), OK)
        self.assertEqual((reply.result.state, self.values(reply)[0]), (CLOSED, [1, 2]))

    def test_a_pull_waits_no_longer_than_it_asked(self):
        job = self.three()
        start = time.monotonic()
        self.pull(job, wait_ms=200, code=DEADLINE_EXCEEDED)
        self.assertGreaterEqual(time.monotonic() - start, 0.19)
        self.accept(job, [tensor(0, [1, 1])])
        self.assertEqual(self.close_and_pull(job)[0], [2, 3])

    def test_waits_beyond_a_day_are_clamped_not_refused(self):
        job = self.three()
        conn = self.connect()
        ids = [
            conn.send("pull", job=job, round=0, wait_ms=w)
            for w in ((1 << 64) - 1, 1 << 63, 1 << 40)
        ]
        self.until_metric("pulls_waiting", 3)
        self.close_round(job)
        for id in ids:
            self.expect(conn.wait(id), OK)

    def test_pulls_with_different_deadlines_end_each_at_its_own(self):
        job = self.three()
        conn = self.connect()
        waits = [400, 50, 250, 100]
        ids = {conn.send("pull", job=job, round=0, wait_ms=w): w for w in waits}
        order = []
        for _ in waits:
            reply = self.expect(conn.receive(), DEADLINE_EXCEEDED)
            order.append(ids[reply.id])
        self.assertEqual(order, sorted(waits))

    def test_an_absent_round_is_the_newest_closed_one(self):
        job = self.vector_job(1, retain_rounds=5)
        for round in range(3):
            self.accept(job, [tensor(0, [round])], round=round, final=True)
            self.pull_closed(job, round)
            reply = self.pull(job, round=None)
            self.assertEqual((reply.result.round, self.values(reply)), (round, [[round]]))

    def test_an_absent_round_waits_for_the_open_one_when_none_has_closed(self):
        job = self.three()
        conn = self.connect()
        id = conn.send("pull", job=job, wait_ms=LONG)
        self.until_metric("pulls_waiting", 1)
        self.close_round(job)
        self.assertEqual(self.expect(conn.wait(id), OK).result.round, 0)

    def test_future_and_retired_rounds_and_unknown_nodes_are_refused_at_once(self):
        job = self.three(retain_rounds=1)
        for round in (1, 2, 1 << 63):
            self.pull(job, round=round, wait_ms=LONG, code=FUTURE_ROUND)
        self.expect(self.pull(job, [0, 3], UNKNOWN_NODE, wait_ms=LONG), UNKNOWN_NODE, r"\b3\b")
        self.pull(job, [(1 << 64) - 1], UNKNOWN_NODE, wait_ms=LONG)
        for round in (0, 1):
            self.close_and_pull(job, round)
        self.pull(job, round=0, wait_ms=LONG, code=NOT_FOUND)
        self.pull(job, [9], UNKNOWN_NODE, round=1)

    def test_waiting_pulls_of_a_deleted_job_are_not_found(self):
        job = self.three()
        conns = [self.connect() for _ in range(3)]
        ids = [conn.send("pull", job=job, round=0, wait_ms=LONG) for conn in conns]
        self.until_metric("pulls_waiting", 3)
        self.expect(self.conn.call("delete_job", job=job), OK)
        for conn, id in zip(conns, ids):
            self.expect(conn.wait(id), NOT_FOUND)
            self.expect_alive(conn)

    def test_pulls_whose_connection_is_gone_are_dropped(self):
        job = self.three()
        for i in range(20):
            conn = self.connect()
            conn.send("pull", job=job, round=0, wait_ms=LONG)
            self.until_metric("pulls_waiting", 1)
            conn.reset() if i % 2 else conn.close()
            self.until_calm()
        self.assertEqual(self.close_and_pull(job)[0], [1, 2])

    def test_expected_nodes_answer_waiting_pulls_early(self):
        job = self.create(
            [node(F32, [1], expected=2), node(F32, [1], expected=1), node(F32, [1])], 2
        )
        conns = [self.connect() for _ in range(3)]
        first, both, all_nodes = [
            conn.send("pull", job=job, round=0, nodes=nodes, wait_ms=LONG)
            for conn, nodes in zip(conns, ([0], [1, 0], []))
        ]
        self.accept(job, [tensor(0, [1]), tensor(1, [9])])
        self.accept(job, [tensor(0, [2])], worker=1)
        reply = self.expect(conns[0].wait(first), OK)
        self.assertEqual((reply.result.state, self.values(reply)), (OPEN, [[3]]))
        self.assertEqual(self.values(self.expect(conns[1].wait(both), OK)), [[9], [3]])
        self.until_metric("pulls_waiting", 1)
        self.close_round(job)
        reply = self.expect(conns[2].wait(all_nodes), OK)
        self.assertEqual((reply.result.state, self.values(reply)), (CLOSED, [[3], [9], [0]]))

    def test_complete_and_frozen_nodes_can_be_asked_together_while_open(self):
        job = self.create([node(F32, [1], expected=1), node(F32, [2], requires_grad=False)])
        self.accept(job, [tensor(0, [4])])
        reply = self.pull(job, wait_ms=LONG)
        self.assertEqual((reply.result.state, self.values(reply)), (OPEN, [[4], [0, 0]]))

    def test_integers_out_of_range_refuse_the_whole_pull_and_only_that(self):
        job = self.create([node(I32, [2]), node(F32, [1]), node(I64, [1]), node(I32, [1])])
        top32, top64 = 2**31 - 1, 2**63 - 1
        self.accept(
            job,
            [
                tensor(0, [0, top32], I32),
                tensor(1, [1]),
                tensor(2, [-top64 - 1], I64),
                tensor(3, [top32], I32),
            ],
        )
        self.accept(job, [tensor(0, [0, 1], I32), tensor(2, [-1], I64)])
        self.close_round(job)
        for nodes, name in (([], 0), ([1, 2], 2), ([0], 0)):
            reply = self.pull(job, nodes, OUT_OF_RANGE, wait_ms=LONG)
            self.expect(reply, OUT_OF_RANGE, rf"\bnode {name}\b")
        self.assertEqual(self.pull_closed(job, nodes=[3, 1])[1], [[top32], [1]])

    def test_integer_sums_that_return_into_range_are_exact(self):
        job = self.create([node(I32, [2]), node(I64, [2])])
        for sign in (1, 1, 1, -1, -1, -1):
            self.accept(
                job,
                [
                    tensor(0, [sign * (2**31 - 1), -sign], I32),
                    tensor(1, [sign * (2**63 - 1), sign * 2**62], I64),
                ],
            )
        self.accept(job, [tensor(0, [-(2**31), 5], I32), tensor(1, [-(2**63), 6], I64)])
        self.assertEqual(self.close_and_pull(job), [[-(2**31), 5], [-(2**63), 6]])

    def test_a_mean_of_integers_is_never_out_of_range(self):
        job = self.create([node(I32, [3]), node(I64, [2])], reduction=MEAN)
        for _ in range(3):
            self.accept(
                job,
                [
                    tensor(0, [2**31 - 1, -(2**31), 1], I32),
                    tensor(1, [2**63 - 1, -(2**63)], I64),
                ],
            )
        self.assertEqual(
            self.close_and_pull(job), [[2**31 - 1, -(2**31), 1], [2**63 - 1, -(2**63)]]
        )

    @staticmethod
    def many_ids(job, id, count, round, wait_ms):
        """A pull of node 0 so many times, encoded without a list of so many numbers."""
        pull = bytes_field(1, job.encode()) + b"\x10" + varint(round) + bytes_field(3, bytes(count))
        header = b"\x08" + varint(id) + bytes_field(8, pull + b"\x20" + varint(wait_ms))
        return wire.frame(header)

    def test_an_answer_beyond_the_header_limit_is_refused_and_one_below_is_given(self):
        job = self.create([node(F32)])
        self.close_and_pull(job)
        self.conn.send_raw(self.many_ids(job, 900, 4_000_000, 0, 0))
        self.expect(self.conn.wait(900), wire.RESOURCE_EXHAUSTED)
        self.conn.send_raw(self.many_ids(job, 901, 20_000, 0, 0))
        self.assertEqual(bytes(self.expect(self.conn.wait(901), OK).body), bytes(4 * 20_000))

    def test_waiting_pulls_hold_bounded_memory(self):
        job = self.create([node(F32)])
        before = self.server.memory_bytes()
        conn = self.connect()
        for id in range(1001, 1101):
            conn.send_raw(self.many_ids(job, id, 4_000_000, 0, LONG))
        self.expect_alive(conn)
        self.assertLess(self.server.memory_bytes() - before, (256 << 20) * wire.SCALE)

    def test_a_pull_in_flight_keeps_a_retired_round(self):
        size = int((4 << 20) / wire.SCALE)
        job = self.vector_job(size, retain_rounds=1)
        data = tensor(0, data=b"\0\0\x80\x3f" * size)
        self.accept(job, [data], final=True)
        self.pull_closed(job)
        slow = self.connect()
        slow.send("pull", job=job, round=0)
        _, header_size, body_size = wire.PREFIX.unpack(slow.read(wire.PREFIX.size))
        for round in (1, 2):
            self.accept(job, round=round, final=True)
            self.pull(job, [], round=round, wait_ms=LONG)
        self.pull(job, round=0, code=NOT_FOUND)
        reply = wire.Reply(bytes(slow.read(header_size)), slow.read(body_size))
        self.assertEqual(bytes(reply.body), data[1])


if __name__ == "__main__":
    unittest.main()
