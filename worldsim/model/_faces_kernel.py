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
    rows, columns = np.empty(z_buffer.size, np.int32), np.empty(z_buffer.size, np.int32)
    found, between = np.empty(z_buffer.size, np.float32), np.empty(width, np.bool_)
    count = 0
    for j in range(height):
        _between_any(z_buffer[max(j - 1, 0)], z_buffer[j], z_buffer[min(j + 1, height - 1)], between)
        for i in range(width):
            if between[i]:
                rows[count], columns[count] = j, i
                count += 1
    for k in range(count):
        found[k] = _across(z_buffer, rows[k], columns[k])
    for k in range(count):
        if found[k] > 0:
            z_buffer[rows[k], columns[k]] = found[k]


# Without a branch, as those below, so that the compiler makes vector instructions of the loops over a row.
@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _between_any(above: Any, here: Any, below: Any, out: Any) -> None:
    """Where a row has a hole with something on both sides, or above and below."""
    width = len(out)
    for i in range(width):
        out[i] = (here[i] == 0) & (above[i] > 0) & (below[i] > 0)
    for i in range(1, width - 1):
        out[i] |= (here[i] == 0) & (here[i - 1] > 0) & (here[i + 1] > 0)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _across(z_buffer: Any, j: int, i: int) -> float:
    """The depth of what goes on across the hole at (j, i), 0 if nothing does."""
    height, width = z_buffer.shape
    nothing = np.float32(0)
    z = nothing
    if 0 < i < width - 1:
        left = z_buffer[j, i - 2] if i > 1 else nothing
        right = z_buffer[j, i + 2] if i < width - 2 else nothing
        z = _between(left, z_buffer[j, i - 1], z_buffer[j, i + 1], right)
    if z == 0 and 0 < j < height - 1:
        above = z_buffer[j - 2, i] if j > 1 else nothing
        below = z_buffer[j + 2, i] if j < height - 2 else nothing
        z = _between(above, z_buffer[j - 1, i], z_buffer[j + 1, i], below)
    return z


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
    shown = np.empty(width - 1, np.bool_)
    for j in range(1, height):
        _whole(depth[j - 1], depth[j], usable[j - 1], usable[j], zs[j - 1], zs[j], shown)
        _apart(us[j - 1], us[j], vs[j - 1], vs[j], height, shown)
        _draw(us[j - 1 : j + 1], vs[j - 1 : j + 1], zs[j - 1 : j + 1], shown, z_buffer)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _whole(above: Any, below: Any, usable: Any, usable_below: Any, zs: Any, zs_below: Any, out: Any) -> None:
    """Whether two rows' pixels i and i + 1 show one surface, before the eye: `[W - 1]`."""
    for i in range(len(out)):
        a, b, c, d = above[i], above[i + 1], below[i], below[i + 1]
        least, most = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
        shown = usable[i] & usable[i + 1] & usable_below[i] & usable_below[i + 1]
        ahead = min(min(zs[i], zs[i + 1]), min(zs_below[i], zs_below[i + 1])) > BEHIND
        out[i] = shown & (least > 0) & (most <= least * np.float32(FLAT)) & ahead


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _apart(us: Any, us_below: Any, vs: Any, vs_below: Any, height: int, out: Any) -> None:
    """Keep `out` `[W - 1]` where they lie so far apart in the view that there are holes between them, and in it."""
    width = len(us)
    for i in range(len(out)):
        left = min(min(us[i], us[i + 1]), min(us_below[i], us_below[i + 1]))
        right = max(max(us[i], us[i + 1]), max(us_below[i], us_below[i + 1]))
        top = min(min(vs[i], vs[i + 1]), min(vs_below[i], vs_below[i + 1]))
        bottom = max(max(vs[i], vs[i + 1]), max(vs_below[i], vs_below[i + 1]))
        inside = (right >= 0) & (bottom >= 0) & (left <= width - 1) & (top <= height - 1)
        size = max(right - left, bottom - top)
        out[i] &= inside & (size > APART) & (size <= WIDEST)


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _draw(us: Any, vs: Any, zs: Any, shown: Any, z_buffer: Any) -> None:
    """Draw two triangles between each four points of two rows `[2, W]`, unless it is seen from behind.

    1 / z is linear over the picture.
    """
    height, width = z_buffer.shape
    for n in range(2 * len(shown)):
        i, k = n // 2, n % 2
        if not shown[i]:
            continue
        # The corner that is no other triangle's, then the two that are, one way round.
        u0, v0, z0 = us[k, i + k], vs[k, i + k], zs[k, i + k]
        u1, v1, z1 = us[k, i + 1 - k], vs[k, i + 1 - k], zs[k, i + 1 - k]
        u2, v2, z2 = us[1 - k, i + k], vs[1 - k, i + k], zs[1 - k, i + k]
        area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
        if not area > 0:
            continue
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
