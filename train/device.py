"""The device that a small training run uses."""

from __future__ import annotations

import torch

from worldsim.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device `name`: cpu, cuda, or auto for a GPU where there is one.

    Raises:
        UsageError: another name, or a GPU that torch does not see.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        known = "cpu or cuda" if torch.cuda.is_available() else "cpu (torch sees no GPU)"
        raise UsageError(f"device: got {name!r}, expected {known}")
    return torch.device(name)
