"""What changes from one frame to the next that the camera's turn does not explain."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldsim.evaluate.pixels import Frames
from worldsim.evaluate.twin import overlay
from worldsim.model.camera import camera_to_world, rays, rotate, tangents

_LEAST = 0.1  # share of the picture that both frames have to show, or nothing can be said
_AHEAD = 1e-3


def residual_motion(
    frames: Frames, before: NDArray[np.uint8], pose: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Median absolute change `[n]` to each frame from the one before it, turned with the camera, in grey levels.

    Of the pixels that both show, without the HUD; 0 where those are less than a tenth of the picture. A thing that is
    passed by close at hand changes a part of the picture, another scene most of it.

    Args:
        frames: `[n, H, W, 3]`.
        before: the frame before the first.
        pose: `[n + 1, 5]` of `before` and of the frames; only yaw and pitch are read.
    """
    height, width = frames.shape[1:3]
    shown, grid = torch.from_numpy(~overlay(width, height)), rays(height, width, tangents(height, width))
    pictures = [torch.from_numpy(np.ascontiguousarray(p)) for p in (before, *frames)]
    view = camera_to_world(torch.from_numpy(np.ascontiguousarray(pose, np.float32)))
    pairs = zip(pictures, pictures[1:], view, view[1:])
    return np.array(
        [_changed(a, b, rotate(old.T @ new, grid), shown) for a, b, old, new in pairs], np.float64
    )


def _changed(before: Tensor, after: Tensor, turned: Tensor, shown: Tensor) -> float:
    """Median change between two pictures `[H, W, 3]`, with the later one's rays `[3, H W]` turned into the earlier."""
    height, width = shown.shape
    tan_x, tan_y = tangents(height, width)
    x, y, z = turned
    ahead = z.clamp(min=_AHEAD)
    place = torch.stack([x / ahead / tan_x, y / ahead / tan_y], -1).unflatten(0, (height, width))
    layers = torch.cat([before.movedim(2, 0).float(), shown[None].float()])
    seen = F.grid_sample(layers[None], place[None], mode="bilinear", align_corners=False)[0]
    both = shown & (seen[3] > 0.99) & (z > _AHEAD).unflatten(0, (height, width))
    if float(both.float().mean()) < _LEAST:
        return 0.0
    return float((seen[:3] - after.movedim(2, 0)).abs().mean(0)[both].median())
