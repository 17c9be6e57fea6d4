"""The compiled reprojection of `warp.py` for the CPU: one reference after the other, no allocation per pixel."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def reproject(
    frames: Any, depth: Any, rotation: Any, translation: Any, usable: Any, tan_x: float, tan_y: float,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `out`, `out_depth` and `known`; see `warp.warp` for shapes."""
    n, _, height, width = frames.shape
    for i in nb.prange(n):
        z_buffer = np.zeros((height, width), np.float32)
        _splat(depth[i, 0], rotation[i], translation[i], usable, tan_x, tan_y, z_buffer)
        _lookup(
            frames[i],
            rotation[i],
            translation[i],
            tan_x,
            tan_y,
            z_buffer,
            out[i],
            out_depth[i, 0],
            known[i, 0],
        )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _splat(depth: Any, r: Any, t: Any, usable: Any, tan_x: float, tan_y: float, z_buffer: Any) -> None:
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
                    if z_buffer[row, column] == 0 or z < z_buffer[row, column]:
                        z_buffer[row, column] = z


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _lookup(
    frame: Any,
    r: Any,
    t: Any,
    tan_x: float,
    tan_y: float,
    z_buffer: Any,
    out: Any,
    out_depth: Any,
    known: Any,
) -> None:
    _, height, width = frame.shape
    for j in range(height):
        ray_y = ((j + 0.5) / height * 2 - 1) * tan_y
        for i in range(width):
            z = z_buffer[j, i]
            if z == 0:
                z = _crack(z_buffer, j, i)
                if z == 0:
                    continue
            x = ((i + 0.5) / width * 2 - 1) * tan_x * z - t[0]
            y, w = ray_y * z - t[1], z - t[2]
            back_x = r[0, 0] * x + r[1, 0] * y + r[2, 0] * w
            back_y = r[0, 1] * x + r[1, 1] * y + r[2, 1] * w
            back_z = r[0, 2] * x + r[1, 2] * y + r[2, 2] * w
            u = (back_x / back_z / tan_x + 1) * width / 2 - 0.5
            v = (back_y / back_z / tan_y + 1) * height / 2 - 0.5
            _bilinear(frame, u, v, out, j, i)
            out_depth[j, i] = z
            known[j, i] = 1


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _crack(z_buffer: Any, j: int, i: int) -> float:
    height, width = z_buffer.shape
    covered, farthest = 0, np.float32(0)
    for dj, di in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        row, column = j + dj, i + di
        if 0 <= row < height and 0 <= column < width and z_buffer[row, column] > 0:
            covered += 1
            farthest = max(farthest, z_buffer[row, column])
    return farthest if covered >= 3 else np.float32(0)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _bilinear(frame: Any, u: float, v: float, out: Any, j: int, i: int) -> None:
    channels, height, width = frame.shape
    u, v = min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)
    u0, v0 = int(u), int(v)
    u1, v1 = min(u0 + 1, width - 1), min(v0 + 1, height - 1)
    a, b = u - u0, v - v0
    for c in range(channels):
        top = frame[c, v0, u0] * (1 - a) + frame[c, v0, u1] * a
        bottom = frame[c, v1, u0] * (1 - a) + frame[c, v1, u1] * a
        out[c, j, i] = top * (1 - b) + bottom * b
