"""Several I/O loops: what connections of one do is heard by those of others."""

import unittest

import exact
from case import push_message
from shared import SharedCase, lying
from test_views import LARGE, Segments
from wire import F32, OK

WORKERS = 4
ROUNDS = 10


class Loops(SharedCase):
    """Those over TCP are spread over the loops, those of the Unix socket stay in the first."""

    OPTIONS = ("--io-threads", "3")

    def send_final(self, conn, job, worker, round, value):
        """Does not wait for the verdict."""
        tensor = (lying(0, None, None, [LARGE]), exact.pack(F32, [value]) * LARGE)
        message, body = push_message(job, [tensor], worker=worker, round=round, final=True)
        return conn.send("push", message, body)

    def push_over(self, conns, job, round, value):
        for worker, conn in enumerate(conns):
            self.expect(conn.wait(self.send_final(conn, job, worker, round, value)), OK)

    def wait_for_view(self, conn, job, round):
        self.until_metric("pulls_waiting", 0)
        id = conn.send("pull", job=job, round=round, wait_ms=20000, view=True)
        self.until_metric("pulls_waiting", 1)
        return id

    def test_rounds_that_others_close_are_shown(self):
        job = self.vector_job(LARGE, world_size=WORKERS)
        conns = [self.connect() for _ in range(WORKERS)]
        segments = Segments(self, self.local)
        for round in range(ROUNDS):
            id = self.wait_for_view(self.local, job, round)
            self.push_over(conns, job, round, 1 + round)
            reply = self.local.wait(id)
            self.expect(reply, OK)
            segments.learn(reply)
            self.assertEqual(set(segments.values(reply.result)[0]), {WORKERS * (1 + round)})
            self.end_view(reply)
            conns = conns[1:] + conns[:1]       # another loop closes the next one
        segments.close()

    def test_who_leaves_before_it_is_shown_leaves_nothing_behind(self):
        job = self.vector_job(LARGE, world_size=WORKERS)
        conns = [self.connect() for _ in range(WORKERS)]
        for round in range(ROUNDS):
            gone = self.connect_local()
            self.wait_for_view(gone, job, round)
            self.push_over(conns[:-1], job, round, 1)
            id = self.send_final(conns[-1], job, WORKERS - 1, round, 1)
            gone.close()  # while the round closes
            self.expect(conns[-1].wait(id), OK)


if __name__ == "__main__":
    unittest.main()
