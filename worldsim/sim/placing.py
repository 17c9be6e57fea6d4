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
    turned: Tensor
    """`[M]` int64: by how many quarters; 0 where nobody knows the grid."""

    def one(self, k: int) -> Places:
        """Way `k` alone."""
        cut = slice(k, k + 1)
        return Places(self.index[cut], self.mirrored[cut], self.pose[cut], self.turned[cut])


class Placing:
    """Knows all ways to lay N views on the grid.

    Args:
        pose: `[N, 5]` where they were taken from; all but the pitch is nan where that isn't known.
    """

    def __init__(self, pose: Tensor) -> None:
        laid = pose[:, :4].isfinite().all(1)
        on_grid, free = laid.nonzero()[:, 0], (~laid).nonzero()[:, 0]
        ways = [(mirror, quarter) for mirror in (False, True) for quarter in range(4)]
        mirrored, turned = (torch.tensor(part).repeat_interleave(len(on_grid)) for part in zip(*ways))
        laid_so = torch.cat([_laid(pose[on_grid], *way) for way in ways])
        self._laid = Places(on_grid.repeat(len(ways)), mirrored, laid_so, turned)
        self._taken, self._free, self._pitch = pose, free, pose[:, 4]

    def around(self, eye: Tensor, allowed: Tensor) -> Places:
        """The ways to put the views that are `allowed` (bool `[N]`) around an eye `[5]`, each where the eye is.

        Views that lay on a grid are moved by half a block at most in each direction, so that they lie on the player's.
        """
        laid, free = self._laid, self._free[allowed[self._free]]
        off = (laid.pose[:, 3] - eye[3] + 180).remainder(360) - 180
        chosen = allowed[laid.index] & (off.abs() <= WIDEST)
        pose, count = laid.pose[chosen], len(free) * len(TURNS)
        shift = (pose[:, :3] - eye[:3] + 0.5).remainder(1) - 0.5
        put = torch.cat([eye[:3] + shift, (eye[3] + off[chosen])[:, None], pose[:, 4:]], 1)
        yaw = eye[3] + torch.tensor(TURNS).repeat_interleave(len(free))
        loose = torch.cat(
            [eye[:3].expand(len(yaw), 3), yaw[:, None], self._pitch[free].repeat(len(TURNS))[:, None]], 1
        )
        return Places(
            torch.cat([laid.index[chosen], free.repeat(len(TURNS))]),
            torch.cat([laid.mirrored[chosen], torch.zeros(count, dtype=torch.bool)]),
            torch.cat([put, loose]),
            torch.cat([laid.turned[chosen], torch.zeros(count, dtype=torch.long)]),
        )

    def beside(self, put: Places, others: Tensor) -> Places:
        """Where views `others` `[K]` of the same place come to lie when one of them is `put` (M is 1)."""
        index, mirrored, turned = int(put.index), bool(put.mirrored), int(put.turned)
        pose = _laid(self._taken[others], mirrored, turned)
        shift = put.pose[:, :4] - _laid(self._taken[index : index + 1], mirrored, turned)[:, :4]
        pose = torch.cat([pose[:, :4] + shift, pose[:, 4:]], 1)
        return Places(others, put.mirrored.expand(len(others)), pose, put.turned.expand(len(others)))


def _laid(pose: Tensor, mirrored: bool, quarters: int) -> Tensor:
    """Poses `[N, 5]` in a world whose x runs the other way, if so, turned about its upright axis, as yaw counts."""
    x, y, z, yaw, pitch = (pose * pose.new_tensor([-1, 1, 1, -1, 1]) if mirrored else pose).unbind(1)
    for _ in range(quarters):
        x, z, yaw = -z, x, yaw + 90
    return torch.stack([x, y, z, yaw, pitch], 1)
