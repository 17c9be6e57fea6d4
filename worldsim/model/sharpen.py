"""Which parts of a picture another one shows as well, and more sharply: the same surface, resampled fewer times.

A dream looks at its own last frame, and every look resamples it, so that what stays in view becomes a copy of a copy.
An older picture of the same surface has been resampled once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.warp import Warped

PATCH = 4
"""Side of the squares that are compared."""
COLOUR = 0.2
"""Units of [-1, 1] by which the mean of a square may differ."""
DEPTH = 1.165
"""Factor by which a pixel may lie nearer or farther than all in and around its square."""
WHOLE = 0.8
"""Share of a square whose pixels have to lie so: a part of one would be a ragged edge."""
SHARPER = 1.1
"""Factor by which second differences, in and around a square, have to be larger."""
FAINT = 1e-3
"""Second differences of a pixel that say nothing."""


def sharpen(frames: Tensor, depth: Tensor, known: Tensor, other: Warped) -> tuple[Tensor, Tensor]:
    """Pictures with what N others show more sharply, and their depth.

    Args:
        frames, depth, known: `[N, 3, H, W]` in [-1, 1], `[N, 1, H, W]` in blocks and in {0, 1}; H and W multiples of 4.
        other: N pictures from the same views.
    """
    if not has_numbers(frames):
        return sharpen_torch(frames, depth, known, other)
    sharp, told = frames.contiguous().clone(), depth.contiguous().clone()
    given = arrays(known[:, 0], other.frames, other.depth[:, 0], other.known[:, 0])
    kernel("sharpen", "take_sharper")(*given, sharp.numpy(), told[:, 0].numpy())
    return sharp, told


def sharpen_torch(frames: Tensor, depth: Tensor, known: Tensor, other: Warped) -> tuple[Tensor, Tensor]:
    """`sharpen` in plain torch, on any device."""
    both = known * other.known
    share = F.avg_pool2d(both, PATCH)
    off = F.avg_pool2d((frames - other.frames) * both, PATCH).abs().mean(1, keepdim=True)
    fine, finer = (_around(_roughness(picture, both)) for picture in (frames, other.frames))
    taken = (share > 0) & (off <= COLOUR * share) & (finer > SHARPER * fine + FAINT * _around(share))
    near, far = (_widened(F.max_pool2d(_known(sign * depth, known), PATCH)) for sign in (-1, 1))
    agrees = (other.depth * DEPTH >= -_spread(near)) & (other.depth <= _spread(far) * DEPTH) & (both > 0.5)
    taken &= F.avg_pool2d(agrees.float(), PATCH) >= WHOLE
    where = _spread(taken.float()).bool() & agrees
    return torch.where(where, other.frames, frames), torch.where(where, other.depth, depth)


def _known(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known > 0.5, values, -torch.inf)


def _widened(squares: Tensor) -> Tensor:
    """The greatest of each square and its neighbours."""
    return F.max_pool2d(squares, 3, 1, 1)


def _around(squares: Tensor) -> Tensor:
    """Sum over each square and its neighbours."""
    return 9 * F.avg_pool2d(squares, 3, 1, 1)


def _spread(squares: Tensor) -> Tensor:
    """The value of its square for each pixel."""
    return F.interpolate(squares, scale_factor=PATCH, mode="nearest")


def _roughness(frames: Tensor, both: Tensor) -> Tensor:
    """Mean absolute second difference, across and down, over squares `[N, 1, H / 4, W / 4]`, where all is known."""
    rough = torch.zeros_like(both)
    for dim in (2, 3):
        before, here, after = (_part(frames, dim, k) for k in range(3))
        whole = _part(both, dim, 0) * _part(both, dim, 1) * _part(both, dim, 2)
        curved = (before - 2 * here + after).abs().mean(1, keepdim=True) * whole
        rough = rough + F.pad(curved, (0, 0, 1, 1) if dim == 2 else (1, 1))
    return F.avg_pool2d(rough, PATCH)


def _part(pixels: Tensor, dim: int, start: int) -> Tensor:
    return pixels.narrow(dim, start, pixels.shape[dim] - 2)
