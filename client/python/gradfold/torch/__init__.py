"""gradfold for PyTorch: one line makes a training loop distributed.

    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    opt = gradfold.torch.DistributedOptimizer(opt, model, "host:7433", rank=rank, world_size=4,
                                              job="digits-1")
"""

from ._checkpoint import load_checkpoint, save_checkpoint
from ._optimizer import DistributedOptimizer

__all__ = ["DistributedOptimizer", "load_checkpoint", "save_checkpoint"]
