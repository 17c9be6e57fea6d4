"""Surfaces seen from nearer than they were: what lies between pixels that have come apart.

A thing that is walked up to is a lattice of points with holes between them, and what stands behind it, remembered
from elsewhere, would show through. So four neighbouring pixels of one surface are drawn as two triangles where
they land more than a pixel apart. Between surfaces, at the edges of things, nothing is drawn: they do not grow.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1.25
"""How many times farther than the nearest the farthest of four pixels of one surface may be."""
APART = 1.5
"""Pixels of the view from which on there are holes that closing cracks does not find."""
WIDEST = 8.0
"""Pixels beyond which four neighbours tell little of what lies between them."""
BEHIND = 0.05
"""Blocks before the eye from which on a point counts as behind it."""
_TRIANGLES = [[0, 1, 2], [3, 2, 1]]
_SPAN = int(WIDEST) + 1  # pixels that a face may cover in a row
_AT_ONCE = 128  # references: 160x96 pixels of each take some 30 MB on the way


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
