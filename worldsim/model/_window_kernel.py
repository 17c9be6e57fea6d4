"""The compiled twin of `fill.lone` and `fill.gaps` for the CPU: sums over windows that slide down the picture.

Numba keeps compiled code by the date of its file: touch `_precedence_kernel.py` and `_sight_kernel.py`, which use this
one, when it changes.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def sums(known: Any, size: int, out: Any) -> None:
    """Sum of one mask `[H, W]` over a window of `size` (odd) around each pixel, nothing outside the picture."""
    height, width = known.shape
    half, one = size // 2, np.float32(1)
    columns = np.zeros(width + size - 1, np.float32)
    for j in range(min(half, height)):
        _add(known[j], one, columns[half : half + width])
    for j in range(height):
        if j + half < height:
            _add(known[j + half], one, columns[half : half + width])
        if j > half:
            _add(known[j - half - 1], -one, columns[half : half + width])
        out[j] = 0
        for k in range(size):
            _add(columns[k : k + width], one, out[j])


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(values: Any, times: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] += times * values[i]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def few(known: Any, size: int, out: Any) -> None:
    """Whether less than half of each window, as far as it lies in the picture, is known: bool `[N, H, W]`."""
    count, height, width = known.shape
    total = np.empty((height, width), np.float32)
    across, two = np.empty(width, np.float32), np.float32(2)
    for i in range(width):
        across[i] = _span(i, width, size)
    for n in range(count):
        sums(known[n], size, total)
        for j in range(height):
            down = np.float32(_span(j, height, size))
            for i in range(width):
                out[n, j, i] = two * total[j, i] < down * across[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _span(at: int, length: int, size: int) -> int:
    """Pixels of a window's side that lie in the picture."""
    return min(at + size // 2, length - 1) - max(at - size // 2, 0) + 1


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bare(known: Any, size: int, out: Any) -> None:
    """Where nothing is known, nor half of the window around: bool `[N, H, W]`; outside the picture lies nothing."""
    count, height, width = known.shape
    half = np.float32(0.5)
    total, least = np.empty((height, width), np.float32), np.float32(size * size / 2)
    for n in range(count):
        sums(known[n], size, total)
        for j in range(height):
            for i in range(width):
                out[n, j, i] = known[n, j, i] < half and total[j, i] < least
