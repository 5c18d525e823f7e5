"""Memory that a client shares with the server, and what it sees of the server's."""

import fcntl
import mmap
import os

import exact
import wire
from case import ServerCase
from server import wait_until
from wire import F32, OK, Connection, new

SHRINK_SEAL = fcntl.F_SEAL_SHRINK


class Memory:
    """A memfd of so many bytes, mapped here; sealed as a buffer must be, unless told otherwise."""

    def __init__(self, size, seals=SHRINK_SEAL, flags=0):
        self.size = size
        self.fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
        os.ftruncate(self.fd, size)
        if seals:
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
        self.map = mmap.mmap(self.fd, size)

    def write(self, offset, values, dtype=F32):
        data = exact.pack(dtype, list(values))
        self.map[offset : offset + len(data)] = data

    def close(self):
        self.map.close()
        os.close(self.fd)


def lying(node, buffer, offset, shape, dtype=F32):
    """A contribution that lies in a buffer."""
    return new(
        "Contribution", node=node, dtype=dtype, shape=list(shape), buffer=buffer, offset=offset
    )


class SharedCase(ServerCase):
    """Tests on a Unix socket; `self.local` is a connection there."""

    UNIX = True

    def setUp(self):
        super().setUp()
        self.local = self.connect_local()

    def connect_local(self):
        conn = Connection(self.server.unix)
        self.addCleanup(conn.close)
        return conn

    def memory(self, size, **how):
        memory = Memory(size, **how)
        self.addCleanup(memory.close)
        return memory

    def add(self, memory, buffer=1, code=OK, conn=None, size=None):
        conn = conn or self.local
        size = memory.size if size is None else size
        reply = conn.call("add_buffer", fds=[memory.fd], buffer=buffer, bytes=size)
        return self.expect(reply, code)

    def buffer(self, size, number=1, conn=None):
        """Registered memory."""
        memory = self.memory(size)
        self.add(memory, number, conn=conn)
        return memory

    def send_shared(self, job, contributions, conn=None, sequence=None, round=0, **fields):
        conn = conn or self.local
        sequence = conn.next_id if sequence is None else sequence
        message = new(
            "Push",
            job=job,
            round=round,
            sequence=sequence,
            contributions=list(contributions),
            **fields,
        )
        return conn.send("push", message)

    def push_shared(self, job, contributions, code=OK, conn=None, **fields):
        conn = conn or self.local
        return self.expect(conn.wait(self.send_shared(job, contributions, conn, **fields)), code)

    def view(self, job, round=0, conn=None, code=OK):
        """The reply of a pull with `view` of a round that closes within the deadline."""
        wait_ms = int(wire.DEADLINE * 1000)
        conn = conn or self.local
        reply = conn.call("pull", job=job, round=round, wait_ms=wait_ms, view=True)
        return self.expect(reply, code)

    def end_view(self, reply, code=OK, conn=None):
        return self.expect((conn or self.local).call("end_view", pull=reply.id), code)

    def until_held(self, held):
        """Until the server holds no more than that, of everything."""

        def no_more():
            return all(now <= then for now, then in zip(self.server.held(), held))

        wait_until(no_more, f"{held}, not {self.server.held()}")
