"""Frames made smaller by averaging over areas, so that nothing flickers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


def shrink(frames: Frames, width: int, height: int) -> Frames:
    """Frames uint8 [N, H, W, 3] as uint8 [N, height, width, 3]; they come back as they are if they have that size."""
    tall, wide = frames.shape[1:3]
    if (tall, wide) == (height, width):
        return frames
    if tall % height == 0 and wide % width == 0:
        return _whole(frames, tall // height, wide // width)
    rows, columns = _weights(tall, height), _weights(wide, width)
    soft = np.einsum("hH,nHWc->nhWc", rows, frames.astype(np.float32), optimize=True)
    soft = np.einsum("wW,nhWc->nhwc", columns, soft, optimize=True)
    small: Frames = np.rint(soft).clip(0, 255).astype(np.uint8)
    return small


def _whole(frames: Frames, down: int, across: int) -> Frames:
    """Means of blocks of whole pixels, rounded."""
    total = np.zeros((len(frames), frames.shape[1] // down, frames.shape[2] // across, 3), np.uint32)
    for y in range(down):
        for x in range(across):
            total += frames[:, y::down, x::across]
    count = down * across
    small: Frames = ((total + count // 2) // count).astype(np.uint8)
    return small


@lru_cache(maxsize=16)
def _weights(large: int, small: int) -> NDArray[np.float32]:
    """[small, large]: the share that each old pixel has of a new one; rows add up to 1."""
    edges = np.linspace(0, large, small + 1)
    old = np.arange(large)
    overlap = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    weights = overlap.clip(0, None)
    if small > large:  # made larger: the nearest pixel
        weights = (old == (edges[:-1, None] + edges[1:, None]).astype(np.int64) // 2).astype(np.float64)
    normed: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normed
