"""Jobs: their nodes and rules, and what the server knows about them."""

import ctypes
from dataclasses import dataclass, field
from typing import Iterable, Mapping, Optional, Tuple, Union

import numpy as np

from . import errors
from ._arrays import CODES, NAMES, dtype_name, shape_array
from ._library import gf_node, gf_round, lib

_STATES = {1: "open", 2: "closing", 3: "closed"}


@dataclass(frozen=True)
class Node:
    """A tensor of a job. Its id is its place in the job, from 0.

    name:          [A-Za-z0-9._-], unique in the job; empty for none
    shape:         dimensions, outermost first; () is a scalar
    dtype:         "f32", "f64", "f16", "bf16", "i32" or "i64"; NumPy's dtypes are understood too
    requires_grad: False: contributions are ignored, its sum is zero
    expected:      complete, and can be pulled, with so many contributions of a round; 0: when the
                   round closes
    """

    name: str
    shape: Tuple[int, ...]
    dtype: str = "f32"
    requires_grad: bool = True
    expected: int = 0

    def __post_init__(self):
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "dtype", dtype_name(self.dtype))
        if any(n < 0 for n in self.shape):
            raise ValueError(f"node {self.name!r}: a dimension of {self.shape} is negative")


@dataclass(frozen=True)
class Round:
    """A round, as of when it was asked for. age: seconds since it opened; bytes: of the accepted
    pushes; final_workers: those that pushed their last."""

    round: int
    state: str
    final_workers: Tuple[int, ...]
    pushes: int
    bytes: int
    age: float


@dataclass(frozen=True)
class Job:
    """A job, as of when it was asked for: a snapshot. grace is in seconds."""

    name: str
    world_size: int
    nodes: Tuple[Node, ...]
    quorum: int
    grace: float
    reduction: str
    accumulation: str
    non_finite: str
    retain_rounds: int
    rounds: Tuple[Round, ...]
    created: bool = False
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self):
        ids = {node.name: i for i, node in enumerate(self.nodes) if node.name}
        object.__setattr__(self, "_ids", ids)

    @property
    def open_round(self) -> int:
        """Where a worker that (re)starts goes on."""
        return self.rounds[-1].round

    def id(self, key: Union[int, str]) -> int:
        """A node's id from its name, or from its id."""
        if isinstance(key, str):
            if key not in self._ids:
                raise errors.UnknownNode(f"job {self.name} has no node named {key!r}")
            return self._ids[key]
        return int(key)

    def node(self, key: Union[int, str]) -> Node:
        """By name or id."""
        i = self.id(key)
        if not 0 <= i < len(self.nodes):
            raise errors.UnknownNode(f"node {i}: job {self.name} has {len(self.nodes)} nodes")
        return self.nodes[i]


Nodes = Union[Iterable[Node], Mapping[str, np.ndarray]]


def nodes_of(nodes: Nodes) -> Tuple[Node, ...]:
    """Nodes as they are, or from named arrays, of which shapes and dtypes are taken."""
    if isinstance(nodes, Mapping):
        return tuple(Node(name, array.shape, array.dtype) for name, array in nodes.items())
    return tuple(nodes)


def _choice(what: str, value: str, plain: str, other: str) -> bool:
    if value not in (plain, other):
        raise ValueError(f"{what} is {value!r}: it must be {plain!r} or {other!r}")
    return value == other


def add_nodes(spec: int, nodes: Tuple[Node, ...]) -> None:
    for node in nodes:
        i = lib.gf_spec_add_node(spec, node.name.encode(), CODES[node.dtype],
                                 shape_array(node.shape), len(node.shape))
        if not node.requires_grad:
            lib.gf_spec_freeze_node(spec, i)
        if node.expected:
            lib.gf_spec_expect(spec, i, node.expected)


def set_rules(spec: int, quorum: int, grace: float, reduction: str, accumulation: str,
              non_finite: str, retain_rounds: int) -> None:
    lib.gf_spec_set_quorum(spec, quorum, round(grace * 1000))
    if _choice("reduction", reduction, "sum", "mean"):
        lib.gf_spec_set_mean(spec)
    if _choice("accumulation", accumulation, "exact", "in_order"):
        lib.gf_spec_set_in_order(spec)
    if _choice("non_finite", non_finite, "reject", "propagate"):
        lib.gf_spec_set_propagate_non_finite(spec)
    lib.gf_spec_set_retain_rounds(spec, retain_rounds)


def _nodes(handle: int):
    found = gf_node()
    for i in range(lib.gf_job_node_count(handle)):
        lib.gf_job_node(handle, i, ctypes.byref(found))
        shape = tuple(found.shape[:found.ndim]) if found.ndim else ()
        yield Node(found.name.decode(), shape, NAMES[found.dtype], found.requires_grad,
                   found.expected)


def _rounds(handle: int):
    found = gf_round()
    for i in range(lib.gf_job_round_count(handle)):
        lib.gf_job_round(handle, i, ctypes.byref(found))
        final = tuple(found.final_workers[:found.n_final_workers]) if found.n_final_workers else ()
        yield Round(found.round, _STATES[found.state], final, found.pushes, found.bytes,
                    found.age_ms / 1000)


def job_of(handle: int, nodes: Optional[Tuple[Node, ...]] = None, created: bool = False) -> Job:
    """Copies a gf_job; nodes: of a job just created, whose answer has none."""
    return Job(
        name=lib.gf_job_name(handle).decode(),
        world_size=lib.gf_job_world_size(handle),
        nodes=tuple(_nodes(handle)) if nodes is None else nodes,
        quorum=lib.gf_job_quorum(handle),
        grace=lib.gf_job_grace_ms(handle) / 1000,
        reduction="mean" if lib.gf_job_mean(handle) else "sum",
        accumulation="in_order" if lib.gf_job_in_order(handle) else "exact",
        non_finite="propagate" if lib.gf_job_propagates_non_finite(handle) else "reject",
        retain_rounds=lib.gf_job_retain_rounds(handle),
        rounds=tuple(_rounds(handle)),
        created=created,
    )
