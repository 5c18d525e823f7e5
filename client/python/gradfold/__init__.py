"""gradfold: push gradients to a summation server, pull their exact sums.

    import gradfold
    import numpy as np

    with gradfold.connect("127.0.0.1:7433") as client:
        client.create_job("toy", {"weight": np.zeros((2, 3), np.float32)}, world_size=2)
        pushed, pulled = client.push_pull("toy", 0, worker=0, sequence=0,
                                          tensors={"weight": np.ones((2, 3), np.float32)})
        print(pulled["weight"], pulled.contributions["weight"])

NumPy arrays are sent and received where they lie, without a copy. Times are in seconds.
`gradfold.torch.DistributedOptimizer` is for PyTorch.
"""

from ._client import Client, ServerInfo, connect
from ._job import Job, Node, Round
from ._operation import Operation, PullResult, PushResult, wait_any
from ._version import VERSION as __version__
from .errors import (
    AlreadyExists, BufferMismatch, Cancelled, ChecksumMismatch, Conflict, DeadlineExceeded,
    DtypeMismatch, Error, FutureRound, Internal, InvalidArgument, Malformed, NoMemory, NonFinite,
    NotFound, OutOfRange, PermissionDenied, ProtocolError, ResourceExhausted, ShapeMismatch,
    StaleRound, SystemFailure, TooLarge, Unauthenticated, Unavailable, UnknownNode, Unreachable
)

__all__ = [
    "AlreadyExists", "BufferMismatch", "Cancelled", "ChecksumMismatch", "Client", "Conflict",
    "DeadlineExceeded", "DtypeMismatch", "Error", "FutureRound", "Internal", "InvalidArgument",
    "Job", "Malformed", "NoMemory", "Node", "NonFinite", "NotFound", "Operation", "OutOfRange",
    "PermissionDenied", "ProtocolError", "PullResult", "PushResult", "ResourceExhausted", "Round",
    "ServerInfo", "ShapeMismatch", "StaleRound", "SystemFailure", "TooLarge", "Unauthenticated",
    "Unavailable", "UnknownNode", "Unreachable", "__version__", "connect", "wait_any",
]
