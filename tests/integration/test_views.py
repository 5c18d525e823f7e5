"""Pulls that show the server's memory instead of copying it."""

import mmap
import os
import unittest

import exact
import wire
from shared import SharedCase, lying
from wire import F32, INVALID_ARGUMENT, OK, RESOURCE_EXHAUSTED

LARGE = 32 << 10  # elements: their sums lie in a segment
VIEWS_MAX = 64


class Segments:
    """What a connection was told of segments, checked as it goes."""

    def __init__(self, case, conn):
        self.case, self.conn, self.maps, self.retired = case, conn, {}, set()

    def close(self):
        for map in self.maps.values():
            map.close()

    def learn(self, reply):
        """Follows one answer with a segment."""
        case, result, number = self.case, reply.result, reply.result.segment
        case.assertNotIn(number, self.retired, "a retired segment is named again")
        case.assertEqual(reply.fd is not None, result.has("segment_bytes"))
        case.assertEqual(number in self.maps, reply.fd is None, "a descriptor comes once")
        if reply.fd is not None:
            self.maps[number] = mmap.mmap(reply.fd, result.segment_bytes, prot=mmap.PROT_READ)
            self.check_sealed(reply.fd, result.segment_bytes)
        for old in result.retired:
            case.assertIn(old, self.maps, "a segment is retired that was never shown")
            self.maps.pop(old)
            self.retired.add(old)

    def check_sealed(self, fd, size):
        with self.case.assertRaises(PermissionError):
            mmap.mmap(fd, size)
        with self.case.assertRaises(PermissionError):
            os.ftruncate(fd, 0)
        with self.case.assertRaises(PermissionError):
            os.write(fd, b"x")

    def values(self, result):
        """The tensors that a result shows; None: all zero."""
        values = []
        for gradient in result.gradients:
            if not gradient.has("offset"):
                values.append(None)
                continue
            size = wire.ITEM_BYTES[gradient.dtype] * wire.elements(gradient.shape)
            data = self.maps[result.segment][gradient.offset : gradient.offset + size]
            values.append(exact.unpack(gradient.dtype, data))
        return values


class Views(SharedCase):
    def setUp(self):
        super().setUp()
        self.segments = self.segments_of(self.local)

    def segments_of(self, conn):
        segments = Segments(self, conn)
        self.addCleanup(segments.close)
        return segments

    def push_constant(self, job, value, round=0, node=0, size=LARGE):
        data = exact.pack(F32, [value]) * size
        self.accept(job, [(lying(node, None, None, [size]), data)], round=round, final=True)

    def show(self, job, round=0, segments=None):
        segments = segments or self.segments
        reply = self.view(job, round, conn=segments.conn)
        self.assertTrue(reply.result.has("segment"), "a body where a segment was hoped for")
        segments.learn(reply)
        return reply, segments.values(reply.result)

    def test_a_view_shows_the_sums(self):
        job = self.create([wire.node(F32, [LARGE]), wire.node(F32, [7]), wire.node(F32, [LARGE])])
        data = exact.pack(F32, range(LARGE))
        self.accept(job, [(lying(2, None, None, [LARGE]), data)], final=True)
        reply, values = self.show(job)
        self.assertEqual(values, [None, None, list(range(LARGE))])
        self.assertEqual(reply.result.state, wire.CLOSED)
        self.end_view(reply)

    def test_later_rounds_lie_in_the_same_few_segments(self):
        job = self.vector_job(LARGE)
        for round in range(40):
            self.push_constant(job, round, round)
            reply, values = self.show(job, round)
            self.assertEqual(set(values[0]), {round})
            self.end_view(reply)
        self.assertLessEqual(len(self.segments.maps) + len(self.segments.retired), 6)

    def test_what_a_view_shows_stays_until_it_ends(self):
        job = self.vector_job(LARGE)
        self.push_constant(job, 1)
        reply, _ = self.show(job)
        for round in range(1, 12):  # round 0 is retired meanwhile
            self.push_constant(job, round + 1, round)
            self.end_view(self.show(job, round)[0])
        self.assertEqual(set(self.segments.values(reply.result)[0]), {1})
        self.expect(self.conn.call("delete_job", job=job), OK)
        self.assertEqual(set(self.segments.values(reply.result)[0]), {1})
        self.end_view(reply)

    def test_what_a_lost_connection_saw_stays(self):
        job = self.vector_job(LARGE)
        self.push_constant(job, 1)
        other = self.segments_of(self.connect_local())
        reply, _ = self.show(job, segments=other)
        other.conn.close()
        for round in range(1, 12):
            self.push_constant(job, round + 1, round)
            self.end_view(self.show(job, round)[0])
        self.assertEqual(set(other.values(reply.result)[0]), {1})

    def test_retired_segments_are_told(self):
        first = self.vector_job(LARGE)
        self.push_constant(first, 1)
        self.end_view(self.show(first)[0])
        known = set(self.segments.maps)
        self.expect(self.conn.call("delete_job", job=first), OK)
        for _ in range(8):  # other sizes, so that memory is not used again
            job = self.vector_job(3 * LARGE)
            self.push_constant(job, 2, size=3 * LARGE)
            self.end_view(self.show(job)[0])
            self.expect(self.conn.call("delete_job", job=job), OK)
        self.assertEqual(known & self.segments.retired, known - set(self.segments.maps))

    def test_small_rounds_and_tcp_have_a_body(self):
        small, large = self.vector_job(4), self.vector_job(LARGE)
        self.accept(small, [(lying(0, None, None, [4]), exact.pack(F32, [1, 2, 3, 4]))], final=True)
        self.push_constant(large, 5)
        reply = self.view(small)
        self.assertFalse(reply.result.has("segment"))
        self.assertEqual(self.values(reply), [[1, 2, 3, 4]])
        reply = self.view(large, conn=self.conn)
        self.assertFalse(reply.result.has("segment"))
        self.assertEqual(set(self.values(reply)[0]), {5})
        self.assertEqual(set(self.pull_closed(large)[1][0]), {5})

    def test_a_view_ends_once(self):
        job = self.vector_job(LARGE)
        self.push_constant(job, 1)
        reply, _ = self.show(job)
        self.expect(self.connect_local().call("end_view", pull=reply.id), INVALID_ARGUMENT)
        self.expect(self.local.call("end_view", pull=reply.id + 1000), INVALID_ARGUMENT, "1[0-9]+")
        self.end_view(reply)
        self.end_view(reply, INVALID_ARGUMENT)

    def test_views_are_limited(self):
        job = self.vector_job(LARGE)
        self.push_constant(job, 1)
        held = [self.show(job)[0] for _ in range(VIEWS_MAX)]
        self.view(job, code=RESOURCE_EXHAUSTED)
        self.pull(job, conn=self.local)
        self.end_view(held.pop())
        held.append(self.show(job)[0])
        for reply in held:
            self.end_view(reply)

    def test_a_waiting_pull_may_be_a_view(self):
        job = self.vector_job(LARGE)
        id = self.local.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 1000), view=True)
        self.until_metric("pulls_waiting", 1)
        self.push_constant(job, 3)
        reply = self.expect(self.local.wait(id), OK)
        self.segments.learn(reply)
        self.assertEqual(set(self.segments.values(reply.result)[0]), {3})
        self.end_view(reply)

    def test_answers_that_bring_descriptors_may_be_pipelined(self):
        jobs = [self.vector_job(LARGE * n) for n in range(1, 6)]
        for n, job in enumerate(jobs, 1):
            self.push_constant(job, n, size=LARGE * n)
        ids = []
        wait_ms = int(wire.DEADLINE * 1000)  # the folds may still be under way
        for job in jobs:
            ids.append(self.local.send("pull", job=job, round=0, wait_ms=wait_ms, view=True))
            ids.append(self.local.send("list_jobs"))
        for n, id in enumerate(ids[::2], 1):
            reply = self.expect(self.local.wait(id), OK)
            self.segments.learn(reply)
            self.assertEqual(set(self.segments.values(reply.result)[0]), {n})
            self.end_view(reply)


if __name__ == "__main__":
    unittest.main()
