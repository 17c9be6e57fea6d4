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
WIDEST = 32.0
"""Pixels beyond which four neighbours tell nothing of what lies between them."""
BEHIND = 0.05
"""Blocks before the eye from which on a point counts as behind it."""
_SIZES = (4, 8, 16, 32)


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
    filled = torch.where(z_buffer > 0, z_buffer, torch.inf).flatten()
    for least, most in zip((APART, *_SIZES), _SIZES):  # most are small, and a small one asks about few pixels
        n, j, i = (shown & (size > least) & (size <= most)).nonzero().unbind(1)
        four = torch.stack([u[n, :, j, i], v[n, :, j, i], z[n, :, j, i]], 1)  # [Q, 3, 4]
        for corners in ([0, 1, 2], [3, 2, 1]):
            filled = _draw(filled, n, four[:, :, corners], most, height, width)
    return torch.where(filled.isfinite(), filled, 0.0).view(z_buffer.shape)


def _corners(x: Tensor) -> Tensor:
    """`[N, 4, H - 1, W - 1]` of `[N, H, W]`: each pixel, those right of it and below it, and between these."""
    return torch.stack([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], 1)


def _draw(filled: Tensor, n: Tensor, triangles: Tensor, size: int, height: int, width: int) -> Tensor:
    """Draw triangles `[Q, 3, 3]` (column, row, z by corner) of pictures `n` `[Q]`, of so many pixels at most."""
    u, v, z = triangles.double().unbind(1)
    steps = torch.arange(size + 1, device=z.device)
    x = u.amin(1).ceil().long()[:, None, None] + steps[None, None, :]
    y = v.amin(1).ceil().long()[:, None, None] + steps[None, :, None]
    u0, u1, u2 = u[:, :, None, None].unbind(1)
    v0, v1, v2 = v[:, :, None, None].unbind(1)
    area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
    a = (u1 - x) * (v2 - y) - (u2 - x) * (v1 - y)
    b = (u2 - x) * (v0 - y) - (u0 - x) * (v2 - y)
    c = area - a - b
    inside = (area > 0) & (a >= 0) & (b >= 0) & (c >= 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    w0, w1, w2 = (1 / (area * z[:, k, None, None]) for k in range(3))
    depth = (1 / (a * w0 + b * w1 + c * w2)).to(filled.dtype)
    index = (n[:, None, None] * height + y) * width + x
    return filled.scatter_reduce(0, index[inside], depth[inside], "amin")
