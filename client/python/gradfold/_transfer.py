"""From arrays to the arguments of the library's calls, and back."""

import ctypes
import math
from typing import Callable, Dict, Iterable, Mapping, Optional, Tuple, Union

import numpy as np

from . import _arrays
from ._guard import Guard, Owned
from ._job import Job
from ._library import (
    NEWEST_ROUND, NO_TIMEOUT, gf_gradient, gf_pull_args, gf_push_args, gf_tensor, lib
)
from ._operation import Key, PullResult

Tensors = Union[Mapping[Key, np.ndarray], Iterable[Tuple[Key, np.ndarray]]]
Into = Union[None, Mapping[Key, np.ndarray], Iterable[Key]]
Resolve = Callable[[Union[str, Job]], Job]  # asks the server only if it must


def unsigned(what: str, value: int, bits: int) -> int:
    """ctypes would cut off what does not fit."""
    if not 0 <= value < 2**bits:
        raise ValueError(f"{what} is {value}: it must be 0 to 2**{bits} - 1")
    return value


def milliseconds(seconds: Optional[float], default: int = 0) -> int:
    if seconds is None:
        return default
    if math.isinf(seconds):
        return NO_TIMEOUT
    return min(max(1, math.ceil(seconds * 1000)), NO_TIMEOUT - 1)


def job_name(job: Union[str, Job]) -> bytes:
    return (job.name if isinstance(job, Job) else job).encode()


def _node_id(resolve: Resolve, job: Union[str, Job], key: Key) -> int:
    return resolve(job).id(key) if isinstance(key, str) else unsigned("node", key, 64)


def push_arguments(resolve: Resolve, job: Union[str, Job], round: int, worker: int, sequence: int,
                   tensors: Tensors, final: bool, checksum: bool, timeout: Optional[float]):
    """(gf_push_args, what must outlive the push)"""
    pairs = list(tensors.items() if isinstance(tensors, Mapping) else tensors)
    entries = (gf_tensor * len(pairs))()
    for entry, (key, array) in zip(entries, pairs):
        array = _arrays.check(array, f"push: node {key!r}")
        _arrays.fill_tensor(entry, _node_id(resolve, job, key), array)
    arguments = gf_push_args(
        size=ctypes.sizeof(gf_push_args), job=job_name(job), round=unsigned("round", round, 64),
        worker=unsigned("worker", worker, 32), sequence=unsigned("sequence", sequence, 64),
        final=final, checksum=checksum, tensors=entries, n_tensors=len(pairs),
        timeout_ms=milliseconds(timeout))
    return arguments, pairs


def pull_arguments(resolve: Resolve, job: Union[str, Job], round: Optional[int],
                   arrays: Dict[Key, np.ndarray], wait: bool, timeout: Optional[float],
                   view: bool = False):
    """(gf_pull_args, its gf_gradients); both and the arrays must outlive the pull."""
    if not arrays:
        raise ValueError("pull: no node is asked for")
    entries = (gf_gradient * len(arrays))()
    for entry, (key, array) in zip(entries, arrays.items()):
        _arrays.fill_gradient(entry, _node_id(resolve, job, key), array)
        if view:
            entry.data = None
    arguments = gf_pull_args(
        size=ctypes.sizeof(gf_pull_args), job=job_name(job),
        round=NEWEST_ROUND if round is None else unsigned("round", round, 64),
        gradients=entries, n_gradients=len(arrays), no_wait=not wait,
        timeout_ms=milliseconds(timeout), view=view)
    return arguments, entries


def _counts(arrays, entries) -> Dict[Key, int]:
    return {key: entry.contributions for key, entry in zip(arrays, entries)}


def pulled(arrays, entries):
    """What makes the result of a pull into these arrays."""
    return lambda raw, state: PullResult(raw.round, state, arrays, _counts(arrays, entries))


def shown(guard: Guard, arrays, entries):
    """What makes the result of a view: arrays like these, of the memory that it shows."""
    def finish(raw, state):
        owner = Owned(guard, ctypes.c_void_p(raw.view), lib.gf_view_free)
        views = {key: np.asarray(_arrays.Lent(owner, entry.data or 0, array.shape,
                                              _arrays.dtype_name(array.dtype), True))
                 for (key, array), entry in zip(arrays.items(), entries)}
        return PullResult(raw.round, state, views, _counts(arrays, entries))
    return finish


def targets(resolve: Resolve, job: Union[str, Job], into: Into) -> Dict[Key, np.ndarray]:
    """The arrays to pull into: those given, or new ones."""
    if isinstance(into, Mapping):
        return {key: _arrays.check(array, f"pull: node {key!r}", writeable=True)
                for key, array in into.items()}
    return {key: np.empty(node.shape, _arrays.NUMPY[node.dtype])
            for key, node in _nodes(resolve(job), into)}


def stand_ins(resolve: Resolve, job: Union[str, Job],
              nodes: Optional[Iterable[Key]]) -> Dict[Key, np.ndarray]:
    """Arrays that have the nodes' shapes and dtypes, and no memory."""
    return {key: np.broadcast_to(np.zeros((), _arrays.NUMPY[node.dtype]), node.shape)
            for key, node in _nodes(resolve(job), nodes)}


def _nodes(job: Job, keys: Optional[Iterable[Key]]):
    if keys is None:
        keys = [node.name or i for i, node in enumerate(job.nodes)]
    return [(key, job.node(key)) for key in keys]
