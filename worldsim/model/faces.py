"""Surfaces seen from nearer than they were: what lies between pixels that have come apart.

A thing that is walked up to is a lattice of points with holes between them, and what stands behind it, remembered
from elsewhere, would show through. So four neighbouring pixels of one surface are drawn as two triangles where
they land more than a pixel apart, and cracks of a pixel between them are closed. Between surfaces, at the edges of
things, nothing is drawn: what comes into view there was never seen. Closed by the nearer surface, as a picture by
itself may be, such cracks add up to a sheet that things drag behind them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FLAT = 1.25
"""How many times farther than the nearest the farthest of four pixels of one surface may be."""
APART = 1.5
"""Pixels of the view from which on there are holes that closing cracks does not find."""
WIDEST = 8.0
"""Pixels beyond which four neighbours tell little of what lies between them."""
BEHIND = 0.05
"""Blocks before the eye from which on a point counts as behind it."""
FLUSH = 0.08
"""Share by which 1 / z on either side of a crack may differ from what one plane would have there."""
_TRIANGLES = [[0, 1, 2], [3, 2, 1]]
_SPAN = int(WIDEST) + 1  # pixels that a face may cover in a row
_AT_ONCE = 128  # references: 160x96 pixels of each take some 30 MB on the way


def close_within_torch(z_buffer: Tensor) -> Tensor:
    """The z-buffers `[N, H, W]` (0: nothing there) with cracks of one pixel closed within surfaces, on any device.

    1 / z is linear over the picture of a plane: both sides of a crack are of one if either goes on to the other, or
    they are as far away. First those to the left and right are asked, then those above and below.
    """
    near = torch.where(z_buffer > 0, 1 / z_buffer.clamp(min=BEHIND), 0.0)
    across, down = _between(near), _between(near.transpose(1, 2)).transpose(1, 2)
    found = torch.where(across > 0, across, down)
    return torch.where((z_buffer > 0) | (found == 0), z_buffer, 1 / found.clamp(min=1e-6))


def _between(near: Tensor) -> Tensor:
    """1 / z `[N, H, W]` of the plane that both neighbours in a row lie on; 0 where there is none."""
    a, b, _, c, d = F.pad(near, (2, 2)).unfold(2, 5, 1).unbind(-1)
    step, infinite = c - b, torch.full_like(near, torch.inf)
    off = torch.minimum(step.abs(), torch.where(a > 0, (step - 2 * (b - a)).abs(), infinite))
    off = torch.minimum(off, torch.where(d > 0, (step - 2 * (d - c)).abs(), infinite))
    one = (b > 0) & (c > 0) & (off <= FLUSH * torch.minimum(b, c))
    return torch.where(one, (b + c) / 2, 0.0)


def fill_faces_torch(
    z_buffer: Tensor, depth: Tensor, points: Tensor, place: Tensor, usable: Tensor
) -> Tensor:
    """The z-buffers `[N, H, W]` (0: nothing there) with whole surfaces, on any device.

    Args:
        depth: `[N, H, W]` blocks from the references; 0 where they show nothing.
        points: `[N, H, W]` z-depth of their pixels in the view.
        place: `[N, 2, H, W]` column and row of them in the view.
        usable: `[H, W]` bool, False over the HUD.
    """
    parts = zip(
        z_buffer.split(_AT_ONCE), depth.split(_AT_ONCE), points.split(_AT_ONCE), place.split(_AT_ONCE)
    )
    return torch.cat([_fill(*part, usable) for part in parts])


def _fill(z_buffer: Tensor, depth: Tensor, points: Tensor, place: Tensor, usable: Tensor) -> Tensor:
    height, width = depth.shape[1:]
    d, z, u, v = (_corners(x) for x in (depth, points, place[:, 0], place[:, 1]))
    shown = (
        _corners(usable[None]).all(1)
        & (d.amin(1) > 0)
        & (d.amax(1) <= d.amin(1) * FLAT)
        & (z.amin(1) > BEHIND)
    )
    size = torch.maximum(u.amax(1) - u.amin(1), v.amax(1) - v.amin(1))
    shown &= (u.amax(1) >= 0) & (v.amax(1) >= 0) & (u.amin(1) <= width - 1) & (v.amin(1) <= height - 1)
    shown &= (size > APART) & (size <= WIDEST)
    filled = torch.where(z_buffer > 0, z_buffer, torch.inf).flatten(1)
    # Every face asks about as many pixels, whether it is drawn or not: nothing has to be counted on the way.
    corners = torch.stack([u, v, z], 1)[:, :, _TRIANGLES].double()
    left, top = u.amin(1).ceil().long(), v.amin(1).ceil().long()
    for row in range(_SPAN):
        filled = _draw(filled, shown, corners, left, top + row, height, width)
    return torch.where(filled.isfinite(), filled, 0.0).view(z_buffer.shape)


def _corners(x: Tensor) -> Tensor:
    """`[N, 4, H - 1, W - 1]` of `[N, H, W]`: each pixel, those right of it and below it, and between these."""
    return torch.stack([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], 1)


def _draw(
    filled: Tensor, shown: Tensor, corners: Tensor, left: Tensor, top: Tensor, height: int, width: int
) -> Tensor:
    """Draw a row of pixels of each face that is `shown` `[N, h, w]` into z-buffers `[N, P]`.

    Args:
        corners: `[N, 3, 2, 3, h, w]` column, row and z of each triangle's corners.
        left, top: `[N, h, w]` where the row begins.
    """
    u, v, z = corners[..., None].unbind(1)  # [N, 2, 3, h, w, 1]
    x = (left[..., None] + torch.arange(_SPAN, device=z.device))[:, None]
    y = top[:, None, ..., None]
    (u0, u1, u2), (v0, v1, v2), (z0, z1, z2) = u.unbind(2), v.unbind(2), z.unbind(2)
    area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
    a = (u1 - x) * (v2 - y) - (u2 - x) * (v1 - y)
    b = (u2 - x) * (v0 - y) - (u0 - x) * (v2 - y)
    c = area - a - b
    inside = shown[:, None, ..., None] & (area > 0) & (a >= 0) & (b >= 0) & (c >= 0)
    inside = inside & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    depth = torch.where(inside, area / (a / z0 + b / z1 + c / z2), torch.inf).to(filled.dtype)
    index = torch.where(inside, y * width + x, 0)
    return filled.scatter_reduce(1, index.flatten(1), depth.flatten(1), "amin")
