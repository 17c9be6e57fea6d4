"""Reprojection of reference frames into the current view (camera compensation).

Each reference pixel is splatted by its depth into a z-buffer of the current view; every view
pixel then looks up the reference at the place its winning surface comes from. Two
implementations with the same results: compiled for the CPU, and plain torch for other devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import FAR, TIGHT, rays, rotate, tangents
from worldsim.model.faces import BEHIND, close_within_torch, fill_faces_torch
from worldsim.model.fused import fusible
from worldsim.model.kernels import arrays, kernel
from worldsim.model.threads import aside, spare

_NOTHING = torch.iinfo(torch.int32).max


@dataclass(frozen=True)
class Warped:
    """References as seen from the current view."""

    frames: Tensor
    """`[N, 3, H, W]`, zero where unknown."""
    depth: Tensor
    """`[N, 1, H, W]` z-depth in blocks from the current view, 512 where unknown."""
    known: Tensor
    """`[N, 1, H, W]`, 1 where a reference pixel landed."""


def warp(
    frames: Tensor,
    depth: Tensor,
    rotation: Tensor,
    translation: Tensor,
    usable: Tensor,
    *,
    solid: bool = False,
) -> Warped:
    """Reproject N reference frames.

    Args:
        frames: `[N, 3, H, W]` float in [-1, 1].
        depth: `[N, 1, H, W]` z-depth in blocks of each reference pixel; 0 where it shows nothing.
        rotation, translation: `[N, 3, 3]`, `[N, 3]` from `camera.relative_pose`.
        usable: `[H, W]` bool, False where the picture does not move with the camera (HUD).
        solid: leave no holes in surfaces that are seen from nearer than they were, and leave those between
            surfaces, see `faces`. Worlds are played so; for learning it is left out, since clips seldom show that and
            a GPU takes as long again for it.
    """
    if frames.device.type == "cpu":
        return _warp_compiled(frames, depth, rotation, translation, usable, solid)
    return warp_torch(frames, depth, rotation, translation, usable, solid=solid)


def _warp_compiled(
    frames: Tensor, depth: Tensor, rotation: Tensor, translation: Tensor, usable: Tensor, solid: bool
) -> Warped:
    return _begin(frames, depth, rotation, translation, usable, solid)()


def warp_aside(
    frames: Tensor,
    depth: Tensor,
    rotation: Tensor,
    translation: Tensor,
    usable: Tensor,
    *,
    solid: bool = False,
) -> Callable[[], Warped]:
    """`warp` that is begun on a second core, if there is one to spare; see `threads.aside`."""
    if frames.device.type == "cpu" and spare():
        return _begin(frames, depth, rotation, translation, usable, solid, elsewhere=True)
    return partial(warp, frames, depth, rotation, translation, usable, solid=solid)


def _begin(
    frames: Tensor, depth: Tensor, rotation: Tensor, translation: Tensor, usable: Tensor, solid: bool,
    *, elsewhere: bool = False,
) -> Callable[[], Warped]:  # fmt: skip
    n, _, height, width = frames.shape
    out = torch.empty(n, 3, height, width)
    out_depth, known = torch.empty(n, 1, height, width), torch.empty(n, 1, height, width)
    tan_x, tan_y = tangents(height, width)
    given = arrays(frames, depth, rotation, translation)
    places = (t.numpy() for t in (out, out_depth, known))
    work = partial(
        kernel("warp", "reproject_aside" if elsewhere else "reproject"), *given, usable.contiguous().numpy(),
        tan_x, tan_y, solid, *places,
    )  # fmt: skip
    done = aside(work) if elsewhere else work

    def finish() -> Warped:
        done()
        return Warped(out, out_depth, known)

    return finish


def warp_torch(
    frames: Tensor,
    depth: Tensor,
    rotation: Tensor,
    translation: Tensor,
    usable: Tensor,
    *,
    solid: bool = False,
) -> Warped:
    """`warp` in plain torch, on any device."""
    z_buffer, place, z = _land(depth, rotation, translation, usable, solid)
    if solid:
        z_buffer = fill_faces_torch(z_buffer, depth[:, 0], z, place, usable)
    return Warped(*_look_up(frames, z_buffer, rotation, translation, usable))


@fusible
def _land(
    depth: Tensor, rotation: Tensor, translation: Tensor, usable: Tensor, solid: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The z-buffer `[N, H, W]` of points, and where each pixel lands: column and row `[N, 2, H, W]`, z `[N, H, W]`."""
    n, _, height, width = depth.shape
    tan_x, tan_y = tangents(height, width)
    grid = rays(height, width, (tan_x, tan_y), depth.device)
    points = rotate(rotation, grid * depth.reshape(n, 1, -1)) + translation.unsqueeze(-1)
    z = points[:, 2]
    ahead = (z > BEHIND) & (depth.reshape(n, -1) > 0) & usable.reshape(1, -1)
    safe_z = torch.where(ahead, z, torch.ones_like(z))
    u = (points[:, 0] / safe_z / tan_x + 1) * width / 2 - 0.5
    v = (points[:, 1] / safe_z / tan_y + 1) * height / 2 - 0.5
    tight, loose = _splat(u, v, safe_z, ahead, height, width)
    # Twice, for where two cracks cross.
    if solid:
        z_buffer = close_within_torch(close_within_torch(tight))
    else:
        z_buffer = _close_cracks(_close_cracks(tight, loose), loose)
    return z_buffer, torch.stack([u, v], 1).unflatten(2, (height, width)), z.unflatten(1, (height, width))


@fusible
def _look_up(
    frames: Tensor, z_buffer: Tensor, rotation: Tensor, translation: Tensor, usable: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    n, channels, height, width = frames.shape
    tan_x, tan_y = tangents(height, width)
    grid = rays(height, width, (tan_x, tan_y), frames.device)
    covered = z_buffer > 0
    z_buffer = torch.where(covered, z_buffer, torch.full_like(z_buffer, FAR))
    # Where does the winning surface come from? Take the view pixel at the winner's depth back.
    points = grid * z_buffer.reshape(n, 1, -1) - translation.unsqueeze(-1)
    points = rotate(rotation.transpose(-1, -2), points)
    u = (points[:, 0] / points[:, 2] / tan_x + 1) * width / 2 - 0.5
    v = (points[:, 1] / points[:, 2] / tan_y + 1) * height / 2 - 0.5
    flat = covered.reshape(n, -1)
    sampled, reached = _interpolate(frames, torch.where(flat, u, 0.0), torch.where(flat, v, 0.0), usable)
    mask = covered & reached.reshape(n, height, width)
    mask = mask.unsqueeze(1)
    return (
        torch.where(mask, sampled.reshape(n, channels, height, width), 0.0),
        torch.where(mask, z_buffer.reshape(n, 1, height, width), FAR),
        mask.to(frames.dtype),
    )


def _interpolate(frames: Tensor, u: Tensor, v: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """Frames at (u, v) `[n, P]` and whether anything usable is there: Catmull-Rom, bilinear near HUD and edge.

    Bilinear interpolation alone would blur a dream a little more with every frame; and the HUD must
    not bleed into the world, so its pixels have no weight.
    """
    height, width = frames.shape[-2:]
    inside = (u >= 1) & (v >= 1) & (u < width - 2) & (v < height - 2)
    cubic, whole = _taps(frames, u, v, usable, _catmull_rom, range(-1, 3))
    u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
    linear, weight = _taps(frames, u, v, usable, lambda t: [1 - t, t], range(2))
    sharp = inside & (whole > 1 - 1e-4) & (whole < 1 + 1e-4)
    # A cubic that misses a pixel of the HUD may still sum to one: count the missing pixels, too.
    sharp &= _taps(frames[:, :1], u, v, usable, lambda t: [torch.ones_like(t)] * 4, range(-1, 3))[1] > 15.5
    return torch.where(sharp[:, None], cubic, linear / weight.clamp(min=1e-4)[:, None]), weight >= 1e-4


def _taps(
    frames: Tensor,
    u: Tensor,
    v: Tensor,
    usable: Tensor,
    kernel: Callable[[Tensor], list[Tensor]],
    reach: range,
) -> tuple[Tensor, Tensor]:
    """Sum of usable pixels around (u, v) by the kernel's weights `[n, C, P]`, and of the weights `[n, P]`."""
    n, channels, height, width = frames.shape
    u0, v0 = u.floor(), v.floor()
    across, down = kernel(u - u0), kernel(v - v0)
    total = frames.new_zeros(n, channels, u.shape[1])
    weights = frames.new_zeros(n, u.shape[1])
    flat, open_pixels = frames.flatten(2), usable.flatten().to(frames.dtype)
    for wy, dy in zip(down, reach):
        for wx, dx in zip(across, reach):
            index = (v0 + dy).clamp(0, height - 1).long() * width + (u0 + dx).clamp(0, width - 1).long()
            weight = wx * wy * open_pixels[index]
            total += weight[:, None] * flat.gather(2, index[:, None].expand(-1, channels, -1))
            weights += weight
    return total, weights


def _catmull_rom(t: Tensor) -> list[Tensor]:
    """Weights of the pixels at -1, 0, 1 and 2 for points at `t` in [0, 1)."""
    return [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]


def _splat(
    u: Tensor, v: Tensor, safe_z: Tensor, ahead: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Two z-buffers `[n, H, W]` of points `[n, P]`: what lies within `TIGHT` pixels of them, and within one."""
    n, pixels = u.shape
    ahead = ahead & (u > -1) & (u < width) & (v > -1) & (v < height)
    u0 = torch.where(ahead, u, torch.zeros_like(u)).floor().long()
    v0 = torch.where(ahead, v, torch.zeros_like(v)).floor().long()
    # Positive floats are ordered as the integers of the same bits are, and a GPU has a fast minimum of those alone.
    bits = safe_z.float().view(torch.int32)
    tight = torch.full((n, pixels), _NOTHING, dtype=torch.int32, device=u.device)
    loose = tight.clone()
    for dv in (0, 1):
        for du in (0, 1):
            column, row = u0 + du, v0 + dv
            inside = ahead & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            close = inside & ((row - v).abs() <= TIGHT) & ((column - u).abs() <= TIGHT)
            index = torch.where(inside, row * width + column, torch.zeros_like(row))
            loose.scatter_reduce_(1, index, torch.where(inside, bits, _NOTHING), "amin")
            tight.scatter_reduce_(1, index, torch.where(close, bits, _NOTHING), "amin")
    shape = (n, height, width)
    covered = (torch.where(found == _NOTHING, 0, found) for found in (tight, loose))
    tight_z, loose_z = (found.view(torch.float32).reshape(shape) for found in covered)
    return tight_z, loose_z


def _close_cracks(tight: Tensor, loose: Tensor) -> Tensor:
    """Give holes between two covered neighbours, left and right or above and below, their loose depth."""
    covered = F.pad(tight > 0, (1, 1, 1, 1))
    beside = covered[:, 1:-1, :-2] & covered[:, 1:-1, 2:]
    between = beside | (covered[:, :-2, 1:-1] & covered[:, 2:, 1:-1])
    return torch.where((tight == 0) & between, loose, tight)
