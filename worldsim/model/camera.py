"""Poses and pinhole geometry: where a pixel of one view lies in another.

A pose is `[..., 5]`: x, y, z of the eye in blocks, yaw and pitch in degrees, with Minecraft's
axes (y up, yaw 0 looks to +z, pitch positive down). Camera axes are x right, y down, z forward.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from worldsim.model.kernels import arrays, has_numbers, kernel

VERTICAL_FOV = 70.0
"""Degrees; Minecraft's and Luanti's default."""
FAR = 512.0
"""Depth in blocks given to the sky."""
NEAR = 0.25
MAX_PITCH = 90.0
TIGHT = 0.56
"""How far, in pixels, from a pixel's centre a reprojected point may land to cover it.

Wider, and near things would grow by a pixel whenever they are looked at again.
"""


def tangents(height: int, width: int) -> tuple[float, float]:
    """Half the image plane's extent at depth 1: (horizontal, vertical), for square pixels."""
    vertical = math.tan(math.radians(VERTICAL_FOV / 2))
    return vertical * width / height, vertical


def rays(rows: int, columns: int, extent: tuple[float, float], device: torch.device | None = None) -> Tensor:
    """Rays `[3, rows * columns]` of depth 1 through the centres of a grid's cells, row by row.

    Args:
        extent: half the image plane's, see `tangents`.
    """
    x = ((torch.arange(columns, device=device) + 0.5) / columns * 2 - 1) * extent[0]
    y = ((torch.arange(rows, device=device) + 0.5) / rows * 2 - 1) * extent[1]
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y, torch.ones_like(grid_x)]).flatten(1)


def camera_to_world(pose: Tensor) -> Tensor:
    """Rotation matrices `[..., 3, 3]` whose columns are the camera's right, down and forward in world axes."""
    if not has_numbers(pose):
        return camera_to_world_torch(pose)
    rotation = torch.empty(*pose.shape[:-1], 3, 3)
    kernel("camera", "orient")(_rows(pose), rotation.view(-1, 3, 3).numpy())
    return rotation


def camera_to_world_torch(pose: Tensor) -> Tensor:
    """`camera_to_world` in plain torch, on any device."""
    yaw, pitch = torch.deg2rad(pose[..., 3]), torch.deg2rad(pose[..., 4])
    sin_y, cos_y, sin_p, cos_p = yaw.sin(), yaw.cos(), pitch.sin(), pitch.cos()
    right = torch.stack([-cos_y, torch.zeros_like(yaw), -sin_y], -1)
    down = torch.stack([sin_p * sin_y, -cos_p, -sin_p * cos_y], -1)
    forward = torch.stack([-sin_y * cos_p, -sin_p, cos_y * cos_p], -1)
    return torch.stack([right, down, forward], -1)


def relative_pose(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Motion from the source camera to the target camera: `p_target = R p_source + t`.

    Args:
        source: poses `[..., 5]` of the references.
        target: poses `[..., 5]` of the current view, broadcastable.

    Returns:
        R `[..., 3, 3]` and t `[..., 3]` in blocks.
    """
    if not (has_numbers(source) and has_numbers(target)):
        return relative_pose_torch(source, target)
    if not (_serves(source, target) or _serves(target, source)):
        source, target = torch.broadcast_tensors(source, target)
    shape = max(source.shape, target.shape)[:-1]
    rotation, translation = torch.empty(*shape, 3, 3), torch.empty(*shape, 3)
    places = rotation.view(-1, 3, 3).numpy(), translation.view(-1, 3).numpy()
    kernel("camera", "relate")(_rows(source), _rows(target), *places)
    return rotation, translation


def _serves(pose: Tensor, others: Tensor) -> bool:
    """Whether each pose serves for a whole row of others, or for one: the kernel needs no copies of it then."""
    return pose.shape == others.shape or (
        pose.ndim == others.ndim > 1 and pose.shape[:-2] == others.shape[:-2] and pose.shape[-2] == 1
    )


def _rows(pose: Tensor) -> Any:
    return arrays(pose.reshape(-1, 5))[0]


def relative_pose_torch(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """`relative_pose` in plain torch, on any device."""
    to_target = camera_to_world_torch(target).transpose(-1, -2)
    rotation = rotate(to_target, camera_to_world_torch(source))
    offset = (source[..., :3] - target[..., :3]).unsqueeze(-1)
    return rotation, rotate(to_target, offset).squeeze(-1)


def rotate(rotation: Tensor, points: Tensor) -> Tensor:
    """Matrices `[..., 3, 3]` times points `[..., 3, P]`.

    Written out, since a matrix product loses digits under autocast and TF32, and pixels would move.
    """
    if rotation.ndim == points.ndim == 3 and has_numbers(rotation) and has_numbers(points):
        return _rotate_compiled(rotation, points)
    return rotate_torch(rotation, points)


def _rotate_compiled(rotation: Tensor, points: Tensor) -> Tensor:
    out = torch.empty(max(len(rotation), len(points)), 3, points.shape[2])
    # One set of points for all matrices need not be copied for each.
    shared = points[:1] if len(points) > 1 and points.stride(0) == 0 else points
    kernel("camera", "rotate")(*arrays(rotation, shared), out.numpy())
    return out


def rotate_torch(rotation: Tensor, points: Tensor) -> Tensor:
    """`rotate` in plain torch, on any device."""
    x, y, z = (rotation[..., :, k : k + 1] * points[..., k : k + 1, :] for k in range(3))
    return x + y + z


def turn(pose: Tensor, camera: Tensor) -> Tensor:
    """Turn poses `[..., 5]` by camera deltas `[..., 2]` (pitch, yaw); pitch stops at ±90 degrees."""
    pitch = (pose[..., 4] + camera[..., 0]).clamp(-MAX_PITCH, MAX_PITCH)
    return torch.cat([pose[..., :3], torch.stack([pose[..., 3] + camera[..., 1], pitch], -1)], -1)


def to_yaw_frame(offset: Tensor, yaw: Tensor) -> Tensor:
    """World offsets `[..., 3]` as (right, up, forward) of a level observer looking along `yaw` (degrees)."""
    sin_y, cos_y = torch.deg2rad(yaw).sin(), torch.deg2rad(yaw).cos()
    x, y, z = offset.unbind(-1)
    return torch.stack([-cos_y * x - sin_y * z, y, -sin_y * x + cos_y * z], -1)


def from_yaw_frame(offset: Tensor, yaw: Tensor) -> Tensor:
    """Inverse of `to_yaw_frame`: (right, up, forward) to world offsets `[..., 3]`."""
    sin_y, cos_y = torch.deg2rad(yaw).sin(), torch.deg2rad(yaw).cos()
    right, up, forward = offset.unbind(-1)
    return torch.stack([-cos_y * right - sin_y * forward, up, -sin_y * right + cos_y * forward], -1)


def encode_depth(depth: Tensor) -> Tensor:
    """Blocks to [-1, 1], by logarithm: 0.25 blocks is -1, the sky 1."""
    return torch.log2(depth.clamp(NEAR, FAR)).sub_(3.5).div_(5.5)


def decode_depth(code: Tensor) -> Tensor:
    """Inverse of `encode_depth`, in blocks between 0.25 and 512."""
    return torch.exp2(code.clamp(-1, 1) * 5.5 + 3.5)
