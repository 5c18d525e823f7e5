"""The client: connect, make jobs, push, pull."""

import contextlib
import ctypes
import math
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy as np

from . import _arrays, _job, errors
from ._guard import Guard, Owned
from ._job import Job, Nodes
from ._library import NO_TIMEOUT, gf_error, gf_options, gf_server_info, lib
from ._operation import Key, Operation, PullResult, PushResult
from ._transfer import (
    Into, Tensors, job_name, milliseconds, pull_arguments, pulled, push_arguments, shown, stand_ins,
    targets, unsigned
)

# A call that cannot be interrupted is made in pieces: Ctrl-C is looked at in between.
_CALL_SLICE_MS = 1000
_CONNECT_SLICE_MS = 5000

_ROUND_STATES = {1: "open", 2: "closing", 3: "closed"}


@dataclass(frozen=True)
class ServerInfo:
    """shared_memory: of buffers and views no byte is copied on the way."""

    version: str
    max_header_bytes: int
    max_body_bytes: int
    shared_memory: bool


def _in_slices(call, timeout_ms: int, slice_ms: int, again: int) -> Tuple[int, gf_error]:
    """Makes a call until it is decided: code `again` says that only its slice was over. Returns
    the last code and error."""
    error = gf_error()
    end = math.inf if timeout_ms == NO_TIMEOUT else time.monotonic() + timeout_ms / 1000
    while True:
        left_ms = max(1.0, (end - time.monotonic()) * 1000)
        code = call(math.ceil(min(left_ms, slice_ms)), ctypes.byref(error))
        if code != again or time.monotonic() >= end:
            return code, error


def connect(address: str, **options: Any) -> "Client":
    """`with gradfold.connect("host:7433") as client: …`. Options: those of `Client`."""
    return Client(address, **options)


class Client:
    """A connection to a gradfold server, made again when it is lost.

    address:         "host:port", "1.2.3.4:port", "[::1]:port" or "unix:/path"
    connect_timeout: seconds until Unreachable; a server that is just starting is waited for
    call_timeout:    seconds of calls that do not say theirs (timeout=None); math.inf is allowed
    name:            for the server's log
    token:           shown to the server
    shared_memory:   False: stay on TCP with a server on this host, copy on a Unix socket

    Any threads may use one client at the same time. It does not survive fork(): a child gets
    RuntimeError and connects for itself. Lost connections are made again, and what was not
    answered is sent again, until a call's time-out; a push counts once all the same.

    Calls raise a subclass of `Error`; TypeError and ValueError for arrays and numbers that cannot
    be sent. Ctrl-C gets through within a tenth of a second while a push or pull is waited for,
    a second in other calls, five while connecting.
    """

    def __init__(self, address: str, *, connect_timeout: float = 5.0, call_timeout: float = 60.0,
                 name: Optional[str] = None, token: Optional[str] = None,
                 shared_memory: bool = True):
        self.address = address
        self._guard = Guard()
        self._call_timeout_ms = milliseconds(call_timeout)
        self._jobs: Dict[str, Job] = {}
        handle = ctypes.c_void_p()

        def attempt(slice_ms, error):
            options = gf_options(
                size=ctypes.sizeof(gf_options), connect_timeout_ms=slice_ms,
                call_timeout_ms=self._call_timeout_ms, name=name.encode() if name else None,
                token=token.encode() if token else None, no_shared_memory=not shared_memory)
            return lib.gf_connect(address.encode(), ctypes.byref(options), ctypes.byref(handle),
                                  error)

        code, error = _in_slices(attempt, milliseconds(connect_timeout), _CONNECT_SLICE_MS,
                                 errors.Unreachable.code)
        if code:
            raise errors.failure(code, error)
        self._guard.handle = handle

    def close(self) -> None:
        """Ends the connection; operations in flight, also those that other threads wait for, end
        with Cancelled. Arrays of buffers and views stay valid. Closing again does nothing."""
        if self._guard.handle:
            self._guard.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __del__(self):
        self.close()

    def __repr__(self) -> str:
        return f"<gradfold.Client {self.address}{' (closed)' if self._guard.closed else ''}>"

    # -- Calls about jobs -------------------------------------------------------------------------

    def _call(self, function, *arguments, timeout: Optional[float], results=()) -> None:
        """Runs function(handle, *arguments, timeout_ms, *results, error)."""

        def attempt(slice_ms, error):
            with self._guard as handle:
                return function(handle, *arguments, slice_ms, *results, error)

        code, error = _in_slices(attempt, milliseconds(timeout, self._call_timeout_ms),
                                 _CALL_SLICE_MS, errors.DeadlineExceeded.code)
        if code:
            raise errors.failure(code, error)

    def ping(self, timeout: Optional[float] = None) -> ServerInfo:
        """There and back."""
        info = gf_server_info()
        self._call(lib.gf_ping, timeout=timeout, results=(ctypes.byref(info),))
        return ServerInfo(info.version.decode(), info.max_header_bytes, info.max_body_bytes,
                          info.shared_memory)

    def create_job(self, name: str, nodes: Nodes, world_size: int, *, quorum: int = 0,
                   grace: float = 0.0, reduction: str = "sum", accumulation: str = "exact",
                   non_finite: str = "reject", retain_rounds: int = 2,
                   timeout: Optional[float] = None) -> Job:
        """Creates the job, or finds it with the very same spec: `Job.created` tells which (but may
        be False when a connection was lost on the way).

        nodes:         `Node`s in the order of their ids; or {name: array}, whose shapes and dtypes
                       are taken
        world_size:    workers, numbered from 0
        quorum, grace: a round closes when so many workers (0: all) have been final for so many
                       seconds, and at once when all are
        reduction:     "sum", or "mean" of the contributions: the exact sum, divided once
        accumulation:  "exact": the same bits in whatever order; "in_order": plain additions
        non_finite:    "reject" or "propagate" NaN and infinities
        retain_rounds: so many closed rounds can still be pulled

        AlreadyExists: the name has another spec. ResourceExhausted: the server has no room.
        """
        nodes = _job.nodes_of(nodes)
        for node in nodes:
            unsigned(f"node {node.name!r}: expected", node.expected, 32)
        for what, value in (("world_size", world_size), ("quorum", quorum),
                            ("retain_rounds", retain_rounds)):
            unsigned(what, value, 32)
        unsigned("grace", round(grace * 1000), 64)
        spec = lib.gf_spec_new(name.encode(), world_size)
        if not spec:
            raise errors.NoMemory("no memory for a spec")
        try:
            _job.set_rules(spec, quorum, grace, reduction, accumulation, non_finite, retain_rounds)
            _job.add_nodes(spec, nodes)
            created, handle = ctypes.c_bool(), ctypes.c_void_p()
            self._call(lib.gf_job_create, spec, timeout=timeout,
                       results=(ctypes.byref(created), ctypes.byref(handle)))
        finally:
            lib.gf_spec_free(spec)
        return self._remember(handle, nodes, bool(created))

    def describe(self, job: Union[str, Job], timeout: Optional[float] = None) -> Job:
        """The job as it is now. NotFound: there is none."""
        handle = ctypes.c_void_p()
        self._call(lib.gf_job_describe, job_name(job), timeout=timeout,
                   results=(ctypes.byref(handle),))
        return self._remember(handle)

    def _remember(self, handle, nodes=None, created: bool = False) -> Job:
        try:
            job = _job.job_of(handle, nodes, created)
        finally:
            lib.gf_job_free(handle)
        self._jobs[job.name] = job
        return job

    def delete_job(self, job: Union[str, Job], timeout: Optional[float] = None) -> None:
        """Everything that waits for the job gets NotFound, as does this call if there is none. A
        new run should take a new name: late pushes of the old one may still be on their way."""
        self._jobs.pop(job_name(job).decode(), None)
        started = time.monotonic()
        try:
            self._call(lib.gf_job_delete, job_name(job), timeout=timeout)
        except errors.NotFound:
            if time.monotonic() - started < _CALL_SLICE_MS / 1000:
                raise  # later, an earlier slice of this call has deleted it

    def jobs(self, timeout: Optional[float] = None) -> List[str]:
        """The names of all jobs."""
        handle = ctypes.c_void_p()
        self._call(lib.gf_job_list, timeout=timeout, results=(ctypes.byref(handle),))
        try:
            return [lib.gf_job_names_get(handle, i).decode()
                    for i in range(lib.gf_job_names_count(handle))]
        finally:
            lib.gf_job_names_free(handle)

    def close_round(self, job: Union[str, Job], round: int,
                    timeout: Optional[float] = None) -> str:
        """The round stops to accept pushes, is folded with what it has, and the next one is open.
        Harmless for one that is "closing" or "closed", which is returned."""
        state = ctypes.c_int()
        self._call(lib.gf_round_close, job_name(job), unsigned("round", round, 64), timeout=timeout,
                   results=(ctypes.byref(state),))
        return _ROUND_STATES[state.value]

    # -- Push and pull ----------------------------------------------------------------------------

    def push(self, job: Union[str, Job], round: int, worker: int, sequence: int,
             tensors: Tensors = (), *, final: bool = False, checksum: bool = False,
             timeout: Optional[float] = None) -> PushResult:
        """Adds arrays to a round: all of them, or none.

        job:      its name, or a `Job` that create_job() or describe() returned. With a name, node
                  names are looked up at the server once.
        worker:   0 … world_size - 1
        sequence: with job, round and worker the key of this push: another one for every other push
                  of the round. A repeated push of the same key counts once.
        tensors:  {node's name or id: array}, or pairs of those when a node occurs more than once.
                  Arrays are sent from where they lie: C-contiguous, of the node's shape, and of its
                  dtype or one that widens to it (uint16 is bf16). Not to be changed meanwhile.
        final:    this worker's last push of the round
        checksum: have the arrays compared on arrival (XXH3-64)
        """
        return self._run(self.push_async(job, round, worker, sequence, tensors, final=final,
                                         checksum=checksum, timeout=timeout))

    def pull(self, job: Union[str, Job], round: Optional[int] = None, into: Into = None, *,
             wait: bool = True, timeout: Optional[float] = None) -> PullResult:
        """The sums of a round, once they are complete.

        round: None: the newest closed one; while none is: the open one
        into:  {node's name or id: array} to write to: C-contiguous, of the node's dtype and number
               of bytes; or names or ids, for which new arrays are made; None: all nodes
        wait:  False: DeadlineExceeded at once unless all of them are complete

        NotFound: no such job, or the round is retired. FutureRound: it has not begun.
        """
        return self._run(self.pull_async(job, round, into, wait=wait, timeout=timeout))

    def push_pull(self, job: Union[str, Job], round: int, worker: int, sequence: int,
                  tensors: Tensors, into: Into = None, *, final: bool = True,
                  checksum: bool = False,
                  timeout: Optional[float] = None) -> Tuple[PushResult, PullResult]:
        """push() and pull() of one round at once: the pull does not wait for the push's answer on
        its way. If the push fails, its error is raised and the pull is given up. The arrays of
        `tensors` and of `into` must not share memory."""
        return self._run(self.push_pull_async(job, round, worker, sequence, tensors, into,
                                              final=final, checksum=checksum, timeout=timeout))

    def push_async(self, job: Union[str, Job], round: int, worker: int, sequence: int,
                   tensors: Tensors = (), *, final: bool = False, checksum: bool = False,
                   timeout: Optional[float] = None) -> Operation:
        """push(), on its way: `.wait()`, `.done`. Pushes are decided in the order of submission."""
        arguments, keep = push_arguments(self._job, job, round, worker, sequence, tensors, final,
                                         checksum, timeout)
        operation = Operation(self._guard, True, None, keep)
        return operation._submit(lib.gf_push_submit, arguments)

    def pull_async(self, job: Union[str, Job], round: Optional[int] = None, into: Into = None, *,
                   wait: bool = True, timeout: Optional[float] = None) -> Operation:
        """pull(), on its way: `.wait()`, `.done`. Read the arrays when it is complete."""
        arrays = targets(self._job, job, into)
        arguments, entries = pull_arguments(self._job, job, round, arrays, wait, timeout)
        operation = Operation(self._guard, False, pulled(arrays, entries), arguments)
        return operation._submit(lib.gf_pull_submit, arguments)

    def push_pull_async(self, job: Union[str, Job], round: int, worker: int, sequence: int,
                        tensors: Tensors, into: Into = None, *, final: bool = True,
                        checksum: bool = False, timeout: Optional[float] = None) -> Operation:
        """push_pull(), on its way: `.wait()`, `.done`."""
        arrays = targets(self._job, job, into)
        push, keep = push_arguments(self._job, job, round, worker, sequence, tensors, final,
                                    checksum, timeout)
        pull, entries = pull_arguments(self._job, job, round, arrays, True, timeout)
        operation = Operation(self._guard, True, pulled(arrays, entries), (keep, pull))
        return operation._submit(lib.gf_push_pull_submit, push, pull)

    @contextlib.contextmanager
    def pull_view(self, job: Union[str, Job], round: Optional[int] = None,
                  nodes: Optional[Iterable[Key]] = None, *, wait: bool = True,
                  timeout: Optional[float] = None) -> Iterator[PullResult]:
        """`with client.pull_view("job", 3) as sums: …`: read-only arrays that show the server's own
        memory where it can be shared (`ping().shared_memory`), and copies of it elsewhere.

        The memory goes back to the server at the end of the `with`, or when nobody refers to the
        arrays any more, if that is later. A connection holds 64 views at most.
        """
        arrays = stand_ins(self._job, job, nodes)
        arguments, entries = pull_arguments(self._job, job, round, arrays, wait, timeout, view=True)
        operation = Operation(self._guard, False, shown(self._guard, arrays, entries), arguments)
        result = self._run(operation._submit(lib.gf_pull_submit, arguments))
        del operation
        try:
            yield result
        finally:
            result.arrays.clear()

    def buffer(self, shape: Union[int, Tuple[int, ...]], dtype="f32") -> np.ndarray:
        """An array of zeros in memory that a server on the same host can read in place: what is
        pushed from such arrays alone is not copied. Anywhere else it is an ordinary array. The
        memory lives as long as the array or any part of it is in use."""
        shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        dtype = _arrays.dtype_name(dtype)
        nbytes = math.prod(shape) * _arrays.NUMPY[dtype].itemsize
        if nbytes == 0:
            return np.zeros(shape, _arrays.NUMPY[dtype])
        owner = Owned(self._guard, ctypes.c_void_p(), lib.gf_buffer_free)
        error = gf_error()
        with self._guard as handle:
            code = lib.gf_buffer_new(handle, unsigned("bytes", nbytes, 64),
                                     ctypes.byref(owner.handle), ctypes.byref(error))
        if code:
            raise errors.failure(code, error)
        address = lib.gf_buffer_data(owner.handle)
        return np.asarray(_arrays.Lent(owner, address, shape, dtype, False))

    def _job(self, job: Union[str, Job]) -> Job:
        if isinstance(job, Job):
            return job
        return self._jobs.get(job) or self.describe(job)

    @staticmethod
    def _run(operation: Operation):
        """Whatever interrupts it, the arrays are the caller's again."""
        try:
            return operation.wait()
        finally:
            operation.cancel()
