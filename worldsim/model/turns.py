"""How far a camera turned between two frames: the turn that lays one over the other best.

A turn moves every pixel in a way that depends on the lens alone, whatever is in view; a step moves only what is
near. So turns are tried on the whole picture, from coarse to fine, with a limit to what a pixel may say against
one (direct alignment; Irani and Anandan 1999, a robust norm as in Black and Anandan 1996). Nothing is learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from worldsim.model.camera import tangents
from worldsim.model.kernels import kernel

REACH = (16.0, 26.0)
"""Degrees of pitch and yaw to each side that are tried."""
_STEPS = (2.0, 0.5, 0.25)
"""Degrees between two tries at a quarter of the resolution, at half of it, and at the whole."""
_LIMITS = (0.3, 0.24, 0.2)
_OVERLAP = 0.25
_STILL = 0.35  # of the middle pixel's variation: what varies less does not turn with the camera
_LEAST_FRAMES, _LEAST_TURNS = 8, 30
_TURN, _MOST, _STAYS = 1.5, 0.3, 0.8
BRIGHTNESS = (0.299, 0.587, 0.114)
"""Of red, green and blue."""

Grey = NDArray[np.float32]


def grey(frames: NDArray[np.uint8]) -> Grey:
    """Brightness `[T, H, W]` in [-1, 1] of frames uint8 `[T, H, W, 3]`."""
    shades: Grey = np.asarray(frames @ np.array(BRIGHTNESS, np.float32), np.float32) / 127.5 - 1
    return shades


def sharpened(pictures: Grey) -> tuple[Grey, Grey, Grey]:
    """Pictures `[T, H, W]` without slow changes of brightness, at a quarter, at half and at the whole of their size.

    A change of light is no motion: only what differs from its surroundings is matched.
    """
    whole = torch.from_numpy(pictures)
    whole = whole - F.avg_pool2d(whole, 17, 1, 8, count_include_pad=False)
    return F.avg_pool2d(whole, 4).numpy(), F.avg_pool2d(whole, 2).numpy(), whole.numpy()


def find_overlay(videos: Iterable[NDArray[np.uint8]]) -> NDArray[np.bool_] | None:
    """Bool `[H, W]`: where pictures stay as they are when the camera turns: hotbar, crosshair, hand.

    Args:
        videos: uint8 `[T, H, W, 3]` each.

    Returns:
        None where there are fewer than 30 turns to tell by.
    """
    kept: Any = 0.0
    turned: Any = 0.0
    count = 0
    for frames in videos:
        pictures = grey(frames)
        sizes = sharpened(pictures)
        turns = find_turns(sizes, moves(sizes[2]))
        large = np.abs(turns[:, :2]).max(1) > _TURN
        then, now = turn_back(pictures, turns)[large], pictures[1:][large]
        turned = turned + np.minimum(np.abs(then - now), _MOST).sum(0)
        kept = kept + np.minimum(np.abs(pictures[:-1][large] - now), _MOST).sum(0)
        count += int(large.sum())
    if count < _LEAST_TURNS:
        return None
    stays = torch.from_numpy(kept < _STAYS * turned).float()[None, None]
    closed = F.avg_pool2d(stays, 5, 1, 2)[0, 0] > 0.5  # what shows through here and there is part of it
    found: NDArray[np.bool_] = ((stays[0, 0] > 0.5) | closed).numpy()
    return found


def find_turns(sizes: tuple[Grey, Grey, Grey], moving: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Pitch (down), yaw (right), both in degrees, and the misfit, between each frame and the next: `[T - 1, 3]`.

    Args:
        sizes: of `sharpened`.
        moving: `[H, W]`, see `moves`.
    """
    search = kernel("turns", "search")
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
    turned = kernel("turns", "turned")
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
