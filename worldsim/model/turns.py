"""How far a camera turned between two frames: the turn that lays one over the other best.

A turn moves every pixel in a way that depends on the lens alone, whatever is in view; a step moves only what is
near. So turns are tried on the whole picture, from coarse to fine, with a limit to what a pixel may say against
one (direct alignment; Irani and Anandan 1999, a robust norm as in Black and Anandan 1996). Nothing is learned.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.model.camera import tangents

REACH = (16.0, 26.0)
"""Degrees of pitch and yaw to each side that are tried."""
_STEPS = (2.0, 0.5, 0.25)
"""Degrees between two tries at a quarter of the resolution, at half of it, and at the whole."""
_LIMITS = (0.3, 0.24, 0.2)
_OVERLAP = 0.25
_STILL = 0.35  # of the middle pixel's variation: what varies less does not turn with the camera
_LEAST_FRAMES = 8

Grey = NDArray[np.float32]


def find_turns(sizes: tuple[Grey, Grey, Grey], moving: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Pitch (down), yaw (right), both in degrees, and the misfit, between each frame and the next: `[T - 1, 3]`.

    Args:
        sizes: pictures `[T, h, w]` without their slow changes of brightness, in [-1, 1], at a quarter, a half and
            the whole of the frames' resolution.
        moving: `[H, W]`, see `moves`.
    """
    search, _ = _kernels()
    height, width = moving.shape
    extent = tangents(height, width)
    masks = [np.ascontiguousarray(_shrunk(moving, height // size.shape[1])) for size in sizes]
    found = np.zeros((len(sizes[0]) - 1, 3), np.float64)
    steps = np.radians(_STEPS)
    for t, best in enumerate(found):
        span = np.radians(REACH)
        for size, mask, step, limit in zip(sizes, masks, steps, _LIMITS):
            start = best[:2].copy()
            search(size[t], size[t + 1], mask, *extent, limit, _OVERLAP, start, span, step, best)
            span = np.array([step, step])
    found[:, :2] = np.degrees(found[:, :2])
    return found.astype(np.float32)


def turn_back(pictures: Grey, turns: NDArray[np.float32]) -> Grey:
    """Pictures `[T - 1, h, w]` of `pictures` `[T, h, w]`, each as it looks after its turn: what still moves is no turn.

    Args:
        turns: of `find_turns`; where a picture shows nothing then it is the next one.
    """
    _, turned = _kernels()
    out = np.empty_like(pictures[:-1])
    extent = tangents(*pictures.shape[1:])
    for t, (pitch, yaw, _) in enumerate(turns):
        turned(pictures[t], pictures[t + 1], *extent, math.radians(pitch), math.radians(yaw), out[t])
    return out


def moves(pictures: Grey) -> NDArray[np.bool_]:
    """Bool `[h, w]`: where pictures `[T, h, w]` of one video change as most of their pixels do; hotbars don't."""
    everywhere = np.ones(pictures.shape[1:], np.bool_)
    if len(pictures) < _LEAST_FRAMES:
        return everywhere
    varies = pictures.std(0)
    found: NDArray[np.bool_] = varies > _STILL * np.median(varies)
    return found if found.mean() > _OVERLAP else everywhere


def _shrunk(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    rows, columns = (size // factor for size in mask.shape)
    cells = mask[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    shrunk: NDArray[np.bool_] = cells.mean((1, 3)) > 0.7
    return shrunk


@functools.cache
def _kernels() -> tuple[Callable[..., Any], Callable[..., Any]]:
    from worldsim.model._turns_kernel import search, turned

    return search, turned
