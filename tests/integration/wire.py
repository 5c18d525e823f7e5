"""The wire contract, a second time: frames, messages and a blocking connection.

Everything here was written from the document of the protocol alone and shares no code with the
server or the C client, so that the two keep each other honest.
"""

import os
import socket
import struct

from protobuf import DecodeError, Schema

MAGIC = b"GFD1"
PREFIX = struct.Struct("<4sIQ")
HEADER_MAX = 4 << 20
RESPONSE_HEADER_MAX = 16 << 20

F32, F64, F16, BF16, I32, I64 = range(1, 7)
ITEM_BYTES = {F32: 4, F64: 8, F16: 2, BF16: 2, I32: 4, I64: 8}
DTYPE_NAMES = {F32: "f32", F64: "f64", F16: "f16", BF16: "bf16", I32: "i32", I64: "i64"}
SUM, MEAN = 1, 2
EXACT, IN_ORDER = 1, 2
REJECT, PROPAGATE = 1, 2
OPEN, CLOSING, CLOSED = 1, 2, 3
ACCEPTED, DUPLICATE = 1, 2

CODES = (
    "OK INVALID_ARGUMENT MALFORMED TOO_LARGE NOT_FOUND ALREADY_EXISTS UNKNOWN_NODE SHAPE_MISMATCH "
    "DTYPE_MISMATCH NON_FINITE STALE_ROUND FUTURE_ROUND CONFLICT CHECKSUM_MISMATCH "
    "RESOURCE_EXHAUSTED DEADLINE_EXCEEDED UNAUTHENTICATED PERMISSION_DENIED UNAVAILABLE "
    "OUT_OF_RANGE INTERNAL"
).split()
# fmt: off
(OK, INVALID_ARGUMENT, MALFORMED, TOO_LARGE, NOT_FOUND, ALREADY_EXISTS, UNKNOWN_NODE,
 SHAPE_MISMATCH, DTYPE_MISMATCH, NON_FINITE, STALE_ROUND, FUTURE_ROUND, CONFLICT, CHECKSUM_MISMATCH,
 RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE,
 OUT_OF_RANGE, INTERNAL) = range(21)
# fmt: on

SCHEMA = Schema(
    """
Node: name=1 string, dtype=2 enum, shape=3 packed uint64, requires_grad=4 bool (true), \
expected=5 uint32
JobSpec: name=1 string, nodes=2 repeated Node, world_size=3 uint32, quorum=4 uint32, \
grace_ms=5 uint64, reduction=6 enum (1), accumulation=7 enum (1), non_finite=8 enum (1), \
retain_rounds=9 uint32 (2)
RoundStatus: round=1 uint64, state=2 enum, final_workers=3 packed uint32, pushes=4 uint64, \
bytes=5 uint64, age_ms=6 uint64
JobStatus: spec=1 JobSpec, rounds=2 repeated RoundStatus
Contribution: node=1 uint64, dtype=2 enum, shape=3 packed uint64, buffer=16 uint64, \
offset=17 uint64
Gradient: node=1 uint64, dtype=2 enum, shape=3 packed uint64, contributions=4 uint32, \
offset=16 uint64
Hello: protocol=1 uint32, client=2 string, token=3 string
HelloResult: protocol=1 uint32, server_version=2 string, max_header_bytes=3 uint64, \
max_body_bytes=4 uint64, unix_path=16 string, instance=17 fixed64
CreateJob: spec=1 JobSpec
CreateJobResult: job=1 JobStatus, created=2 bool
DescribeJob: job=1 string
DescribeJobResult: job=1 JobStatus
ListJobs:
ListJobsResult: jobs=1 repeated string
DeleteJob: job=1 string
DeleteJobResult:
Push: job=1 string, round=2 uint64, worker=3 uint32, sequence=4 uint64, final=5 bool, \
body_checksum=6 fixed64, contributions=7 repeated Contribution
PushResult: verdict=1 enum, round=2 uint64, ignored=3 uint32
Pull: job=1 string, round=2 uint64, nodes=3 packed uint64, wait_ms=4 uint64, view=16 bool
PullResult: round=1 uint64, state=2 enum, gradients=3 repeated Gradient, segment=16 uint64, \
segment_bytes=17 uint64, retired=18 packed uint64
CloseRound: job=1 string, round=2 uint64
CloseRoundResult: round=1 RoundStatus
AddBuffer: buffer=1 uint64, bytes=2 uint64
AddBufferResult:
DropBuffer: buffer=1 uint64
DropBufferResult:
EndView: pull=1 uint64
EndViewResult:
Status: code=1 enum, message=2 string
Request: id=1 uint64, hello=2 Hello, create_job=3 CreateJob, describe_job=4 DescribeJob, \
list_jobs=5 ListJobs, delete_job=6 DeleteJob, push=7 Push, pull=8 Pull, close_round=9 CloseRound, \
add_buffer=16 AddBuffer, drop_buffer=17 DropBuffer, end_view=18 EndView
Response: id=1 uint64, status=2 Status, hello=3 HelloResult, create_job=4 CreateJobResult, \
describe_job=5 DescribeJobResult, list_jobs=6 ListJobsResult, delete_job=7 DeleteJobResult, \
push=8 PushResult, pull=9 PullResult, close_round=10 CloseRoundResult, \
add_buffer=16 AddBufferResult, drop_buffer=17 DropBufferResult, end_view=18 EndViewResult
"""
)
OPS = {
    "hello": "Hello",
    "create_job": "CreateJob",
    "describe_job": "DescribeJob",
    "list_jobs": "ListJobs",
    "delete_job": "DeleteJob",
    "push": "Push",
    "pull": "Pull",
    "close_round": "CloseRound",
    "add_buffer": "AddBuffer",
    "drop_buffer": "DropBuffer",
    "end_view": "EndView",
}

SCALE = max(1.0, float(os.environ.get("GRADFOLD_TEST_SCALE", "1")))
DEADLINE = 20.0 * SCALE
codes_seen = {}  # code -> where it was first received: the table that the runner prints
where = [""]  # the test that runs now


def new(kind, **fields):
    return SCHEMA.new(kind, **fields)


def node(dtype=F32, shape=(), **fields):
    return new("Node", dtype=dtype, shape=list(shape), **fields)


def elements(shape):
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def frame(header, body=b""):
    """A frame from header bytes and body bytes."""
    return PREFIX.pack(MAGIC, len(header), len(body)) + header + body


def request_header(op, id, message=None, **fields):
    if message is None:
        message = new(OPS[op], **fields)
    return new("Request", id=id, **{op: message}).encode()


class Reply:
    """One response; `result` only with OK; `body` holds the tensors of a pull; `fd` is the
    descriptor that came along, or None."""

    def __init__(self, header, body):
        response = SCHEMA.decode("Response", header)
        if not response.has("status"):
            raise DecodeError("a response without a status")
        self.id, self.code, self.message = (
            response.id,
            response.status.code,
            response.status.message,
        )
        results = [op for op in OPS if response.has(op)]
        if len(results) != (1 if self.code == OK else 0):
            raise DecodeError(f"code {self.code} with results {results}")
        self.op = results[0] if results else None
        self.result = getattr(response, self.op) if results else None
        self.body = body
        self._check_body()
        codes_seen.setdefault(self.code, where[0])

    def _check_body(self):
        has_body = self.op == "pull" and not self.result.has("segment")
        gradients = self.result.gradients if has_body else []
        want = sum(ITEM_BYTES[g.dtype] * elements(g.shape) for g in gradients)
        if want != len(self.body):
            raise DecodeError(f"a body of {len(self.body)} bytes where the header lists {want}")

    def __repr__(self):
        return f"Reply({self.id}, {CODES[self.code]}, {self.message!r}, {self.result!r})"


class Connection:
    """A blocking connection. Every wait has a deadline: TimeoutError, never a hang.

    The address is (host, port), or the path of a Unix socket; there, `passed` collects the
    descriptors that come, to be closed with the connection."""

    def __init__(self, address, deadline=DEADLINE):
        self.unix = isinstance(address, str)
        self.passed = []
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(socket.AF_UNIX if self.unix else family, socket.SOCK_STREAM)
        self.sock.settimeout(deadline)
        if not self.unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.next_id = 1
        self.kept = {}

    def close(self):
        self.sock.close()
        while self.passed:
            os.close(self.passed.pop())

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def take_id(self):
        self.next_id += 1
        return self.next_id - 1

    def send(self, op, message=None, body=b"", fds=(), **fields):
        """Sends one request whole, descriptors with its first byte, and returns its id."""
        id = self.take_id()
        header = request_header(op, id, message, **fields)
        if fds:
            whole = frame(header, body)
            sent = socket.send_fds(self.sock, [whole], list(fds))
            self.sock.sendall(whole[sent:])
        elif len(body) < 65536:
            self.sock.sendall(frame(header, body))
        else:
            self.sock.sendall(PREFIX.pack(MAGIC, len(header), len(body)) + header)
            self.sock.sendall(body)
        return id

    def read(self, size):
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            count = self.receive_into(view[got:])
            if count == 0:
                raise EOFError(f"connection closed after {got} of {size} bytes")
            got += count
        return data

    def receive_into(self, view):
        if not self.unix:
            return self.sock.recv_into(view)
        data, fds, flags, _ = socket.recv_fds(self.sock, len(view), 16)
        self.passed += fds
        if flags & socket.MSG_CTRUNC:
            raise DecodeError("more descriptors than there is room for")
        view[: len(data)] = data
        return len(data)

    def receive(self):
        """The next response in the order of arrival."""
        before = len(self.passed)
        magic, header_size, body_size = PREFIX.unpack(self.read(PREFIX.size))
        if magic != MAGIC or not 1 <= header_size <= RESPONSE_HEADER_MAX:
            raise DecodeError(f"a prefix {magic!r} {header_size} {body_size}")
        fds = self.passed[before:]
        header = bytes(self.read(header_size))
        reply = Reply(header, self.read(body_size))
        if len(self.passed) > before + len(fds) or len(fds) > 1:
            raise DecodeError("a descriptor that is not with the first byte, or one too many")
        reply.fd = fds[0] if fds else None
        return reply

    def wait(self, id):
        """The response to this request; others that come before it are kept for their own wait."""
        while id not in self.kept:
            reply = self.receive()
            if reply.id in self.kept:
                raise DecodeError(f"two replies to request {reply.id}")
            self.kept[reply.id] = reply
        return self.kept.pop(id)

    def call(self, op, message=None, body=b"", fds=(), **fields):
        return self.wait(self.send(op, message, body, fds, **fields))

    def quiet(self, seconds):
        """True when nothing arrives (neither a byte nor the end) for so long."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(DEADLINE)

    def ended(self):
        """Reads until the server closes; True when it does so without sending more."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
