"""Operations under way: what push_async() and its siblings return."""

import ctypes
import math
import time
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Optional, Union

import numpy as np

from . import errors
from ._guard import Guard
from ._library import gf_error, gf_pull_result, gf_push_result, lib

_SLICE_MS = 100  # Ctrl-C, and close() in another thread, are looked at so often
_DUPLICATE = 2
_OPEN_STATES = {1: "open", 2: "closing", 3: "closed"}
_DEADLINE_EXCEEDED = errors.DeadlineExceeded.code

Key = Union[int, str]


@dataclass(frozen=True)
class PushResult:
    """A push that counts.

    round:     to which it was added
    duplicate: this very push had been accepted before; nothing was added again
    ignored:   so many of its arrays are for nodes that require no gradient
    """

    round: int
    duplicate: bool
    ignored: int


@dataclass(frozen=True)
class PullResult:
    """What was pulled: `result["weight"]` is `result.arrays["weight"]`.

    round:         which round it is
    state:         "closed", or "open" or "closing" when these nodes were complete before the round
    arrays:        by the keys that were asked for
    contributions: how many each sum (or mean) holds, by the same keys
    """

    round: int
    state: str
    arrays: Dict[Key, np.ndarray]
    contributions: Dict[Key, int]

    def __getitem__(self, key: Key) -> np.ndarray:
        return self.arrays[key]


class Operation:
    """A push, a pull, or both, on their way. `wait()` tells what came of it.

    It holds on to the arrays until it is complete. One that nobody refers to any more is given up.
    Any thread may wait for it.
    """

    def __init__(self, guard: Guard, pushes: bool, pull: Optional[Callable], keep: Any):
        self._guard = guard
        self._handle = ctypes.c_void_p()
        self._pushes = pushes
        self._pull = pull  # makes a PullResult of a gf_pull_result
        self._keep = keep
        self._waiting = 0  # threads in wait_any()
        self._complete = False
        self._result: Any = None
        self._failure: Optional[Exception] = None

    def _submit(self, function: Callable, *arguments) -> "Operation":
        """The library writes to _handle itself, so that no interrupt can lose it."""
        error = gf_error()
        with self._guard as client:
            code = function(client, *arguments, ctypes.byref(self._handle), ctypes.byref(error))
        if code:
            raise errors.failure(code, error)
        return self

    @property
    def done(self) -> bool:
        """Complete, well or not? Does not wait."""
        self._guard.check_fork()
        with self._guard.lock:
            return not self._handle or lib.gf_op_test(self._handle)

    def wait(self, timeout: Optional[float] = None):
        """Waits until it is complete: at its own deadline at the latest.

        Returns a PushResult, a PullResult, or a pair of them, however often it is asked; raises the
        operation's `Error`. timeout: seconds; TimeoutError if it is not complete by then (it goes
        on). Ctrl-C gets through.
        """
        wait_any([self], timeout)
        with self._guard.lock:
            self._collect()
        if self._failure is not None:
            raise self._failure
        return self._result

    def cancel(self) -> None:
        """Gives it up: the arrays are yours again, and the server may still act on it. Nothing
        happens to one that is complete. RuntimeError: another thread is waiting for it."""
        self._guard.check_fork()
        with self._guard.lock:
            if self._waiting:
                raise RuntimeError("another thread is waiting for this operation")
            if not self.done:
                self._complete, self._failure = True, errors.Cancelled("given up")
            self._collect()

    def _collect(self) -> None:
        """It is complete: keeps its outcome, and the last who waited lets go of everything else."""
        if not self._complete:
            self._take_outcome()
            self._complete = True
        if self._handle and not self._waiting:
            lib.gf_op_free(self._handle)
            self._handle = ctypes.c_void_p()
            self._keep = self._pull = None

    def _take_outcome(self) -> None:
        error = gf_error()
        code = lib.gf_op_wait(self._handle, ctypes.byref(error))
        if code:
            self._failure = errors.failure(code, error)
        else:
            self._result = self._results()

    def _results(self):
        pushed = pulled = None
        if self._pushes:
            raw = gf_push_result()
            lib.gf_op_push_result(self._handle, ctypes.byref(raw))
            pushed = PushResult(raw.round, raw.verdict == _DUPLICATE, raw.ignored)
        if self._pull is not None:
            raw = gf_pull_result()
            lib.gf_op_pull_result(self._handle, ctypes.byref(raw))
            pulled = self._pull(raw, _OPEN_STATES[raw.state])
        return (pushed, pulled) if pushed and pulled else pushed or pulled

    def __del__(self):
        if not self._handle or self._guard.forked:
            return
        with self._guard.lock:
            if not lib.gf_op_test(self._handle):
                warnings.warn("an operation is given up: nobody waited for it",
                              ResourceWarning, stacklevel=2, source=self)
            lib.gf_op_free(self._handle)


def _slice(guard: Guard, handles, timeout_ms: int) -> Optional[int]:
    """One call into the library: the index of a complete operation, or None."""
    index = ctypes.c_size_t()
    error = gf_error()
    arguments = (handles, len(handles), timeout_ms, ctypes.byref(index), ctypes.byref(error))
    if guard.wait_closed():  # then all are complete, and the handle is not used
        code = lib.gf_op_wait_any_for(*arguments)
    else:
        with guard:
            code = lib.gf_op_wait_any_for(*arguments)
    if code == _DEADLINE_EXCEEDED:
        return None
    if code:
        raise errors.failure(code, error)
    return index.value


def wait_any(operations: Iterable[Operation], timeout: Optional[float] = None) -> Operation:
    """Waits until one of these operations of one client is complete, and returns that one; its
    `wait()` does not wait any more. timeout: seconds; TimeoutError if none is complete by then."""
    operations = list(operations)
    if not operations:
        raise ValueError("no operation to wait for")
    guard = operations[0]._guard
    if any(op._guard is not guard for op in operations):
        raise ValueError("operations of different clients")
    guard.check_fork()
    end = time.monotonic() + (math.inf if timeout is None else timeout)
    with guard.lock:
        complete = next((op for op in operations if not op._handle), None)
        if complete is not None:
            return complete
        handles = (ctypes.c_void_p * len(operations))(*[op._handle.value for op in operations])
        for op in operations:
            op._waiting += 1
    try:
        while True:
            left_ms = max(0.0, end - time.monotonic()) * 1000
            found = _slice(guard, handles, math.ceil(min(left_ms, _SLICE_MS)))
            if found is not None:
                return operations[found]
            if time.monotonic() >= end:
                raise TimeoutError(f"not complete within {timeout:g} s")
    finally:
        with guard.lock:
            for op in operations:
                op._waiting -= 1
