"""Where a view of another place may be put around a player, so that its blocks go on with those that stand there.

Worlds of blocks are a grid. A place turned by quarters, mirrored and moved by whole blocks is as much a place as it
was; turned by anything else its walls would stand askew, and shifted by less its floor would be a step too high.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TURNS = (-70.0, -45.0, -20.0, 0.0, 20.0, 45.0, 70.0)
"""Degrees from where the player looks to where a view is put of which nobody knows how it lay on the grid."""
WIDEST = 75.0
"""Degrees that others may be off, at most."""


@dataclass(frozen=True)
class Places:
    """M ways to put one of N views around an eye."""

    index: Tensor
    """`[M]` which view."""
    mirrored: Tensor
    """`[M]` bool: left and right are changed."""
    pose: Tensor
    """`[M, 5]` where it is put."""

    def one(self, k: int) -> Places:
        """Way `k` alone."""
        return Places(self.index[k : k + 1], self.mirrored[k : k + 1], self.pose[k : k + 1])


class Placing:
    """Knows all ways to lay N views on the grid.

    Args:
        pose: `[N, 5]` where they were taken from; all but the pitch is nan where that isn't known.
    """

    def __init__(self, pose: Tensor) -> None:
        laid = pose[:, :4].isfinite().all(1)
        on_grid, free = laid.nonzero()[:, 0], (~laid).nonzero()[:, 0]
        ways = [
            _turned(_mirrored(pose[on_grid], mirror), quarter) for mirror in (0, 1) for quarter in range(4)
        ]
        self._laid = Places(
            on_grid.repeat(8), torch.arange(8).repeat_interleave(len(on_grid)) >= 4, torch.cat(ways)
        )
        self._free, self._pitch = free, pose[:, 4]

    def around(self, eye: Tensor, allowed: Tensor) -> Places:
        """The ways to put the views that are `allowed` (bool `[N]`) around an eye `[5]`, each where the eye is.

        Views that lay on a grid are moved by half a block at most in each direction, so that they lie on the player's.
        """
        laid, free = self._laid, self._free[allowed[self._free]]
        off = (laid.pose[:, 3] - eye[3] + 180).remainder(360) - 180
        chosen = allowed[laid.index] & (off.abs() <= WIDEST)
        index, pose, mirrored = laid.index[chosen], laid.pose[chosen], laid.mirrored[chosen]
        shift = (pose[:, :3] - eye[:3] + 0.5).remainder(1) - 0.5
        put = torch.cat([eye[:3] + shift, (eye[3] + off[chosen])[:, None], pose[:, 4:]], 1)
        yaw = eye[3] + torch.tensor(TURNS).repeat_interleave(len(free))
        loose = torch.cat(
            [eye[:3].expand(len(yaw), 3), yaw[:, None], self._pitch[free].repeat(len(TURNS))[:, None]], 1
        )
        return Places(
            torch.cat([index, free.repeat(len(TURNS))]),
            torch.cat([mirrored, torch.zeros(len(yaw), dtype=torch.bool)]),
            torch.cat([put, loose]),
        )


def _mirrored(pose: Tensor, mirror: int) -> Tensor:
    """Poses `[N, 5]` in a world whose x runs the other way, if `mirror`."""
    return pose * pose.new_tensor([-1, 1, 1, -1, 1]) if mirror else pose


def _turned(pose: Tensor, quarters: int) -> Tensor:
    """Poses `[N, 5]` in a world turned by so many quarters about its upright axis, as yaw counts."""
    x, y, z, yaw, pitch = pose.unbind(1)
    for _ in range(quarters):
        x, z, yaw = -z, x, yaw + 90
    return torch.stack([x, y, z, yaw, pitch], 1)
