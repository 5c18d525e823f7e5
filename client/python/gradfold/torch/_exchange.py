"""One round after the other: a worker's tensors out, the means of all workers' back.

Parameters go in buckets, each of them one push and one pull. Which parameter is in which bucket
depends on the model alone, so that a worker that was killed and does a round again repeats the very
same pushes, by key and content, and each counts once.
"""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional

import numpy as np
import torch

from .. import errors
from .._client import Client
from .._job import Job, Node
from .._operation import Operation

END_NODE = "gradfold.round"
LINE = 64  # bytes
_DTYPES = {
    torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16",
}


def dtype_of(name: str, tensor: torch.Tensor) -> str:
    if tensor.dtype not in _DTYPES:
        raise TypeError(f"parameter {name}: gradfold has no {tensor.dtype}")
    return _DTYPES[tensor.dtype]


def host_array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's memory, or a copy if that is not in order or not the processor's."""
    if tensor.is_sparse:
        raise TypeError("a sparse gradient: gradfold takes dense ones (sparse=False)")
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


@dataclass(frozen=True)
class Slot:
    """A parameter that is trained, as a node of the job."""

    node: int
    name: str
    parameter: torch.nn.Parameter

    @property
    def nbytes(self) -> int:
        return self.parameter.numel() * self.parameter.element_size()


class Bucket:
    """Parameters that travel together, and memory for their means: ours, never autograd's, of which
    several gradients may share a part. A server on the same host reads it in place."""

    def __init__(self, client: Client):
        self.slots: List[Slot] = []
        self._client = client
        self._memory: List[Dict[int, torch.Tensor]] = []

    def targets(self) -> Dict[int, torch.Tensor]:
        """Where to pull the means to: never what is pushed from at the same time; zero_grad()
        may keep the last means' memory as .grad."""
        for tensors in self._memory:
            if not any(self._is_grad(slot, tensors[slot.node]) for slot in self.slots):
                return tensors
        self._memory.append(self._allocate())
        return self._memory[-1]

    @staticmethod
    def _is_grad(slot: Slot, tensor: torch.Tensor) -> bool:
        grad = slot.parameter.grad
        return grad is not None and grad.numel() > 0 and grad.data_ptr() == tensor.data_ptr()

    def _allocate(self) -> Dict[int, torch.Tensor]:
        """One buffer, cut up; each tensor begins on a cache line of its own."""
        places = np.cumsum([0] + [-(-slot.nbytes // LINE) * LINE for slot in self.slots])
        words = self._client.buffer(int(places[-1]) // 4, "i32")
        memory = torch.from_numpy(words).view(torch.uint8)
        return {slot.node: memory[place:place + slot.nbytes].view(slot.parameter.dtype).view(
            slot.parameter.shape) for slot, place in zip(self.slots, places)}


def buckets_of(client: Client, slots: List[Slot], bucket_bytes: int) -> List[Bucket]:
    """Neighbours together, the last ones first: a backward pass comes to them first."""
    buckets: List[Bucket] = []
    room = 0
    for slot in reversed(slots):
        if slot.nbytes > room or not buckets:
            buckets.append(Bucket(client))
            room = bucket_bytes
        buckets[-1].slots.append(slot)
        room -= slot.nbytes
    return buckets


class Exchange:
    """This worker's part of a job. `round` is the one under way."""

    def __init__(self, client: Client, job: str, rank: int, world_size: int, slots: List[Slot],
                 bucket_bytes: int, timeout: float):
        self.client, self.job, self.rank, self.world_size = client, job, rank, world_size
        self.timeout = timeout
        self.round = 0
        self._end = 0
        self.buckets = buckets_of(client, slots, bucket_bytes)
        self.bucket_of = {slot.node: i for i, bucket in enumerate(self.buckets)
                          for slot in bucket.slots}
        self._sent: Dict[int, Operation] = {}
        self._means: Dict[int, torch.Tensor] = {}
        self._final: Optional[Operation] = None

    def create_job(self, nodes: List[Node], retain_rounds: int, non_finite: str) -> None:
        """The model's nodes, and one more that nobody pushes: it is complete when the round closes,
        while gradients are as soon as all workers have pushed them. Whoever has waited for it finds
        the next round open."""
        self._end = len(nodes)
        try:
            self.client.create_job(
                self.job, [*nodes, Node(END_NODE, (0,))], self.world_size, reduction="mean",
                retain_rounds=retain_rounds, non_finite=non_finite)
        except errors.AlreadyExists as error:
            raise errors.AlreadyExists(
                f"{error}. All workers need the same model, with the same parameters frozen, and "
                "the same world_size; a new run needs a new job name") from error

    @property
    def under_way(self) -> bool:
        """Has anything of this round been sent?"""
        return bool(self._sent)

    def is_sent(self, bucket: int) -> bool:
        return bucket in self._sent

    def send(self, bucket: int, tensors: Mapping[int, torch.Tensor]) -> None:
        """Pushes the bucket's part of {node: tensor}, and asks for its means. The tensors must not
        change until finish() has returned."""
        arrays = {slot.node: host_array(tensors[slot.node]) for slot in self.buckets[bucket].slots
                  if slot.node in tensors}
        means = self.buckets[bucket].targets()
        into = {node: host_array(mean) for node, mean in means.items()}
        self._sent[bucket] = self.client.push_pull_async(
            self.job, self.round, self.rank, bucket, arrays, into, final=False,
            timeout=self.timeout)
        self._means.update(means)

    def finish(self, tensors: Mapping[int, torch.Tensor]) -> Dict[int, int]:
        """Sends what has not been sent, and waits for all means: {node: contributions}. `mean()`
        has them until the next send(). After an error it may be called again."""
        for bucket in range(len(self.buckets)):
            if not self.is_sent(bucket):
                self.send(bucket, tensors)
        if self._final is None:
            self._final = self.client.push_pull_async(
                self.job, self.round, self.rank, len(self.buckets), {},
                {self._end: np.empty(0, np.float32)}, final=True, timeout=self.timeout)
        counts: Dict[int, int] = {}
        try:
            for operation in self._sent.values():
                counts.update(operation.wait()[1].contributions)
            self._final.wait()
        except errors.Error as error:
            self._give_up()
            raise self._explained(error) from error
        return counts

    def mean(self, slot: Slot) -> torch.Tensor:
        return self._means[slot.node]

    def next_round(self) -> None:
        self.go_to(self.round + 1)

    def go_to(self, round: int) -> None:
        self._give_up()
        self.round = round

    def _give_up(self) -> None:
        for operation in (*self._sent.values(), *filter(None, [self._final])):
            operation.cancel()
        self._sent.clear()
        self._final = None

    def _explained(self, error: errors.Error) -> errors.Error:
        """The same error, with what to do next."""
        return type(error)(f"{error}. {self._advice(error)}".rstrip())

    def _advice(self, error: errors.Error) -> str:
        if isinstance(error, errors.NonFinite):
            return ("The loss has diverged, or a GradScaler is at work: for that, pass "
                    "non_finite=\"propagate\" in a new job")
        try:
            job = self.client.describe(self.job, timeout=5)
        except errors.NotFound:
            return (f"Job {self.job} is gone: deleted, or the server was restarted. Start all "
                    "workers again from checkpoints of one step, under a new job name")
        except errors.Error:
            return "The server does not answer"
        if isinstance(error, errors.DeadlineExceeded):
            return self._missing(job)
        if isinstance(error, (errors.StaleRound, errors.NotFound, errors.FutureRound)):
            return (f"Job {self.job} is at round {job.open_round}, this worker at {self.round}. "
                    "Load this worker's checkpoint (retain_rounds must be more than the steps "
                    "between two of them); a new run needs a new job name")
        return ""

    def _missing(self, job: Job) -> str:
        final = next((r.final_workers for r in job.rounds if r.round == self.round), ())
        missing = sorted(set(range(self.world_size)) - set(final))
        if not missing:
            return ""
        return (f"Round {self.round} waits for worker {', '.join(map(str, missing))} of "
                f"{self.world_size}. Has each process a rank of its own? If it has died, start it "
                "again, from its checkpoint; then this step can be repeated")
