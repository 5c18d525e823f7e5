"""Large numbers: connections, nodes, bytes."""

import os
import resource
import unittest

import wire
from case import ServerCase, push_message, tensor
from protobuf import bytes_field
from wire import F32, OK, node

BIG = os.environ.get("GRADFOLD_TEST_BIG", "1" if wire.SCALE == 1 else "0") == "1"
GIB = 1 << 30


class Scale(ServerCase):
    def test_a_thousand_connections_at_once(self):
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        count = min(1000, soft - 100)
        job = self.vector_job(2, world_size=count)
        conns = [self.connect() for _ in range(count)]
        pulls = [
            conn.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 3000)) for conn in conns
        ]
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
        self.accept(job, tensors, final=True)
        gradients, values = self.pull_closed(job)
        self.assertEqual([g.node for g in gradients], list(range(count)))
        self.assertTrue(all(g.contributions == 1 for g in gradients))
        self.assertTrue(all(v == [0] * (i % 3) + [1] for i, v in enumerate(values)))
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

    def test_jobs_are_limited_and_deleting_one_makes_room(self):
        names = []
        while len(names) < 100_000:
            spec = self.spec([node(F32)])
            reply = self.conn.call("create_job", spec=spec)
            if reply.code != OK:
                break
            names.append(spec.name)
        self.expect(reply, wire.RESOURCE_EXHAUSTED)
        self.assertGreater(len(names), 100)
        self.expect(self.conn.call("create_job", spec=spec.copy(name=names[0])), OK)
        self.expect(self.conn.call("delete_job", job=names.pop()), OK)
        self.expect(self.conn.call("create_job", spec=spec), OK)
        for name in [*names, spec.name]:
            self.expect(self.conn.call("delete_job", job=name), OK)

    def test_nodes_are_limited(self):
        """As many nodes as a header can hold: 2 bytes each and 2 around them."""
        nodes = bytes_field(2, b"\x10\x01") * ((wire.HEADER_MAX - 200) // 4)
        spec = bytes_field(1, self.name().encode()) + b"\x18\x01" + nodes
        header = b"\x08\x63" + bytes_field(3, bytes_field(1, spec))
        self.conn.send_raw(wire.frame(header))
        reply = self.conn.receive()
        self.assertIn(reply.id, (0, 99), reply)
        self.expect(reply, wire.RESOURCE_EXHAUSTED)
        self.expect_alive(self.conn)


@unittest.skipUnless(BIG, "GRADFOLD_TEST_BIG=0, or a scale above 1")
class Gibibyte(ServerCase):
    OPTIONS = ("--staging-bytes", str(3 * GIB), "--max-body-bytes", str(GIB))

    def test_a_tensor_of_one_gibibyte(self):
        """Sent and compared in blocks, so that the test itself stays small."""
        block = b"".join(tensor(0, [i * 0.37 - 1e5 * (i % 7)])[1] for i in range(1 << 12)) * 64
        job = self.create([node(F32, [GIB // 4])])
        push = wire.new(
            "Push",
            job=job,
            round=0,
            final=True,
            contributions=[wire.new("Contribution", node=0, dtype=F32, shape=[GIB // 4])],
        )
        header = wire.request_header("push", 1000, push)
        self.conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), GIB) + header)
        self.conn.sock.settimeout(wire.DEADLINE * 3)
        for _ in range(GIB // len(block)):
            self.conn.send_raw(block)
        self.assertEqual(self.expect(self.conn.wait(1000), OK).result.verdict, wire.ACCEPTED)
        self.conn.send("pull", job=job, round=0, wait_ms=int(wire.DEADLINE * 3000))
        _, header_size, body_size = wire.PREFIX.unpack(self.conn.read(wire.PREFIX.size))
        response = wire.SCHEMA.decode("Response", bytes(self.conn.read(header_size)))
        self.assertEqual((response.status.code, body_size), (OK, GIB))
        different = sum(self.conn.read(len(block)) != block for _ in range(GIB // len(block)))
        self.assertEqual(different, 0)


if __name__ == "__main__":
    unittest.main()
