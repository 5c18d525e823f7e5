"""A small push cut at every byte offset: counted never or once, and exactly once after the retry.

The audit: the attempt with cut i has value 1 in element i and 0 elsewhere, so that the sums tell
for each attempt how often it counted.
"""

import unittest

import wire
from case import ServerCase, push_message, tensor
from wire import ACCEPTED, DUPLICATE, F32, OK, node


class Cut(ServerCase):
    SIZE = 160  # elements: more than bytes before the body

    def frames(self, job, checksum):
        """One frame for each cut from nothing to the whole frame."""
        whole = self.frame_of(job, 0, checksum)
        head = len(whole) - 4 * self.SIZE
        offsets = (
            list(range(head + 1))
            + list(range(head + 1, len(whole), 61))
            + [len(whole) - 1, len(whole)]
        )
        self.assertLessEqual(len(offsets), self.SIZE)
        for index, offset in enumerate(offsets):
            yield index, offset, self.frame_of(job, index, checksum)

    def frame_of(self, job, index, checksum):
        values = [0.0] * self.SIZE
        values[index] = 1.0
        message, body = push_message(
            job, [tensor(0, values)], sequence=1000 + index, checksum=checksum
        )
        return wire.frame(wire.request_header("push", 1, message), body)

    def play(self, ending, checksum=None):
        job = self.vector_job(self.SIZE)
        attempts = 0
        for index, offset, frame in self.frames(job, checksum):
            conn = self.connect()
            conn.send_raw(frame[:offset])
            getattr(conn, ending)()
            retry = self.connect()
            retry.send_raw(frame)
            verdict = self.expect(retry.receive(), OK).result.verdict
            self.assertIn(verdict, (ACCEPTED,) if offset < len(frame) else (ACCEPTED, DUPLICATE))
            retry.close()
            attempts += 1
        self.assertEqual(self.rounds(job)[0].pushes, attempts)
        values = self.close_and_pull(job)[0]
        self.assertEqual(values, [1.0] * attempts + [0.0] * (self.SIZE - attempts))

    def test_closed_at_every_offset(self):
        self.play("close")

    def test_reset_at_every_offset(self):
        self.play("reset")

    def test_closed_at_every_offset_with_a_checksum(self):
        self.play("close", checksum=True)

    def test_without_a_retry_the_whole_frame_counts_at_most_once_and_a_cut_one_never(self):
        job = self.create([node(F32, [3])])
        message, body = push_message(job, [tensor(0, [1, 1, 1])])
        frame = wire.frame(wire.request_header("push", 1, message), body)
        for offset in range(len(frame)):
            conn = self.connect()
            conn.send_raw(frame[:offset])
            conn.close()
        self.expect_alive(self.conn)
        self.assertEqual(self.rounds(job)[0].pushes, 0)
        self.assertEqual(self.close_and_pull(job), [[0, 0, 0]])

    def test_the_reply_cut_at_any_offset_leaves_the_push_accepted(self):
        job = self.vector_job(64)
        count = 20  # bytes: the prefix and a little; the rest of the reply is never read
        for index in range(count):
            values = [0.0] * 64
            values[index] = 1.0
            message, body = push_message(job, [tensor(0, values)], sequence=index)
            conn = self.connect()
            conn.send("push", message, body)
            conn.read(index)
            conn.reset()
        for index in range(count):
            values = [0.0] * 64
            values[index] = 1.0
            self.push(job, [tensor(0, values)], sequence=index)
        self.assertEqual(self.close_and_pull(job), [[1.0] * count + [0.0] * (64 - count)])


if __name__ == "__main__":
    unittest.main()
