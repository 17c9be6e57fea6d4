"""The compiled twin of `faces.py`: what lies between pixels that have come apart, drawn as triangles."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model._project_kernel import project
from worldsim.model.faces import APART, BEHIND, FLAT, WIDEST


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def fill_faces(depth: Any, r: Any, t: Any, usable: Any, tan_x: float, tan_y: float, z_buffer: Any) -> None:
    """See `faces.fill_faces_torch`; one reference, in place."""
    height, width = depth.shape
    rays = np.empty(width, np.float32)
    for i in range(width):
        rays[i] = ((i + 0.5) / width * 2 - 1) * tan_x
    us, vs, zs = np.empty((2, width)), np.empty((2, width)), np.empty((2, width), np.float32)
    for j in range(height):
        a, b = (j + 1) % 2, j % 2  # the row above, and this one
        ray_y = np.float32(((j + 0.5) / height * 2 - 1) * tan_y)
        project(depth[j], r, t, rays, ray_y, height, tan_x, tan_y, us[b], vs[b], zs[b])
        for i in range(width - 1):
            if j == 0 or not _whole(depth, usable, j, i) or not _apart(us, vs, zs, i, height, width):
                continue
            _triangle(us[a, i], vs[a, i], zs[a, i], us[a, i + 1], vs[a, i + 1], zs[a, i + 1],
                      us[b, i], vs[b, i], zs[b, i], z_buffer)  # fmt: skip
            _triangle(us[b, i + 1], vs[b, i + 1], zs[b, i + 1], us[b, i], vs[b, i], zs[b, i],
                      us[a, i + 1], vs[a, i + 1], zs[a, i + 1], z_buffer)  # fmt: skip


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _whole(depth: Any, usable: Any, j: int, i: int) -> bool:
    """Whether the pixels at (j - 1, i) to (j, i + 1) show one surface."""
    a, b, c, d = depth[j - 1, i], depth[j - 1, i + 1], depth[j, i], depth[j, i + 1]
    least = min(min(a, b), min(c, d))
    shown = usable[j - 1, i] and usable[j - 1, i + 1] and usable[j, i] and usable[j, i + 1]
    return shown and least > 0 and max(max(a, b), max(c, d)) <= least * np.float32(FLAT)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _apart(us: Any, vs: Any, zs: Any, i: int, height: int, width: int) -> bool:
    """Whether they lie so far apart in the view that there are holes between them, and in the picture."""
    if min(min(zs[0, i], zs[0, i + 1]), min(zs[1, i], zs[1, i + 1])) <= BEHIND:
        return False
    left = min(min(us[0, i], us[0, i + 1]), min(us[1, i], us[1, i + 1]))
    right = max(max(us[0, i], us[0, i + 1]), max(us[1, i], us[1, i + 1]))
    top = min(min(vs[0, i], vs[0, i + 1]), min(vs[1, i], vs[1, i + 1]))
    bottom = max(max(vs[0, i], vs[0, i + 1]), max(vs[1, i], vs[1, i + 1]))
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
