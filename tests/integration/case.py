"""What the tests share: one server a class, jobs with fresh names, tensors, and expectations."""

import itertools
import re
import unittest

import exact
import wire
from server import Server, wait_until
from wire import F32, OK, new
from xxh3 import xxh3_64

numbers = itertools.count(1)


def tensor(node, values=(), dtype=F32, shape=None, data=None):
    """(contribution, bytes); the shape is that of a vector unless given."""
    if data is None:
        data = exact.pack(dtype, list(values))
    if shape is None:
        shape = [len(data) // wire.ITEM_BYTES.get(dtype, 1)]
    return new("Contribution", node=node, dtype=dtype, shape=list(shape)), data


def push_message(job, tensors=(), sequence=None, round=0, checksum=None, **fields):
    """(message, body); checksum True computes it, a number is sent as it is."""
    body = b"".join(data for _, data in tensors)
    if checksum is True:
        checksum = xxh3_64(body)
    sequence = next(numbers) if sequence is None else sequence
    message = new(
        "Push",
        job=job,
        round=round,
        sequence=sequence,
        body_checksum=checksum,
        contributions=[contribution for contribution, _ in tensors],
        **fields,
    )
    return message, body


class ServerCase(unittest.TestCase):
    """A class of tests on one server; its clean exit at the end is checked too."""

    OPTIONS = ()
    LISTEN = ("127.0.0.1:0",)
    UNIX = False  # True: on a Unix socket, too

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS, listen=cls.LISTEN, unix=cls.UNIX).start()

    @classmethod
    def tearDownClass(cls):
        """Nothing may be left behind: no request, no job's memory; and the exit must be clean."""
        try:
            cls.expect_nothing_held()
        finally:
            cls.server.stop()

    @classmethod
    def expect_nothing_held(cls):
        conn = cls.server.connect()
        try:
            for job in conn.call("list_jobs").result.jobs:
                conn.call("delete_job", job=job)
        finally:
            conn.close()
        for name in (
            "jobs",
            "connections",
            "bodies_receiving",
            "pushes_waiting",
            "pulls_waiting",
            "folds_running",
            "staging_used_bytes",
            "results_used_bytes",
            "accumulators_used_bytes",
        ):
            cls.until_metric(name, 0)

    def setUp(self):
        if self.server.process.poll() is not None:
            self.fail(f"the server has died:\n{self.server.log()[-6000:]}")
        self.conn = self.connect()

    def connect(self):
        conn = self.server.connect()
        self.addCleanup(conn.close)
        return conn

    # -- what the server tells of itself: conditions to wait for instead of sleeping ------------

    @classmethod
    def metric(cls, name):
        found = re.search(rf"^gradfoldd_{name} (\S+)$", cls.server.http("/metrics"), re.MULTILINE)
        return float(found[1])

    @classmethod
    def until_metric(cls, name, value):
        wait_until(lambda: cls.metric(name) == value, f"{name} = {value}, not {cls.metric(name)}")

    def until_calm(self):
        """Everything that earlier connections left half-done is gone."""
        for name in ("bodies_receiving", "pushes_waiting", "pulls_waiting"):
            self.until_metric(name, 0)

    # -- expectations ---------------------------------------------------------------------------

    def expect(self, reply, code, *words):
        """The reply has this code, and its message these words (regular expressions)."""
        self.assertEqual(wire.CODES[reply.code], wire.CODES[code], reply)
        for word in words:
            self.assertRegex(reply.message.replace(", ", ","), word)
        return reply

    def expect_shapes(self, reply, code, node, *shapes):
        """A refusal that names the node id and the shapes."""
        self.expect(reply, code, rf"\bnode {node}\b")
        listed = [
            re.sub(r"[\sx×,]+", ",", text.strip("[]()"))
            for text in re.findall(r"[\[(][\d\sx×,]*[\])]", reply.message)
        ]
        for shape in shapes:
            self.assertIn(",".join(map(str, shape)), listed, reply.message)

    def expect_alive(self, conn=None):
        """The server still answers: on this connection, or on a new one."""
        own = conn or self.connect()
        self.expect(own.call("list_jobs"), OK)
        if conn is None:
            own.close()

    def expect_broken(self, conn, code):
        """One answer with id 0, then the end of the connection."""
        reply = conn.receive()
        self.assertEqual(reply.id, 0, reply)
        self.expect(reply, code)
        self.assertTrue(conn.ended(), "the connection stays open")

    # -- jobs -----------------------------------------------------------------------------------

    def name(self):
        return f"{type(self).__name__}.{self._testMethodName}.{next(numbers)}"[-255:]

    def spec(self, nodes, world_size=1, **fields):
        fields.setdefault("name", self.name())
        return new("JobSpec", nodes=list(nodes), world_size=world_size, **fields)

    def create(self, nodes, world_size=1, **fields):
        """A new job; returns its name."""
        spec = self.spec(nodes, world_size, **fields)
        reply = self.expect(self.conn.call("create_job", spec=spec), OK)
        self.assertTrue(reply.result.created)
        return spec.name

    def vector_job(self, size=4, world_size=1, **fields):
        """One node: an f32 vector."""
        return self.create([wire.node(F32, [size])], world_size, **fields)

    def push(self, job, tensors=(), code=OK, conn=None, **fields):
        message, body = push_message(job, tensors, **fields)
        return self.expect((conn or self.conn).call("push", message, body), code)

    def accept(self, job, tensors=(), **fields):
        reply = self.push(job, tensors, **fields)
        self.assertEqual(reply.result.verdict, wire.ACCEPTED)
        return reply.result

    def duplicate(self, job, tensors=(), **fields):
        reply = self.push(job, tensors, **fields)
        self.assertEqual(reply.result.verdict, wire.DUPLICATE)
        return reply.result

    def pull(self, job, nodes=(), code=OK, conn=None, round=0, wait_ms=0, **fields):
        return self.expect(
            (conn or self.conn).call(
                "pull", job=job, round=round, nodes=list(nodes), wait_ms=wait_ms, **fields
            ),
            code,
        )

    def pull_closed(self, job, round=0, nodes=()):
        """The gradients of a round that closes within the deadline, and a list of values each."""
        reply = self.pull(job, nodes, round=round, wait_ms=int(wire.DEADLINE * 1000))
        self.assertEqual((reply.result.round, reply.result.state), (round, wire.CLOSED))
        return reply.result.gradients, self.values(reply)

    def values(self, reply):
        """The tensors of a pull as lists, in the order listed."""
        values, at = [], 0
        for gradient in reply.result.gradients:
            size = wire.ITEM_BYTES[gradient.dtype] * wire.elements(gradient.shape)
            values.append(exact.unpack(gradient.dtype, reply.body[at : at + size]))
            at += size
        return values

    def close_round(self, job, round=0):
        return self.expect(self.conn.call("close_round", job=job, round=round), OK).result.round

    def close_and_pull(self, job, round=0, nodes=()):
        """Closes a round by request and returns the values of its nodes."""
        self.close_round(job, round)
        return self.pull_closed(job, round, nodes)[1]

    def rounds(self, job):
        """RoundStatus by number."""
        status = self.expect(self.conn.call("describe_job", job=job), OK).result.job
        return {status.round: status for status in status.rounds}

    # -- pushes in pieces -----------------------------------------------------------------------

    def half_push(self, job, tensors, conn=None, cut=None, **fields):
        """Sends a push without the last bytes of its body; returns (conn, id, the rest)."""
        conn = conn or self.connect()
        message, body = push_message(job, tensors, **fields)
        id, cut = conn.take_id(), max(1, len(body) // 2) if cut is None else cut
        header = wire.request_header("push", id, message)
        conn.send_raw(wire.PREFIX.pack(wire.MAGIC, len(header), len(body)) + header)
        conn.send_raw(body[:cut])
        return conn, id, body[cut:]
