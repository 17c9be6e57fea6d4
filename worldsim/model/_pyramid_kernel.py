"""The compiled pull-push of `fill.py` for the CPU: one picture after the other, only holes are written."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def fill_holes(pixels: Any, known: Any, soft: float) -> None:
    """Fill `pixels` `[B, C, H, W]` in place where `known` `[B, 1, H, W]` is 0; see `fill.pull_push`."""
    for b in range(len(pixels)):
        _fill(pixels[b], known[b, 0], np.float32(soft))


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(pixels: Any, known: Any, soft: Any) -> None:
    channels, height, width = pixels.shape
    if min(height, width) == 1:
        for c in range(channels):
            pixels[c] *= known
        return
    mean, mass = _halved(pixels, known)
    coarse = mean.copy()
    _fill(coarse, (mass > 0).astype(np.float32), soft)
    # A cell with few known pixels says little: let the coarser grid speak there, too.
    for j in range(mass.shape[0]):
        for i in range(mass.shape[1]):
            trust = mass[j, i] / (mass[j, i] + soft)
            for c in range(channels):
                coarse[c, j, i] = trust * mean[c, j, i] + (np.float32(1) - trust) * coarse[c, j, i]
    _carry_down(coarse, pixels, known)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _halved(pixels: Any, known: Any) -> Any:
    """The mean of the known pixels of each 2x2 cell, and the share of them that is known."""
    channels, height, width = pixels.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    mean, mass = np.zeros((channels, rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    for j in range(rows):
        for i in range(columns):
            bottom, right = min(2 * j + 2, height), min(2 * i + 2, width)
            count, weight = np.float32((bottom - 2 * j) * (right - 2 * i)), np.float32(0)
            for y in range(2 * j, bottom):
                for x in range(2 * i, right):
                    weight += known[y, x]
                    for c in range(channels):
                        mean[c, j, i] += pixels[c, y, x] * known[y, x]
            mass[j, i] = weight / count
            for c in range(channels):
                mean[c, j, i] = mean[c, j, i] / count / max(mass[j, i], np.float32(1e-6))
    return mean, mass


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _carry_down(coarse: Any, pixels: Any, known: Any) -> None:
    """Give unknown pixels the coarser grid's colours, bilinearly between the cells' centres."""
    channels, height, width = pixels.shape
    _, rows, columns = coarse.shape
    down, across = np.float32(rows / height), np.float32(columns / width)
    half, one = np.float32(0.5), np.float32(1)
    for j in range(height):
        v = max((np.float32(j) + half) * down - half, np.float32(0))
        above = int(v)
        below, b = min(above + 1, rows - 1), v - np.float32(above)
        for i in range(width):
            if known[j, i] > 0:
                continue
            u = max((np.float32(i) + half) * across - half, np.float32(0))
            left = int(u)
            right, a = min(left + 1, columns - 1), u - np.float32(left)
            for c in range(channels):
                top = (one - a) * coarse[c, above, left] + a * coarse[c, above, right]
                low = (one - a) * coarse[c, below, left] + a * coarse[c, below, right]
                pixels[c, j, i] = (one - b) * top + b * low
