"""Rounds: how they close (final, quorum, grace, request), what describe says, retention."""

import time
import unittest

import wire
from case import ServerCase, tensor
from server import wait_until
from wire import (
    CLOSED,
    DEADLINE_EXCEEDED,
    F32,
    FUTURE_ROUND,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OPEN,
    STALE_ROUND,
    node,
)

HOUR = 3_600_000


def ones(value=1):
    return [tensor(0, [value, value])]


class Rounds(ServerCase):
    def contributions(self, job, round=0):
        gradients, values = self.pull_closed(job, round)
        return gradients[0].contributions, values[0]

    def still_open(self, job, round=0):
        self.pull(job, round=round, code=DEADLINE_EXCEEDED)

    def test_a_round_closes_when_all_workers_are_final(self):
        job = self.vector_job(2, world_size=3)
        for worker in (2, 0):
            self.accept(job, ones(), worker=worker, final=True)
            self.still_open(job)
        self.accept(job, worker=1, final=True)
        self.assertEqual(self.contributions(job), (2, [2, 2]))
        self.assertEqual(self.rounds(job)[1].state, OPEN)

    def test_the_next_round_is_open_as_soon_as_one_starts_to_close(self):
        job = self.vector_job(2)
        for round in range(50):
            self.accept(job, ones(round), round=round, final=True)
        for round in (48, 49):
            self.assertEqual(self.contributions(job, round), (1, [round, round]))

    def test_describe_tells_pushes_bytes_finals_and_ages(self):
        job = self.vector_job(2, world_size=4)
        before = time.monotonic()
        for worker in (3, 0, 2):
            self.accept(job, ones(), worker=worker, final=worker != 0)
        self.push(job, [tensor(0, [1])], wire.SHAPE_MISMATCH)
        status = self.rounds(job)[0]
        self.assertEqual(
            (status.state, status.final_workers, status.pushes, status.bytes), (OPEN, [2, 3], 3, 24)
        )
        self.assertLessEqual(status.age_ms, (time.monotonic() - before) * 1000 + 1000)
        wait_until(lambda: self.rounds(job)[0].age_ms > status.age_ms, "an older round")

    def test_describe_lists_retained_and_open_rounds_ascending(self):
        job = self.vector_job(2, retain_rounds=3)
        for round in range(6):
            self.close_and_pull(job, round)
            rounds = self.rounds(job)
            self.assertEqual(list(rounds), list(range(max(0, round - 2), round + 2)))
            self.assertEqual(
                [r.state for r in rounds.values()], [CLOSED] * (len(rounds) - 1) + [OPEN]
            )

    def test_close_by_request_needs_no_finals(self):
        job = self.vector_job(2, world_size=3)
        self.accept(job, ones(3), worker=1)
        status = self.close_round(job)
        self.assertEqual(
            (status.round, status.pushes, status.bytes, status.final_workers), (0, 1, 8, [])
        )
        self.assertEqual(self.contributions(job), (1, [3, 3]))

    def test_close_is_idempotent(self):
        job = self.vector_job(2)
        for _ in range(3):
            self.assertEqual(self.close_round(job).round, 0)
        self.assertEqual(sorted(self.rounds(job)), [0, 1])

    def test_quorum_without_grace_closes_at_once_and_discards_the_rest(self):
        job = self.vector_job(2, world_size=3, quorum=2)
        self.accept(job, ones(1), worker=0)
        self.accept(job, ones(10), worker=1)
        self.accept(job, ones(100), worker=2)
        self.accept(job, ones(1000), worker=0, final=True)
        self.still_open(job)
        self.accept(job, ones(10000), worker=2, final=True)
        self.assertEqual(self.contributions(job), (4, [11101, 11101]))
        status = self.rounds(job)[0]
        self.assertEqual((status.pushes, status.bytes, status.final_workers), (5, 40, [0, 2]))

    def test_grace_waits_for_the_others(self):
        job = self.vector_job(2, world_size=3, quorum=1, grace_ms=HOUR)
        self.accept(job, ones(1), worker=0, final=True)
        self.still_open(job)
        self.accept(job, ones(10), worker=1, final=True)
        self.still_open(job)
        self.accept(job, ones(100), worker=2, final=True)
        self.assertEqual(self.contributions(job), (3, [111, 111]))

    def test_grace_ends_the_round_without_the_others(self):
        grace = 300
        job = self.vector_job(2, world_size=3, quorum=2, grace_ms=grace)
        self.accept(job, ones(1), worker=2)
        self.accept(job, ones(10), worker=0, final=True)
        start = time.monotonic()
        self.accept(job, ones(100), worker=1, final=True)
        self.assertEqual(self.contributions(job), (2, [110, 110]))
        self.assertGreaterEqual((time.monotonic() - start) * 1000, grace - 20)

    def test_the_clock_of_grace_starts_at_the_quorum_and_is_not_wound_up_again(self):
        job = self.vector_job(2, world_size=4, quorum=1, grace_ms=400)
        start = time.monotonic()
        self.accept(job, ones(), worker=0, final=True)
        self.accept(job, ones(), worker=1, final=True)
        self.pull_closed(job)
        self.assertGreaterEqual((time.monotonic() - start) * 1000, 380)
        self.accept(job, ones(), worker=0, round=1)
        self.still_open(job, 1)

    def test_a_closed_round_needs_no_grace_any_more(self):
        job = self.vector_job(2, world_size=2, quorum=1, grace_ms=100)
        self.accept(job, ones(), worker=0, final=True)
        self.close_round(job)
        self.pull_closed(job)
        self.accept(job, ones(), worker=0, round=1)
        self.assertTrue(self.conn.quiet(0.3))
        self.still_open(job, 1)

    def test_by_request_a_quorum_job_discards_who_is_not_final(self):
        job = self.vector_job(2, world_size=3, quorum=2)
        self.accept(job, ones(1), worker=0)
        self.accept(job, ones(10), worker=1, final=True)
        self.close_round(job)
        self.assertEqual(self.contributions(job), (1, [10, 10]))

    def test_discarded_nodes_are_zero_with_no_contributions(self):
        job = self.create([node(F32, [2]), node(F32, [1])], 2, quorum=1)
        self.accept(job, [tensor(1, [7])], worker=1)
        self.accept(job, ones(), worker=0, final=True)
        gradients, values = self.pull_closed(job)
        self.assertEqual([g.contributions for g in gradients], [1, 0])
        self.assertEqual(values, [[1, 1], [0]])

    def test_a_late_worker_of_a_quorum_is_stale_and_can_go_on(self):
        job = self.vector_job(2, world_size=2, quorum=1)
        self.accept(job, ones(), worker=0, final=True)
        self.push(job, ones(), STALE_ROUND, worker=1)
        self.accept(job, ones(5), worker=1, round=1, final=True)
        self.assertEqual(self.contributions(job, 1), (1, [5, 5]))

    def test_final_belongs_to_its_round(self):
        job = self.vector_job(2, world_size=2)
        self.accept(job, worker=0, final=True)
        self.push(job, [], INVALID_ARGUMENT, worker=0)
        self.close_round(job)
        self.accept(job, ones(), worker=0, round=1)

    def test_retired_rounds_are_gone(self):
        for retain in (1, 2, 4):
            job = self.vector_job(2, retain_rounds=retain)
            for round in range(6):
                self.accept(job, ones(round), round=round, final=True)
                self.pull_closed(job, round)
                for old in range(round + 1):
                    if old > round - retain:
                        self.assertEqual(self.contributions(job, old), (1, [old, old]))
                    else:
                        self.pull(job, round=old, code=NOT_FOUND)
            self.pull(job, round=7, code=FUTURE_ROUND)

    def test_a_thousand_rounds_leave_no_memory_behind(self):
        job = self.vector_job(1000, retain_rounds=1)
        data = tensor(0, [1] * 1000)

        def play(first, count):
            for round in range(first, first + count):
                self.accept(job, [data], round=round, final=True)
            self.pull_closed(job, first + count - 1)
            return first + count

        count = int(500 / wire.SCALE)
        done = play(0, count)
        before = self.server.memory_bytes()
        play(done, count)
        self.assertLess(self.server.memory_bytes() - before, (4 << 20) * wire.SCALE)


if __name__ == "__main__":
    unittest.main()
