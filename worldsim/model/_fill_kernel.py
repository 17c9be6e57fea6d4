"""The compiled copying of `fill.go_on` for the CPU: only the pixels of gaps are touched."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

_AHEAD = 0.05


# Arrays that are handed to another function are counted, with a locked instruction each: so that pixels are not.
@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def copy_elsewhere(
    pixels: Any, known: Any, gap: Any, last: Any, has_last: Any, pitches: Any, elsewhere: Any,
    tan_x: float, tan_y: float,
) -> None:  # fmt: skip
    """Fill gaps of `pixels` `[B, 4, H, W]` in place and mark them in `known`; see `fill.go_on`.

    `pitches` `[B]` of the views and `elsewhere` `[D, 2]` (right, down), where a gap is continued from, are in radians.
    """
    batch, _, height, width = pixels.shape
    source, seen = pixels.copy(), known.copy()
    turns = np.empty((len(elsewhere), 3, 3))
    for b in range(batch):
        up = (0.0, -math.cos(pitches[b]), -math.sin(pitches[b]))
        for d in range(len(elsewhere)):
            _turn(pitches[b], elsewhere[d, 0], elsewhere[d, 1], turns[d])
        for j in range(height):
            y = ((j + 0.5) / height * 2 - 1) * tan_y
            for i in range(width):
                if not gap[b, 0, j, i]:
                    continue
                x = ((i + 0.5) / width * 2 - 1) * tan_x
                for d in range(len(turns)):
                    sx = turns[d, 0, 0] * x + turns[d, 0, 1] * y + turns[d, 0, 2]
                    sy = turns[d, 1, 0] * x + turns[d, 1, 1] * y + turns[d, 1, 2]
                    z = turns[d, 2, 0] * x + turns[d, 2, 1] * y + turns[d, 2, 2]
                    if z < _AHEAD:
                        continue
                    # The nearest pixel, if it is known: what is copied again and again must not blur.
                    column = math.floor((sx / z / tan_x + 1) * width / 2 - 0.5 + 0.5)
                    row = math.floor((sy / z / tan_y + 1) * height / 2 - 0.5 + 0.5)
                    outside = column < 0 or row < 0 or column >= width or row >= height
                    if outside or seen[b, 0, row, column] < 0.5:
                        continue
                    for c in range(3):
                        pixels[b, c, j, i] = source[b, c, row, column]
                    known[b, 0, j, i] = 1
                    code = source[b, 3, row, column] - math.log2(z) / 5.5
                    if elsewhere[d, 1] > 0:
                        code += _nearer(up, x, y, sx, sy, z)
                    pixels[b, 3, j, i] = min(max(code, -1.0), 1.0)
                    break
                if known[b, 0, j, i] < 0.5 and has_last[b]:
                    known[b, 0, j, i] = 1
                    for c in range(4):
                        pixels[b, c, j, i] = last[b, c, j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _turn(pitch: float, yaw: float, down: float, out: Any) -> None:
    """From a pixel's ray to the one it is continued from: level, about the world's upright axis, tilt, and down."""
    sin_l, cos_l = math.sin(-pitch), math.cos(-pitch)
    sin_y, cos_y = math.sin(yaw), math.cos(yaw)
    sin_t, cos_t = math.sin(pitch + down), math.cos(pitch + down)
    # About y after about x by -pitch, row by row.
    a = (cos_y, sin_y * sin_l, sin_y * cos_l)
    b = (0.0, cos_l, -sin_l)
    c = (-sin_y, cos_y * sin_l, cos_y * cos_l)
    for k in range(3):
        out[0, k] = a[k]
        out[1, k] = cos_t * b[k] - sin_t * c[k]
        out[2, k] = sin_t * b[k] + cos_t * c[k]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _nearer(up: Any, x: float, y: float, sx: float, sy: float, z: float) -> float:
    """Change of the depth code from a point of level ground to the one below it."""
    length = math.sqrt(x * x + y * y + 1)
    here = -(up[0] * x + up[1] * y + up[2]) / length
    there = -(up[0] * sx + up[1] * sy + up[2] * z) / length
    return min(math.log2(max(there, 0.05) / max(here, 0.05)) / 5.5, 0.0)
