"""A smooth continuation of what is known into what is not: where invention begins from.

The pull-push algorithm (Grossman and Dally 1998): averages of the known pixels on ever coarser
grids, carried back down to where nothing is known.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SOFT = 0.05


def pull_push(pixels: Tensor, known: Tensor) -> Tensor:
    """Fill pixels `[B, C, H, W]` where `known` `[B, 1, H, W]` is 0; zero if nothing at all is known."""
    if min(pixels.shape[-2:]) == 1:
        return pixels * known
    mass = F.avg_pool2d(known, 2, ceil_mode=True)
    mean = F.avg_pool2d(pixels * known, 2, ceil_mode=True) / mass.clamp(min=1e-6)
    coarse = pull_push(mean, (mass > 0).to(known.dtype))
    # A cell with few known pixels says little: let the coarser grid speak there, too.
    trust = mass / (mass + _SOFT)
    coarse = trust * mean + (1 - trust) * coarse
    smooth = F.interpolate(coarse, pixels.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(known > 0, pixels, smooth)


def composite(layers: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Lay R layers `[B, R, C, H, W]` over each other, the first on top; pixels `[B, C, H, W]` and what is known."""
    out, seen = layers[:, 0] * known[:, 0], known[:, 0]
    for k in range(1, layers.shape[1]):
        new = known[:, k] * (1 - seen)
        out, seen = out + layers[:, k] * new, seen + new
    return out, seen
