"""The compiled reprojection of `warp.py` for the CPU: one reference after the other, no allocation per pixel."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model.camera import TIGHT


@nb.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def reproject(
    frames: Any, depth: Any, rotation: Any, translation: Any, usable: Any, tan_x: float, tan_y: float,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `out`, `out_depth` and `known`; see `warp.warp` for shapes."""
    n, _, height, width = frames.shape
    clear = _clear(usable)
    for i in nb.prange(n):
        tight, loose = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        _splat(depth[i, 0], rotation[i], translation[i], usable, tan_x, tan_y, tight, loose)
        _close_cracks(tight, loose)
        _close_cracks(tight, loose)  # where two cracks cross
        _lookup(
            frames[i],
            rotation[i],
            translation[i],
            usable,
            clear,
            tan_x,
            tan_y,
            tight,
            out[i],
            out_depth[i, 0],
            known[i, 0],
        )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _splat(
    depth: Any, r: Any, t: Any, usable: Any, tan_x: float, tan_y: float, tight: Any, loose: Any
) -> None:
    """Fill two z-buffers: `tight` where a point lands within `TIGHT` pixels, `loose` within one pixel."""
    height, width = depth.shape
    for j in range(height):
        ray_y = np.float32(((j + 0.5) / height * 2 - 1) * tan_y)
        for i in range(width):
            if not usable[j, i]:
                continue
            d = depth[j, i]
            x, y = np.float32(((i + 0.5) / width * 2 - 1) * tan_x) * d, ray_y * d
            z = r[2, 0] * x + r[2, 1] * y + r[2, 2] * d + t[2]
            if z <= 0.05:
                continue
            u = ((r[0, 0] * x + r[0, 1] * y + r[0, 2] * d + t[0]) / z / tan_x + 1) * width / 2 - 0.5
            v = ((r[1, 0] * x + r[1, 1] * y + r[1, 2] * d + t[1]) / z / tan_y + 1) * height / 2 - 0.5
            if not (-1 < u < width and -1 < v < height):
                continue
            u0, v0 = math.floor(u), math.floor(v)
            for row in range(max(v0, 0), min(v0 + 2, height)):
                for column in range(max(u0, 0), min(u0 + 2, width)):
                    if loose[row, column] == 0 or z < loose[row, column]:
                        loose[row, column] = z
                    if abs(row - v) > TIGHT or abs(column - u) > TIGHT:
                        continue
                    if tight[row, column] == 0 or z < tight[row, column]:
                        tight[row, column] = z


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _lookup(
    frame: Any, r: Any, t: Any, usable: Any, clear: Any, tan_x: float, tan_y: float, z_buffer: Any,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    _, height, width = frame.shape
    for j in range(height):
        ray_y = ((j + 0.5) / height * 2 - 1) * tan_y
        for i in range(width):
            z = z_buffer[j, i]
            if z == 0:
                continue
            x = ((i + 0.5) / width * 2 - 1) * tan_x * z - t[0]
            y, w = ray_y * z - t[1], z - t[2]
            back_x = r[0, 0] * x + r[1, 0] * y + r[2, 0] * w
            back_y = r[0, 1] * x + r[1, 1] * y + r[2, 1] * w
            back_z = r[0, 2] * x + r[1, 2] * y + r[2, 2] * w
            u = (back_x / back_z / tan_x + 1) * width / 2 - 0.5
            v = (back_y / back_z / tan_y + 1) * height / 2 - 0.5
            if _cubic(frame, clear, u, v, out, j, i) or _bilinear(frame, usable, u, v, out, j, i):
                out_depth[j, i] = z
                known[j, i] = 1


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _close_cracks(tight: Any, loose: Any) -> None:
    """Give holes between two covered neighbours, left and right or above and below, their loose depth."""
    height, width = tight.shape
    covered = tight > 0
    for j in range(height):
        for i in range(width):
            if covered[j, i] or loose[j, i] == 0:
                continue
            beside = 0 < i < width - 1 and covered[j, i - 1] and covered[j, i + 1]
            if beside or (0 < j < height - 1 and covered[j - 1, i] and covered[j + 1, i]):
                tight[j, i] = loose[j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _cubic(frame: Any, clear: Any, u: float, v: float, out: Any, j: int, i: int) -> bool:
    """Catmull-Rom interpolation at (u, v); False near the HUD and the frame's edge."""
    channels, height, width = frame.shape
    u0, v0 = math.floor(u), math.floor(v)
    if u0 < 1 or v0 < 1 or u0 > width - 3 or v0 > height - 3 or not clear[v0, u0]:
        return False
    x0, x1, x2, x3 = _catmull_rom(u - u0)
    y0, y1, y2, y3 = _catmull_rom(v - v0)
    for c in range(channels):
        a, b, p, q = frame[c, v0 - 1], frame[c, v0], frame[c, v0 + 1], frame[c, v0 + 2]
        out[c, j, i] = (
            y0 * (x0 * a[u0 - 1] + x1 * a[u0] + x2 * a[u0 + 1] + x3 * a[u0 + 2])
            + y1 * (x0 * b[u0 - 1] + x1 * b[u0] + x2 * b[u0 + 1] + x3 * b[u0 + 2])
            + y2 * (x0 * p[u0 - 1] + x1 * p[u0] + x2 * p[u0 + 1] + x3 * p[u0 + 2])
            + y3 * (x0 * q[u0 - 1] + x1 * q[u0] + x2 * q[u0 + 1] + x3 * q[u0 + 2])
        )
    return True


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _clear(usable: Any) -> Any:
    """Where all sixteen pixels of a cubic are usable, by its upper left inner pixel."""
    height, width = usable.shape
    clear = np.zeros((height, width), np.bool_)
    for j in range(1, height - 2):
        for i in range(1, width - 2):
            clear[j, i] = usable[j - 1 : j + 3, i - 1 : i + 3].all()
    return clear


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _catmull_rom(t: float) -> Any:
    """Weights of the pixels at -1, 0, 1 and 2 for a point at `t` in [0, 1)."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _bilinear(frame: Any, usable: Any, u: float, v: float, out: Any, j: int, i: int) -> bool:
    """Mix the four pixels around (u, v), those of the HUD left out; False if nothing is left."""
    channels, height, width = frame.shape
    u, v = min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)
    u0, v0 = int(u), int(v)
    u1, v1 = min(u0 + 1, width - 1), min(v0 + 1, height - 1)
    a, b = u - u0, v - v0
    w00 = (1 - a) * (1 - b) * usable[v0, u0]
    w01 = a * (1 - b) * usable[v0, u1]
    w10 = (1 - a) * b * usable[v1, u0]
    w11 = a * b * usable[v1, u1]
    total = w00 + w01 + w10 + w11
    if total < 1e-4:
        return False
    for c in range(channels):
        mixed = (
            frame[c, v0, u0] * w00 + frame[c, v0, u1] * w01 + frame[c, v1, u0] * w10 + frame[c, v1, u1] * w11
        )
        out[c, j, i] = mixed / total
    return True
