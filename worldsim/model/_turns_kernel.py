"""The compiled search of `turns.py`: candidate turns are tried on a picture, pixel by pixel."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search(
    one: Any, two: Any, moving: Any, tan_x: float, tan_y: float, limit: float, overlap: float, start: Any, span: Any,
    step: float, best: Any,
) -> None:  # fmt: skip
    """Fill `best` (pitch, yaw, misfit) with the turn in radians from picture `one` to `two` `[h, w]` that fits best.

    Args:
        moving: `[h, w]` bool, False where the picture does not turn with the camera.
        limit: of the difference of a pixel; what is hidden or moves by itself counts no more.
        overlap: share of the pixels that has to be in both.
        start, span, step: turns within `span` `[2]` of `start` `[2]` are tried.
    """
    rows, columns = int(span[0] / step + 0.5), int(span[1] / step + 0.5)
    misfits = np.full((2 * rows + 1, 2 * columns + 1), np.inf)
    for i in range(2 * rows + 1):
        for j in range(2 * columns + 1):
            pitch, yaw = start[0] + (i - rows) * step, start[1] + (j - columns) * step
            misfits[i, j] = _misfit(one, two, moving, tan_x, tan_y, limit, overlap, pitch, yaw)
    place = int(np.argmin(misfits))
    i, j = place // (2 * columns + 1), place % (2 * columns + 1)
    best[0] = start[0] + (i - rows + _between(misfits[:, j], i)) * step
    best[1] = start[1] + (j - columns + _between(misfits[i], j)) * step
    best[2] = misfits[i, j]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _between(values: Any, at: int) -> float:
    """Where the least lies, beside the least of the values: on a parabola through it and its neighbours."""
    if at == 0 or at == len(values) - 1:
        return 0.0
    left, middle, right = values[at - 1], values[at], values[at + 1]
    if not (np.isfinite(left) and np.isfinite(right)) or left + right - 2 * middle <= 0:
        return 0.0
    return 0.5 * (left - right) / (left + right - 2 * middle)


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _misfit(
    one: Any, two: Any, moving: Any, tan_x: float, tan_y: float, limit: float, overlap: float, pitch: float,
    yaw: float,
) -> float:  # fmt: skip
    height, width = one.shape
    total, count, asked = 0.0, 0, 0
    for j in range(height):
        for i in range(width):
            if not moving[j, i]:
                continue
            asked += 1
            u, v = where_from(i, j, width, height, tan_x, tan_y, pitch, yaw)
            if not (0 <= u <= width - 1 and 0 <= v <= height - 1) or not moving[int(v + 0.5), int(u + 0.5)]:
                continue
            total += min(abs(between(one, u, v) - two[j, i]), limit)
            count += 1
    return total / count if count > overlap * asked and count > 0 else np.inf


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def where_from(
    i: int, j: int, width: int, height: int, tan_x: float, tan_y: float, pitch: float, yaw: float
) -> Any:
    """Where the pixel (i, j) of a view was before the camera turned by `pitch` (down) and `yaw` (right)."""
    x, y = ((i + 0.5) / width * 2 - 1) * tan_x, ((j + 0.5) / height * 2 - 1) * tan_y
    sin_p, cos_p, sin_y, cos_y = math.sin(pitch), math.cos(pitch), math.sin(yaw), math.cos(yaw)
    y, z = cos_p * y + sin_p, cos_p - sin_p * y
    x, z = cos_y * x + sin_y * z, cos_y * z - sin_y * x
    if z < 0.05:
        return -1.0, -1.0
    return (x / z / tan_x + 1) * width / 2 - 0.5, (y / z / tan_y + 1) * height / 2 - 0.5


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def between(picture: Any, u: float, v: float) -> float:
    """A picture's value between its pixels, bilinearly."""
    height, width = picture.shape
    left, above = int(u), int(v)
    right, below = min(left + 1, width - 1), min(above + 1, height - 1)
    a, b = u - left, v - above
    top = (1 - a) * picture[above, left] + a * picture[above, right]
    low = (1 - a) * picture[below, left] + a * picture[below, right]
    return (1 - b) * top + b * low


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def turned(one: Any, two: Any, tan_x: float, tan_y: float, pitch: float, yaw: float, out: Any) -> None:
    """Fill `out` `[h, w]` with picture `one` as it looks after a turn, and with `two` where it shows nothing."""
    height, width = one.shape
    for j in range(height):
        for i in range(width):
            u, v = where_from(i, j, width, height, tan_x, tan_y, pitch, yaw)
            seen = 0 <= u <= width - 1 and 0 <= v <= height - 1
            out[j, i] = between(one, u, v) if seen else two[j, i]
