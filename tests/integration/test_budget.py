"""The staging budget: full means wait, and RESOURCE_EXHAUSTED only when waiting cannot help."""

import threading
import unittest

import wire
from case import ServerCase, push_message, tensor
from server import wait_until
from wire import ACCEPTED, F32, NOT_FOUND, OK, RESOURCE_EXHAUSTED, STALE_ROUND, node

STAGING = 8 << 20
BIG = (STAGING * 5 // 8) // 4  # elements: one fits, two do not
BLOCKED = 0.2


def big(value=b"\0\0\x80\x3f"):
    return [tensor(0, data=value * BIG)]


class Budget(ServerCase):
    OPTIONS = (
        "--staging-bytes",
        str(STAGING),
        "--max-body-bytes",
        str(8 * STAGING),
        "--idle-timeout",
        "60s",
    )

    def setUp(self):
        super().setUp()
        self.until_calm()
        self.job = self.create([node(F32, [BIG]), node(F32, [BIG * 4]), node(F32, [BIG])], 4)

    def send_push(self, tensors, **fields):
        """A push that may stay unanswered: (conn, id, what the kernel did not take of its body)."""
        conn, id, rest = self.half_push(self.job, tensors, cut=1000, **fields)
        conn.sock.setblocking(False)
        sent = 0
        try:
            while sent < len(rest):
                sent += conn.sock.send(memoryview(rest)[sent:])
        except BlockingIOError:
            pass
        conn.sock.settimeout(wire.DEADLINE)
        return conn, id, rest[sent:]

    def close_check(self, count, round=0):
        self.close_round(self.job, round)
        gradients, values = self.pull_closed(self.job, round, [0])
        self.assertEqual(gradients[0].contributions, count)
        self.assertEqual(set(values[0]), {float(count)})

    def test_a_push_that_can_never_fit_is_refused_and_its_body_dropped(self):
        data = tensor(1, data=bytes(BIG * 16))
        self.push(self.job, [data], RESOURCE_EXHAUSTED)
        self.expect_alive(self.conn)
        self.accept(self.job, big())
        self.close_check(1)

    def test_many_times_the_budget_goes_through_one_after_the_other(self):
        for _ in range(8):
            self.accept(self.job, big())
        self.close_check(8)

    def test_many_at_once_go_through_in_the_end(self):
        conns = [self.connect() for _ in range(4)]
        message, body = push_message(self.job, big(), sequence=1)
        ids, threads = [], []
        for worker, conn in enumerate(conns):
            ids.append(conn.take_id())
            header = wire.request_header("push", ids[-1], message.copy(worker=worker))
            threads.append(threading.Thread(target=conn.send_raw, args=(wire.frame(header, body),)))
        for thread in threads:
            thread.start()
        for conn, id in zip(conns, ids):
            self.assertEqual(self.expect(conn.wait(id), OK).result.verdict, ACCEPTED)
        for thread in threads:
            thread.join()
        self.close_check(4)

    def test_a_full_budget_blocks_until_the_holder_completes(self):
        holder, held, rest = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        waiter, id, tail = self.send_push(big(), worker=1)
        self.until_metric("pushes_waiting", 1)
        self.assertTrue(waiter.quiet(BLOCKED), "answered although the budget is full")
        holder.send_raw(rest)
        self.expect(holder.wait(held), OK)
        waiter.send_raw(tail)
        self.expect(waiter.wait(id), OK)
        self.close_check(2)

    def test_a_full_budget_blocks_until_the_holder_is_lost(self):
        holder, _, _ = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        waiter, id, tail = self.send_push(big(), worker=1)
        self.until_metric("pushes_waiting", 1)
        holder.reset()
        waiter.send_raw(tail)
        self.expect(waiter.wait(id), OK)
        self.close_check(1)

    def test_small_pushes_and_other_requests_go_on_while_one_waits(self):
        holder, held, rest = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        waiter, id, tail = self.send_push(big(), worker=1)
        self.until_metric("pushes_waiting", 1)
        self.expect_alive(self.conn)
        self.accept(self.job, worker=2)
        holder.send_raw(rest)
        self.expect(holder.wait(held), OK)
        waiter.send_raw(tail)
        self.expect(waiter.wait(id), OK)
        self.close_check(2)

    def test_a_waiting_push_is_checked_again_round_closed(self):
        holder, held, rest = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        waiter, id, tail = self.send_push(big(), worker=1)
        self.until_metric("pushes_waiting", 1)
        self.close_round(self.job)
        holder.send_raw(rest)
        self.expect(holder.wait(held), STALE_ROUND)
        waiter.send_raw(tail)
        self.expect(waiter.wait(id), STALE_ROUND)
        self.pull_closed(self.job, 0, [2])

    def test_a_waiting_push_is_checked_again_job_deleted(self):
        holder, held, rest = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        waiter, id, tail = self.send_push(big(), worker=1)
        self.until_metric("pushes_waiting", 1)
        self.expect(self.conn.call("delete_job", job=self.job), OK)
        self.expect(holder.wait(held), NOT_FOUND)
        self.expect(waiter.wait(id), NOT_FOUND)
        holder.send_raw(rest)
        waiter.send_raw(tail)
        self.expect_alive(holder)
        self.expect_alive(waiter)

    def test_a_waiting_push_whose_connection_is_lost_is_forgotten(self):
        holder, held, rest = self.half_push(self.job, big())
        self.until_metric("bodies_receiving", 1)
        for count in range(1, 6):
            waiter, _, _ = self.send_push(big(), worker=1)
            wait_until(lambda: 1 <= self.metric("pushes_waiting") <= count, "the push waits")
            waiter.reset()
        holder.send_raw(rest)
        self.expect(holder.wait(held), OK)
        self.accept(self.job, big(), worker=2)
        self.close_check(2)

    def test_the_budget_comes_back_after_every_kind_of_refusal(self):
        for _ in range(3):
            self.push(self.job, big(), wire.CHECKSUM_MISMATCH, checksum=1)
            self.push(self.job, big(b"\0\0\x80\x7f"), wire.NON_FINITE)
            self.half_push(self.job, big())[0].close()
        self.accept(self.job, big())
        self.close_check(1)

    def test_nothing_in_progress_can_free_staging(self):
        self.job = self.create([node(F32, [BIG])], 2, quorum=1)
        self.accept(self.job, big(), worker=0)
        self.push(self.job, big(), RESOURCE_EXHAUSTED, worker=0)
        self.accept(self.job, worker=0, final=True)
        self.close_check_quorum()

    def close_check_quorum(self):
        gradients, values = self.pull_closed(self.job)
        self.assertEqual((gradients[0].contributions, set(values[0])), (1, {1.0}))
        self.accept(self.job, big(), round=1, final=True)

    def test_closing_frees_what_a_worker_that_is_not_final_has_staged(self):
        self.job = self.create([node(F32, [BIG])], 2, quorum=1)
        self.accept(self.job, big(), worker=1)
        self.push(self.job, big(), RESOURCE_EXHAUSTED, worker=0)
        self.accept(self.job, worker=0, final=True)
        self.pull_closed(self.job)
        self.accept(self.job, big(), worker=0, round=1, final=True)
        self.assertEqual(set(self.pull_closed(self.job, 1)[1][0]), {1.0})

    def test_deleting_a_job_frees_what_it_has_staged(self):
        self.job = self.create([node(F32, [BIG])], 2, quorum=1)
        self.accept(self.job, big(), worker=1)
        self.expect(self.conn.call("delete_job", job=self.job), OK)
        self.job = self.create([node(F32, [BIG])], 2, quorum=1)
        self.accept(self.job, big(), worker=1)
        self.expect(self.conn.call("delete_job", job=self.job), OK)

    def tearDown(self):
        self.conn.call("delete_job", job=self.job)


if __name__ == "__main__":
    unittest.main()
