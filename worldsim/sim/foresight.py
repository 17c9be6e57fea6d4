"""Where a player will look in a moment if he goes on as he does."""

from __future__ import annotations

import torch
from torch import Tensor

AHEAD = 8
"""Ticks that are looked ahead."""
_FARTHEST = torch.tensor([3.0, 3.0, 3.0, 45.0, 30.0])  # blocks and degrees: nobody goes on so for long
_LEAST = 1e-3


def foreseen(before: Tensor, pose: Tensor) -> Tensor | None:
    """The pose `[5]` that `AHEAD` more ticks like the one from `before` to `pose` would lead to; None for who rests."""
    moved = pose - before
    moved[3] = (moved[3] + 180).remainder(360) - 180
    if float(moved.abs().max()) < _LEAST:
        return None
    later = pose + (moved * AHEAD).clamp(-_FARTHEST, _FARTHEST)
    later[4] = later[4].clamp(-90, 90)
    return later
