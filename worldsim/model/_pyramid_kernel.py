"""The compiled levels of `fill.pull_push` for the CPU: up to a coarser grid, and back down where nothing is known."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def halve(pixels: Any, known: Any, mean: Any, mass: Any) -> None:
    """Fill `mean` `[C, h, w]`, of the known pixels of each 2x2 cell, and `mass` `[h, w]`, the share that is known.

    Args:
        pixels: `[C, H, W]`.
        known: `[H, W]` in {0, 1}.
    """
    channels, height, width = pixels.shape
    rows, columns = mass.shape
    for j in range(rows):
        for i in range(columns):
            bottom, right = min(2 * j + 2, height), min(2 * i + 2, width)
            weight = np.float32(0)
            for c in range(channels):
                mean[c, j, i] = 0
            for y in range(2 * j, bottom):
                for x in range(2 * i, right):
                    if known[y, x] > 0:
                        weight += np.float32(1)
                        for c in range(channels):
                            mean[c, j, i] += pixels[c, y, x]
            mass[j, i] = weight / np.float32((bottom - 2 * j) * (right - 2 * i))
            for c in range(channels):
                mean[c, j, i] /= max(weight, np.float32(1))


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def carry_down(coarse: Any, mean: Any, mass: Any, soft: float, pixels: Any, known: Any) -> None:
    """Give unknown pixels the coarser grid's colours, bilinearly between the cells' centres.

    Args:
        coarse: `[C, h, w]` what that grid says, changed in place: a cell's own mean counts by how much is known of it.
        mean, mass: of `halve`.
        pixels, known: as for `halve`; pixels are filled in place.
    """
    channels, height, width = pixels.shape
    rows, columns = mass.shape
    half, one = np.float32(0.5), np.float32(1)
    for j in range(rows):
        for i in range(columns):
            trust = mass[j, i] / (mass[j, i] + np.float32(soft))
            for c in range(channels):
                coarse[c, j, i] = trust * mean[c, j, i] + (one - trust) * coarse[c, j, i]
    down, across = np.float32(rows / height), np.float32(columns / width)
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
