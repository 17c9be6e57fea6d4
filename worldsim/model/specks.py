"""Lone pixels of a guessed depth, which belong to no surface.

Where a picture is a guess, each pixel is copied from one reference or another, and its depth with it. A pixel that is
off from all around it would fly apart from them at the next step, and leave a hole where it was.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import decode_depth, encode_depth
from worldsim.model.kernels import has_numbers, kernel

WINDOW = 5
OFF = 0.03
"""Depth codes (a factor of 1.12) that a pixel may be off from the median around it."""


def without_specks(depth: Tensor, free: Tensor) -> Tensor:
    """Depth `[B, 1, H, W]` in blocks with lone pixels put back to the median of the `WINDOW` pixels around them.

    Args:
        free: `[B, 1, H, W]` bool, where that may be done.
    """
    if not has_numbers(depth):
        return without_specks_torch(depth, free)
    smooth = depth.contiguous().clone()
    kernel("specks", "despeckle")(
        depth[:, 0].contiguous().numpy(), free[:, 0].contiguous().numpy(), smooth[:, 0].numpy()
    )
    return smooth


def without_specks_torch(depth: Tensor, free: Tensor) -> Tensor:
    """`without_specks` in plain torch, on any device."""
    height, width = depth.shape[-2:]
    edges = F.pad(depth, (WINDOW // 2,) * 4, mode="replicate")
    around = F.unfold(edges, WINDOW).view(len(depth), WINDOW**2, height, width)
    middle = encode_depth(around.median(1, keepdim=True).values)
    off = (encode_depth(depth) - middle).abs() > OFF
    return torch.where(off & free, decode_depth(middle), depth)
