"""Barriers: a body does not go through a surface that it stands before.

The motion head learns from the game where walls hold, and is not sure of those that a dream has made up. So what it
says is held against remembered depth: points of the body that were before a surface must not be behind it a tick
later. In the game that never happens (to 4 and more of 36 points: in none of 2,721 moves of explorers and dancers).
Down and up nothing is asked: water is fallen into, and a step is walked up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.model.kernels import in_memory
from worldsim.model.surroundings import Remembered, distances, lattice

_WIDE = (-0.22, 0.0, 0.22)  # blocks from the eye; a body is 0.3 wide to each side
_HIGH = (-0.9, -0.5, -0.1, 0.1)  # blocks above the eye: what lies lower may be a step
_FEW = 4  # points that may be wrong, of 36: less is a crumb
_INSIDE = -0.05  # blocks before a surface: less is behind it
_BEHIND = -0.5
_STILL = 0.02  # blocks a tick


def held(offset: Tensor, eye: Tensor, frames: Remembered, usable: Tensor) -> Tensor:
    """Steps `[B, 3]` of the world less what would lead through surfaces, along x and along z, each by itself.

    Args:
        eye: `[B, 3]` where they begin.
        frames: what is remembered, the newest first.
        usable: `[H, W]` bool, False over the HUD.
    """
    if in_memory(offset) and not bool((offset[:, [0, 2]].abs() > _STILL).any()):
        return offset
    device = frames.pose.device
    body = eye.to(device)[:, None] + lattice(_WIDE, _HIGH, device)
    # As it stands, and moved along each axis.
    axes = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).to(device)
    steps = offset.to(device)[:, None, None] * axes[:, None]
    distance, known = distances((body[:, None] + steps).flatten(1, 2), frames, usable, _BEHIND)
    before, *after = distance.unflatten(1, (3, -1)).unbind(1)
    free, *told = (known.unflatten(1, (3, -1)) > 0.5).unbind(1)
    free = free & (before > 0)
    through = [(free & k & (d < _INSIDE)).sum(1) >= _FEW for d, k in zip(after, told)]
    stays = torch.stack([through[0], torch.zeros_like(through[0]), through[1]], 1).to(offset.device)
    return torch.where(stays, 0.0, offset)
