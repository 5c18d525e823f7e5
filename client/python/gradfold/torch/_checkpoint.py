"""A worker's state in a file that is replaced in one step."""

import os
from typing import Any, Dict, Optional

import torch

_PARTS = ("model", "optimizer")


def save_checkpoint(path: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
                    **more: Any) -> None:
    """Writes model and optimizer, and whatever else is given (`step=…`, `epoch=…`): whoever reads
    the file finds the old content or the new, never half of it. To be called after `step()`. (It
    survives the end of the process; a power failure it may not.)"""
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **more}
    beside = f"{path}.new"
    torch.save(content, beside)
    os.replace(beside, path)


def load_checkpoint(path: str, model: torch.nn.Module,
                    optimizer: torch.optim.Optimizer) -> Optional[Dict[str, Any]]:
    """Brings model and optimizer to where save_checkpoint() was called, and returns what else it
    was given. None: there is no such file, nothing happened."""
    try:
        content = torch.load(path, map_location="cpu")
    except FileNotFoundError:
        return None
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    return {key: value for key, value in content.items() if key not in _PARTS}
