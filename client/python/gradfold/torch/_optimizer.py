"""`DistributedOptimizer`: the gradients of all workers, averaged, under an ordinary loop."""

import re
from typing import Any, Dict, List, Optional

import torch

from .. import errors
from .._client import Client
from .._job import Node
from ._exchange import END_NODE, Exchange, Slot, dtype_of

_KEY = "gradfold"  # in state dictionaries


def _node_name(name: str, taken: set, node: int) -> str:
    """Of the characters that the server allows, and unique."""
    allowed = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:200]
    if allowed in taken:
        allowed = f"{allowed}-{node}"
    taken.add(allowed)
    return allowed


class DistributedOptimizer(torch.optim.Optimizer):
    """An optimizer whose gradients are the mean over all workers. Everything else about the loop
    stays: `zero_grad()`, forward, `backward()`, `step()`; clipping in between, schedulers.

        opt = gradfold.torch.DistributedOptimizer(opt, model, "host:7433", rank=rank,
                                                  world_size=4, job="digits-1")

    optimizer:     any of torch.optim, over parameters of the model
    model:         its `named_parameters()` become the job's nodes, frozen ones too; to be built the
                   same way by every worker, and moved to its device before
    address:       of gradfoldd
    rank:          this worker: 0 … world_size - 1
    job:           a name that all workers of this run share, and no other run
    accumulate:    micro-batches, that is backward passes, per step
    broadcast:     begin with the weights of worker 0 (frozen ones and buffers are left alone)
    retain_rounds: must be more than the steps between two checkpoints of a worker
    non_finite:    "reject": a gradient that holds NaN or infinity is an error; "propagate"
    timeout:       seconds that a step waits for the slowest worker, and the first one for the start
                   of all
    bucket_bytes:  small gradients travel together, up to so many bytes
    connect:       options of gradfold.Client

    What happens when. As soon as the backward pass has a bucket's gradients, they are pushed,
    and the means are pulled as they become complete. `backward()` returns when all of them are
    in the parameters' `.grad`. All sums are exact and rounded once: every worker has the same bits,
    in whatever order gradients arrive.

    `accumulate=k`: PyTorch adds up k passes in `.grad`, and the k-th pushes the total: it is the
    mean over workers of the *sum* over passes, as with DDP; divide the loss by k for the mean of
    both. A step() after fewer passes pushes what there is.

    A parameter without a gradient in this worker's pass counts as zero; without one in any, its
    `.grad` stays as it is. `.grad`'s memory is used again: clone() what is to be kept.

    A worker that was killed starts again, loads its checkpoint (`state_dict()` knows the round)
    and does its last steps again: what it had pushed is not counted twice, and the means are still
    there. The others wait for it, up to `timeout`; then they raise DeadlineExceeded, which names
    who is missing, and the step may be repeated: `step()` waits again.

    Not supported: closures, sparse gradients, reentrant checkpointing (use_reentrant=True).
    One thread at a time. Does not survive fork().
    """

    def __init__(self, optimizer: torch.optim.Optimizer, model: torch.nn.Module, address: str, *,
                 rank: int, world_size: int, job: str, accumulate: int = 1, broadcast: bool = True,
                 retain_rounds: int = 2, non_finite: str = "reject", timeout: float = 300.0,
                 bucket_bytes: int = 1 << 20, **connect: Any):
        # Not Optimizer's own __init__: groups, state and defaults are the inner optimizer's.
        self._inner = optimizer
        self._accumulate = accumulate
        self._passes = 0         # backward passes since the last step
        self._in_backward = False
        self._averaged = False   # .grad holds this round's means
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}: it must be 0 to {world_size - 1}")
        if accumulate < 1:
            raise ValueError(f"accumulate is {accumulate}: it must be at least 1")
        self._slots, nodes = self._survey(model, world_size)
        self._exchange = Exchange(Client(address, name=f"{job}/{rank}"[:200], **connect), job, rank,
                                  world_size, self._slots, bucket_bytes, timeout)
        self._ready: List[set] = [set() for _ in self._exchange.buckets]
        self._exchange.create_job(nodes, retain_rounds, non_finite)
        if broadcast:
            self._broadcast()
        self._hooks = [self._watch(slot) for slot in self._slots]

    def _survey(self, model: torch.nn.Module, world_size: int):
        """The model as nodes, and those of them that are trained."""
        slots, nodes, taken = [], [], {END_NODE}
        self._frozen = [p for p in model.parameters() if not p.requires_grad]
        for name, parameter in model.named_parameters():
            node = Node(_node_name(name, taken, len(nodes)), tuple(parameter.shape),
                        dtype_of(name, parameter), parameter.requires_grad,
                        expected=world_size if parameter.requires_grad else 0)
            if parameter.requires_grad:
                slots.append(Slot(len(nodes), name, parameter))
            nodes.append(node)
        known = {id(parameter) for parameter in model.parameters()}
        for group in self._inner.param_groups:
            if any(id(parameter) not in known for parameter in group["params"]):
                raise ValueError("the optimizer has a parameter that the model has not: it would "
                                 "not be averaged")
        return slots, nodes

    @torch.no_grad()
    def _broadcast(self) -> None:
        """Round 0: worker 0 pushes its weights, the others nothing. A worker that comes back when
        that is long over goes on with its checkpoint."""
        mine = {s.node: s.parameter for s in self._slots} if self._exchange.rank == 0 else {}
        try:
            self._exchange.finish(mine)
        except (errors.NotFound, errors.StaleRound):
            return
        for slot in self._slots:
            slot.parameter.copy_(self._exchange.mean(slot))
        self._exchange.next_round()

    # -- While the backward pass runs -------------------------------------------------------------

    def _watch(self, slot: Slot):
        """Calls _gradient_there() when a pass has added to the parameter's .grad: a hook on the
        graph's node that does so, which must be kept."""
        with torch.enable_grad():
            accumulator = slot.parameter.expand_as(slot.parameter).grad_fn.next_functions[0][0]
        return accumulator, accumulator.register_hook(lambda *_: self._gradient_there(slot))

    def _gradient_there(self, slot: Slot) -> None:
        if not self._in_backward:
            self._in_backward = True
            torch.autograd.Variable._execution_engine.queue_callback(self._backward_done)
        bucket = self._exchange.bucket_of[slot.node]
        if self._averaged or self._exchange.is_sent(bucket):
            raise RuntimeError(
                f"backward() has changed the gradient of {slot.name} after it was pushed: say "
                "accumulate=N for N backward passes per step(), and call step() or zero_grad() "
                "after them")
        if self._passes < self._accumulate - 1:
            return
        self._ready[bucket].add(slot.node)
        if len(self._ready[bucket]) == len(self._exchange.buckets[bucket].slots):
            self._exchange.send(bucket, self._gradients())

    def _backward_done(self) -> None:
        self._in_backward = False
        self._passes += 1
        if self._passes == self._accumulate:
            self.synchronize()

    def _gradients(self) -> Dict[int, torch.Tensor]:
        return {s.node: s.parameter.grad for s in self._slots if s.parameter.grad is not None}

    @torch.no_grad()
    def synchronize(self) -> None:
        """Waits until `.grad` holds the means of this step. backward() has done so unless it
        failed, or this step has fewer passes than `accumulate`; step() does it then."""
        if self._averaged:
            return
        if any(parameter.requires_grad for parameter in self._frozen):
            raise RuntimeError("a parameter that was frozen when the job was made is trained now, "
                               "and would not be averaged: make a new job, with a new "
                               "DistributedOptimizer")
        counts = self._exchange.finish(self._gradients())
        for slot in self._slots:
            self._put_mean(slot, counts[slot.node])
        self._averaged = True

    def _put_mean(self, slot: Slot, contributions: int) -> None:
        if contributions == 0:
            return
        mean, parameter = self._exchange.mean(slot), slot.parameter
        if contributions != self._exchange.world_size:
            mean.mul_(contributions / self._exchange.world_size)
        grad = parameter.grad
        if grad is not None and not (grad.is_contiguous() and grad.device == mean.device):
            grad.copy_(mean)
        else:
            parameter.grad = mean.to(parameter.device)

    # -- As an optimizer --------------------------------------------------------------------------

    def step(self, closure: None = None) -> None:
        """The inner optimizer's step, with the means."""
        if closure is not None:
            raise TypeError("DistributedOptimizer takes no closure")
        self.synchronize()
        self._inner.step()
        self._next_round()

    def zero_grad(self, *arguments: Any, **keywords: Any) -> None:
        """The inner optimizer's. Means that no step() has used are dropped."""
        if self._averaged:
            self._next_round()
        elif not self._exchange.under_way:
            self._passes = 0
            self._in_backward = False
        self._inner.zero_grad(*arguments, **keywords)

    def _next_round(self) -> None:
        self._exchange.next_round()
        self._start_round()

    def _start_round(self) -> None:
        self._passes = 0
        self._in_backward = self._averaged = False
        for ready in self._ready:
            ready.clear()

    @property
    def round(self) -> int:
        """The job's round that the next (or half-done) step belongs to."""
        return self._exchange.round

    def state_dict(self) -> Dict[str, Any]:
        """The inner optimizer's, plus where this worker is in its job; a plain optimizer can load
        it too. To be saved after step(), together with the model's."""
        return {**self._inner.state_dict(),
                _KEY: {"job": self._exchange.job, "round": self._exchange.round}}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """In the same job, goes on in the round in which the state was taken. The state of another
        job, or of a plain optimizer, only sets the inner optimizer: all workers load it, then."""
        state = dict(state)
        place: Optional[Dict[str, Any]] = state.pop(_KEY, None)
        self._inner.load_state_dict(state)
        if place is not None and place["job"] == self._exchange.job:
            self._exchange.go_to(place["round"])
            self._start_round()

    def add_param_group(self, group: Dict[str, Any]) -> None:
        """Parameters of the model that the inner optimizer did not have yet."""
        known = {id(slot.parameter) for slot in self._slots}
        parameters = group["params"]
        parameters = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
        if any(id(parameter) not in known for parameter in parameters):
            raise ValueError("a parameter that the job does not train: begin a new job, with a new "
                             "DistributedOptimizer")
        self._inner.add_param_group({**group, "params": parameters})

    param_groups = property(lambda self: self._inner.param_groups)
    state = property(lambda self: self._inner.state)
    defaults = property(lambda self: self._inner.defaults)

    def __repr__(self) -> str:
        return (f"DistributedOptimizer(job={self._exchange.job!r}, rank={self._exchange.rank}, "
                f"world_size={self._exchange.world_size}, {self._inner!r})")

    def close(self) -> None:
        """Leaves the job, which stays at the server until it is deleted."""
        for _, hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._exchange.go_to(self._exchange.round)
        self._exchange.client.close()

    def __enter__(self) -> "DistributedOptimizer":
        return self

    def __exit__(self, *_) -> None:
        self.close()
