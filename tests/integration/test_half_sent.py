"""Half-sent pushes hold staging and nothing else, and are decided again when they are complete."""

import unittest

import wire
from case import ServerCase, push_message, tensor
from wire import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    F32,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OK,
    STALE_ROUND,
    node,
)

ONES = [tensor(0, [1, 1])]


class HalfSent(ServerCase):
    def setUp(self):
        super().setUp()
        self.until_calm()
        self.job = self.create([node(F32, [2]), node(F32, [2], expected=2)], 2)

    def admitted(self, count=1):
        """So many pushes were admitted and wait for their bodies; others are served meanwhile."""
        self.until_metric("bodies_receiving", count)
        self.expect_alive(self.conn)

    def finish(self, conn, id, rest, code=OK):
        conn.send_raw(rest)
        return self.expect(conn.wait(id), code)

    def test_completed_later_it_counts(self):
        conn, id, rest = self.half_push(self.job, ONES)
        self.admitted()
        self.assertEqual(self.rounds(self.job)[0].pushes, 0)
        self.assertEqual(self.finish(conn, id, rest).result.verdict, ACCEPTED)
        self.assertEqual(self.close_and_pull(self.job)[0], [1, 1])

    def test_lost_with_its_connection_it_counts_nothing(self):
        for close in ("close", "reset"):
            conn, id, _ = self.half_push(self.job, ONES, sequence=5)
            self.admitted()
            getattr(conn, close)()
            self.until_calm()
        self.accept(self.job, ONES, sequence=5)
        self.assertEqual(self.close_and_pull(self.job)[0], [1, 1])

    def test_two_halves_of_one_key_count_once(self):
        a = self.half_push(self.job, ONES, sequence=5)
        b = self.half_push(self.job, ONES, sequence=5)
        self.admitted(2)
        self.assertEqual(self.finish(*b).result.verdict, ACCEPTED)
        self.assertEqual(self.finish(*a).result.verdict, DUPLICATE)
        self.assertEqual(self.close_and_pull(self.job)[0], [1, 1])

    def test_two_halves_of_one_key_that_differ_are_a_conflict(self):
        a = self.half_push(self.job, ONES, sequence=5)
        b = self.half_push(self.job, ONES, sequence=5, checksum=True)
        self.admitted(2)
        self.assertEqual(self.finish(*a).result.verdict, ACCEPTED)
        self.finish(*b, CONFLICT)
        self.assertEqual(self.close_and_pull(self.job)[0], [1, 1])

    def test_a_whole_push_overtakes_a_half_one_of_its_key(self):
        a = self.half_push(self.job, ONES, sequence=5)
        self.admitted()
        self.accept(self.job, ONES, sequence=5)
        self.assertEqual(self.finish(*a).result.verdict, DUPLICATE)

    def test_a_half_whose_twin_was_accepted_and_whose_round_closed_is_a_duplicate(self):
        a = self.half_push(self.job, ONES, sequence=5)
        self.admitted()
        self.accept(self.job, ONES, sequence=5)
        self.close_and_pull(self.job)
        self.assertEqual(self.finish(*a).result.verdict, DUPLICATE)

    def test_a_round_closed_under_it_makes_it_stale(self):
        a = self.half_push(self.job, ONES)
        self.admitted()
        self.assertEqual(self.close_and_pull(self.job)[0], [0, 0])
        self.finish(*a, STALE_ROUND)
        self.expect_alive(a[0])
        self.assertEqual(self.close_and_pull(self.job, 1)[0], [0, 0])

    def test_an_absent_round_is_bound_at_admission(self):
        a = self.half_push(self.job, ONES, round=None)
        self.admitted()
        self.close_round(self.job)
        self.finish(*a, STALE_ROUND)

    def test_closing_never_waits_for_bodies(self):
        halves = [self.half_push(self.job, ONES, worker=1) for _ in range(5)]
        self.admitted(5)
        self.accept(self.job, ONES, worker=0, final=True)
        self.accept(self.job, ONES, worker=1, final=True)
        self.assertEqual(self.pull_closed(self.job)[1][0], [2, 2])
        for half in halves:
            self.finish(*half, STALE_ROUND)

    def test_its_worker_final_meanwhile_makes_it_invalid(self):
        a = self.half_push(self.job, ONES, worker=0)
        self.admitted()
        self.accept(self.job, worker=0, final=True)
        self.finish(*a, INVALID_ARGUMENT)
        self.assertEqual(self.close_and_pull(self.job)[0], [0, 0])

    def test_expected_contributions_filled_meanwhile_make_it_invalid(self):
        one = [tensor(1, [1, 1])]
        a = self.half_push(self.job, one)
        b = self.half_push(self.job, one)
        self.admitted(2)
        self.accept(self.job, one)
        self.finish(*b)
        self.finish(*a, INVALID_ARGUMENT)
        self.assertEqual(self.close_and_pull(self.job)[1], [2, 2])

    def test_a_job_deleted_under_it_is_not_found_at_once_and_the_connection_stays(self):
        conn, id, rest = self.half_push(self.job, ONES)
        self.admitted()
        self.expect(self.conn.call("delete_job", job=self.job), OK)
        self.expect(conn.wait(id), NOT_FOUND)
        conn.send_raw(rest)
        self.expect_alive(conn)

    def test_it_never_lands_in_a_later_job_of_the_same_name(self):
        conn, id, rest = self.half_push(self.job, ONES)
        self.admitted()
        self.expect(self.conn.call("delete_job", job=self.job), OK)
        self.create([node(F32, [2]), node(F32, [2], expected=2)], 2, name=self.job)
        conn.send_raw(rest)
        self.expect(conn.wait(id), NOT_FOUND)
        self.expect_alive(conn)
        self.assertEqual(self.close_and_pull(self.job)[0], [0, 0])

    def test_requests_behind_it_on_the_same_connection_wait_for_it(self):
        conn, id, rest = self.half_push(self.job, ONES)
        header = wire.request_header("list_jobs", 99)
        conn.send_raw(rest + wire.frame(header))
        self.assertEqual([conn.receive().id, conn.receive().id], [id, 99])

    def test_a_refused_half_is_answered_early_or_late_but_once(self):
        message, body = push_message("no-such-job", ONES)
        conn = self.connect()
        header = wire.request_header("push", 7, message)
        conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), len(body)) + header + body[:3])
        self.expect_alive(self.conn)
        conn.send_raw(body[3:])
        self.expect(conn.wait(7), NOT_FOUND)
        self.expect_alive(conn)

    def test_a_refused_half_cut_off_hurts_nobody(self):
        for cut in range(1, 8):
            conn, _, _ = self.half_push("no-such-job", ONES, cut=cut)
            conn.close()
        self.expect_alive(self.conn)

    def test_fifty_lost_halves_leave_no_push_behind(self):
        conns = [self.half_push(self.job, ONES, worker=i % 2)[0] for i in range(50)]
        self.admitted(50)
        for i, conn in enumerate(conns):
            conn.reset() if i % 2 else conn.close()
        self.until_calm()
        self.accept(self.job, ONES, worker=0, final=True)
        self.accept(self.job, ONES, worker=1, final=True)
        self.assertEqual(self.pull_closed(self.job)[1][0], [2, 2])
        self.assertEqual(self.rounds(self.job)[0].pushes, 2)


if __name__ == "__main__":
    unittest.main()
