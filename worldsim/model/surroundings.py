"""The space around the player, as far as remembered depth tells it: what is free, what is solid.

A wall to the side or the ground under the feet is seldom in view when it matters. Points on a grid
around the player are looked up in the depth of frames that saw the place before (a truncated signed
distance, after Curless and Levoy 1996, without the fusion): in front of the surface is free space,
just behind it is solid.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import camera_to_world, from_yaw_frame, rotate, tangents
from worldsim.model.fused import fusible
from worldsim.model.kernels import arrays, has_numbers, kernel

ACROSS = (-1.2, -0.6, -0.3, 0.0, 0.3, 0.6, 1.2)
"""Blocks to the right and ahead of the eye: the body is 0.3 wide to each side."""
HEIGHTS = (0.6, 0.2, -0.3, -0.8, -1.2, -1.5, -1.7, -2.1, -2.6, -3.6)
"""Blocks above the eye: the body reaches from -1.62 to 0.18."""
POINTS = len(ACROSS) ** 2 * len(HEIGHTS)
SENSED = 2 * POINTS
"""Numbers that `sense` gives: distances, and which of them are known."""
EYE = 1.62
"""Blocks from the ground to the eye of a player who stands."""
OLDER = 18
"""Frames beyond the newest two that are looked up."""
_BEHIND = -0.25  # blocks behind a surface: farther back, the frame says nothing of the point
_AHEAD = 0.05


@dataclass(frozen=True)
class Remembered:
    """K frames for each of B worlds, the newest first."""

    depth: Tensor
    """`[B, K, H, W]` z-depth in blocks."""
    pose: Tensor
    """`[B, K, 5]`."""
    valid: Tensor
    """`[B, K]` bool."""


def sense(frames: Remembered, eye: Tensor, yaw: Tensor, usable: Tensor) -> Tensor:
    """Signed distances to the surfaces around `eye` `[B, 3]`, in the level frame of `yaw` `[B]`: `[B, 980]`.

    The first half is, for each point, how far it lies before the surface that the newest frame to
    tell of it shows, clamped to ±1 block, and -1 where no frame tells; the second half is 1 where
    one does.

    Args:
        usable: `[H, W]` bool, False over the HUD.
    """
    grid = lattice(ACROSS, HEIGHTS, eye.device)
    points = eye[:, None] + from_yaw_frame(grid.expand(len(eye), -1, -1), yaw[:, None])
    return torch.cat(distances(points, frames, usable), 1)


def distances(
    points: Tensor, frames: Remembered, usable: Tensor, behind: float = _BEHIND
) -> tuple[Tensor, Tensor]:
    """How far points `[B, P, 3]` of the world lie before surfaces, clamped to ±1 block, and 1 where a frame tells.

    The newest frame that tells of a point decides; -1 where none does.

    Args:
        behind: blocks, below 0, behind a surface: farther back, a frame tells nothing of a point.
    """
    if has_numbers(points):
        return _distances_compiled(points, frames, usable, behind)
    return distances_torch(points, frames, usable, behind)


def _distances_compiled(
    points: Tensor, frames: Remembered, usable: Tensor, behind: float
) -> tuple[Tensor, Tensor]:
    distance, known = torch.full(points.shape[:2], -1.0), torch.zeros(points.shape[:2])
    pose = frames.pose.float()
    given = (points, camera_to_world(pose).transpose(-1, -2), pose[..., :3])
    kernel("surroundings", "look_up")(
        *_depths(frames.depth), *arrays(*given), frames.valid.numpy(), usable.numpy(),
        *tangents(*frames.depth.shape[-2:]), _AHEAD, behind, distance.numpy(), known.numpy(),
    )  # fmt: skip
    return distance, known


def _depths(depth: Tensor) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Depth as the kernel takes it: half of it is not asked for, so that it isn't turned into float32 beforehand."""
    if depth.dtype == torch.float16:
        return depth.contiguous().view(torch.int16).numpy().view(np.uint16), _halves()
    return arrays(depth)[0], np.empty(0, np.float32)


@functools.cache
def _halves() -> NDArray[np.float32]:
    """The float16 of each 16 bits: `[65536]`."""
    found: NDArray[np.float32] = (
        torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.float16).float().numpy()
    )
    return np.roll(found, 2**15)


def distances_torch(
    points: Tensor, frames: Remembered, usable: Tensor, behind: float = _BEHIND
) -> tuple[Tensor, Tensor]:
    """`distances` in plain torch, on any device."""
    distance, tells = _look_up(points, frames.depth, frames.pose, frames.valid, usable, behind)
    newest = tells.to(torch.uint8).argmax(1, keepdim=True)  # the first of those that tell
    known = tells.any(1)
    nearest = distance.gather(1, newest)[:, 0].clamp(-1, 1)
    return torch.where(known, nearest, -torch.ones_like(nearest)), known.to(nearest.dtype)


@fusible
def _look_up(
    points: Tensor, depth: Tensor, pose: Tensor, valid: Tensor, usable: Tensor, behind: float
) -> tuple[Tensor, Tensor]:
    """Blocks from each of the points `[B, P, 3]` back to the surface in each frame, and whether that says anything."""
    batch, count, height, width = depth.shape
    tan_x, tan_y = tangents(height, width)
    to_camera = camera_to_world(pose.float()).transpose(-1, -2)
    offset = points[:, None] - pose[:, :, None, :3]
    x, y, z = rotate(to_camera, offset.transpose(-1, -2)).unbind(2)
    ahead = z > _AHEAD
    z = torch.where(ahead, z, torch.ones_like(z))
    place = torch.stack([x / z / tan_x, y / z / tan_y], -1)
    inside = ahead & (place.abs() < 1).all(-1)
    place = torch.where(inside[..., None], place, torch.zeros_like(place))
    # Between pixels the inverse of the depth is interpolated: on a plane that is exact.
    inverse = 1 / depth.flatten(0, 1)[:, None].float().clamp(min=_AHEAD)
    surface = F.grid_sample(
        inverse, place.flatten(0, 1)[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    distance = 1 / surface.view(batch, count, -1) - z
    column = ((place[..., 0] + 1) * width / 2).long().clamp(0, width - 1)
    row = ((place[..., 1] + 1) * height / 2).long().clamp(0, height - 1)
    shown = usable.flatten()[row * width + column]
    return distance, inside & shown & valid[..., None] & (distance > behind)


def lattice(across: Sequence[float], heights: Sequence[float], device: torch.device) -> Tensor:
    """`[P, 3]` (right, up, forward): all points at these blocks to the right, ahead, and up."""
    side, up = (torch.tensor(values).to(device) for values in (across, heights))
    return torch.stack(torch.meshgrid(side, up, side, indexing="ij"), -1).reshape(-1, 3)
