"""The compiled twin of `faces.py`: cracks closed within surfaces, and triangles between pixels that have come apart.

Numba keeps compiled code by the date of this file and of `_warp_kernel.py`: touch both when constants of
`faces.py` change.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model.faces import APART, BEHIND, FLAT, FLUSH, WIDEST


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def close_within(z_buffer: Any) -> None:
    """See `faces.close_within_torch`; one z-buffer `[H, W]`, in place."""
    height, width = z_buffer.shape
    before = z_buffer.copy()
    nothing = np.float32(0)
    for j in range(height):
        for i in range(width):
            if before[j, i] > 0:
                continue
            z = nothing
            if 0 < i < width - 1:
                left = before[j, i - 2] if i > 1 else nothing
                right = before[j, i + 2] if i < width - 2 else nothing
                z = _between(left, before[j, i - 1], before[j, i + 1], right)
            if z == 0 and 0 < j < height - 1:
                above = before[j - 2, i] if j > 1 else nothing
                below = before[j + 2, i] if j < height - 2 else nothing
                z = _between(above, before[j - 1, i], before[j + 1, i], below)
            if z > 0:
                z_buffer[j, i] = z


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _between(a: float, b: float, c: float, d: float) -> float:
    """The depth between b and c if they are of one surface, else 0; a and d are their other neighbours."""
    if b == 0 or c == 0:
        return np.float32(0)
    near_b, near_c, two = 1 / b, 1 / c, np.float32(2)
    step = near_c - near_b
    off = abs(step)
    if a > 0:
        off = min(off, abs(step - two * (near_b - 1 / a)))
    if d > 0:
        off = min(off, abs(step - two * (1 / d - near_c)))
    return two / (near_b + near_c) if off <= np.float32(FLUSH) * min(near_b, near_c) else np.float32(0)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def fill_faces(depth: Any, usable: Any, us: Any, vs: Any, zs: Any, z_buffer: Any) -> None:
    """See `faces.fill_faces_torch`; one reference, in place, its points at columns `us`, rows `vs` and depths `zs`."""
    height, width = depth.shape
    for j in range(1, height):
        for i in range(width - 1):
            if not _whole(depth, usable, j, i) or not _apart(us, vs, zs, j, i):
                continue
            _triangle(us[j - 1, i], vs[j - 1, i], zs[j - 1, i], us[j - 1, i + 1], vs[j - 1, i + 1], zs[j - 1, i + 1],
                      us[j, i], vs[j, i], zs[j, i], z_buffer)  # fmt: skip
            _triangle(us[j, i + 1], vs[j, i + 1], zs[j, i + 1], us[j, i], vs[j, i], zs[j, i],
                      us[j - 1, i + 1], vs[j - 1, i + 1], zs[j - 1, i + 1], z_buffer)  # fmt: skip


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _whole(depth: Any, usable: Any, j: int, i: int) -> bool:
    """Whether the pixels at (j - 1, i) to (j, i + 1) show one surface."""
    a, b, c, d = depth[j - 1, i], depth[j - 1, i + 1], depth[j, i], depth[j, i + 1]
    least = min(min(a, b), min(c, d))
    shown = usable[j - 1, i] and usable[j - 1, i + 1] and usable[j, i] and usable[j, i + 1]
    return shown and least > 0 and max(max(a, b), max(c, d)) <= least * np.float32(FLAT)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _apart(us: Any, vs: Any, zs: Any, j: int, i: int) -> bool:
    """Whether they lie so far apart in the view that there are holes between them, and in the picture."""
    if min(min(zs[j - 1, i], zs[j - 1, i + 1]), min(zs[j, i], zs[j, i + 1])) <= BEHIND:
        return False
    height, width = us.shape
    left = min(min(us[j - 1, i], us[j - 1, i + 1]), min(us[j, i], us[j, i + 1]))
    right = max(max(us[j - 1, i], us[j - 1, i + 1]), max(us[j, i], us[j, i + 1]))
    top = min(min(vs[j - 1, i], vs[j - 1, i + 1]), min(vs[j, i], vs[j, i + 1]))
    bottom = max(max(vs[j - 1, i], vs[j - 1, i + 1]), max(vs[j, i], vs[j, i + 1]))
    inside = right >= 0 and bottom >= 0 and left <= width - 1 and top <= height - 1
    return inside and APART < max(right - left, bottom - top) <= WIDEST


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _triangle(
    u0: float, v0: float, z0: float, u1: float, v1: float, z1: float, u2: float, v2: float, z2: float,
    z_buffer: Any,
) -> None:  # fmt: skip
    """Draw a triangle, unless it is seen from behind; 1 / z is linear over the picture."""
    height, width = z_buffer.shape
    area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
    if not area > 0:
        return
    w0, w1, w2 = 1 / (area * z0), 1 / (area * z1), 1 / (area * z2)
    left, right = math.ceil(min(u0, min(u1, u2))), math.floor(max(u0, max(u1, u2)))
    top, bottom = math.ceil(min(v0, min(v1, v2))), math.floor(max(v0, max(v1, v2)))
    for y in range(max(top, 0), min(bottom, height - 1) + 1):
        for x in range(max(left, 0), min(right, width - 1) + 1):
            a = (u1 - x) * (v2 - y) - (u2 - x) * (v1 - y)
            b = (u2 - x) * (v0 - y) - (u0 - x) * (v2 - y)
            c = area - a - b
            if a < 0 or b < 0 or c < 0:
                continue
            z = np.float32(1 / (a * w0 + b * w1 + c * w2))
            if z_buffer[y, x] == 0 or z < z_buffer[y, x]:
                z_buffer[y, x] = z
