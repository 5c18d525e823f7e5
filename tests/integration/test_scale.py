"""Large numbers: connections, nodes, bytes."""

import os
import resource
import unittest

import exact
import wire
from case import ServerCase, push_message, tensor
from wire import F32, OK, node

BIG = os.environ.get("GRADFOLD_TEST_BIG", "1" if wire.SCALE == 1 else "0") == "1"
GIB = 1 << 30


class Scale(ServerCase):
    def test_a_thousand_connections_at_once(self):
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        count = min(1000, soft - 100)
        job = self.vector_job(2, world_size=count)
        conns = [self.connect() for _ in range(count)]
        pulls = [conn.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 3000)) for conn in conns]
        for worker, conn in enumerate(conns):
            message, body = push_message(job, [tensor(0, [1, worker])], worker=worker, final=True)
            self.expect(conn.call("push", message, body), OK)
        total = count * (count - 1) // 2
        for conn, id in zip(conns, pulls):
            self.assertEqual(self.values(self.expect(conn.wait(id), OK)), [[count, total]])
        self.assertEqual(self.rounds(job)[0].final_workers, list(range(count)))

    def test_connections_come_and_go(self):
        for _ in range(int(2000 / wire.SCALE)):
            self.server.connect().close()
        self.expect_alive()

    def test_a_job_with_100000_nodes_pushed_in_one_push(self):
        count = int(100_000 / wire.SCALE)
        nodes = [node(F32, [1 + i % 3]) for i in range(count)]
        job = self.create(nodes)
        tensors = [tensor(i, data=bytes(4 * (i % 3)) + b"\0\0\x80\x3f") for i in range(count)]
        for _ in range(2):
            self.accept(job, tensors)
        self.close_round(job)
        gradients, values = self.pull_closed(job)
        self.assertEqual([g.node for g in gradients], list(range(count)))
        self.assertTrue(all(g.contributions == 2 for g in gradients))
        self.assertTrue(all(v == [0] * (i % 3) + [2] for i, v in enumerate(values)))
        described = self.expect(self.conn.call("describe_job", job=job), OK).result.job.spec.nodes
        self.assertEqual(len(described), count)
        self.expect(self.conn.call("delete_job", job=job), OK)

    def test_many_jobs(self):
        names = [self.vector_job(1) for _ in range(int(500 / wire.SCALE))]
        for i, name in enumerate(names):
            self.accept(name, [tensor(0, [i])], final=True)
        for i, name in enumerate(names):
            self.assertEqual(self.pull_closed(name)[1], [[i]])
            self.expect(self.conn.call("delete_job", job=name), OK)


@unittest.skipUnless(BIG, "GRADFOLD_TEST_BIG=0, or a scale above 1")
class Gibibyte(ServerCase):
    OPTIONS = ("--staging-bytes", str(3 * GIB), "--max-body-bytes", str(GIB))

    def test_a_tensor_of_one_gibibyte(self):
        block = b"".join(tensor(0, [i * 0.37 - 1e5 * (i % 7)])[1] for i in range(1 << 12))
        data = block * (GIB // len(block))
        job = self.create([node(F32, [GIB // 4])])
        contribution = [(wire.new("Contribution", node=0, dtype=F32, shape=[GIB // 4]), data)]
        for _ in range(2):
            self.accept(job, contribution)
        self.close_round(job)
        reply = self.pull(job, wait_ms=int(wire.DEADLINE * 3000))
        doubled = tensor(0, [2 * v for v in exact.unpack(F32, block)])[1]
        self.assertEqual(len(reply.body), GIB)
        view = memoryview(reply.body)
        different = sum(view[at:at + len(block)] != doubled for at in range(0, GIB, len(block)))
        self.assertEqual(different, 0)


if __name__ == "__main__":
    unittest.main()
