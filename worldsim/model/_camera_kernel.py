"""The compiled poses of `camera.py` for the CPU: twenty operations on a handful of numbers are one call."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def relate(source: Any, target: Any, rotation: Any, translation: Any) -> None:
    """Fill `rotation` `[N, 3, 3]` and `translation` `[N, 3]`, see `camera.relative_pose`, for poses `[N, 5]`.

    Of either there may be fewer, each of which serves for as many of the others.
    """
    here, there = np.empty((3, 3)), np.empty((3, 3))
    for n in range(len(rotation)):
        s, t = n * len(source) // len(rotation), n * len(target) // len(rotation)
        _axes(source[s], here)
        _axes(target[t], there)
        for i in range(3):
            moved = 0.0
            for k in range(3):
                moved += there[k, i] * (source[s, k] - target[t, k])
            translation[n, i] = moved
            for j in range(3):
                rotation[n, i, j] = (
                    there[0, i] * here[0, j] + there[1, i] * here[1, j] + there[2, i] * here[2, j]
                )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def orient(poses: Any, rotation: Any) -> None:
    """Fill `rotation` `[N, 3, 3]`, see `camera.camera_to_world`, for poses `[N, 5]`."""
    for n in range(len(poses)):
        _axes(poses[n], rotation[n])


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _axes(pose: Any, out: Any) -> None:
    yaw, pitch = math.radians(pose[3]), math.radians(pose[4])
    sin_y, cos_y, sin_p, cos_p = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
    out[0, 0], out[1, 0], out[2, 0] = -cos_y, 0.0, -sin_y
    out[0, 1], out[1, 1], out[2, 1] = sin_p * sin_y, -cos_p, -sin_p * cos_y
    out[0, 2], out[1, 2], out[2, 2] = -sin_y * cos_p, -sin_p, cos_y * cos_p


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def rotate(rotation: Any, points: Any, out: Any) -> None:
    """Fill `out` `[N, 3, P]` with matrices `[N, 3, 3]` times points `[N, 3, P]`; one of either may serve for all."""
    for n in range(len(out)):
        m, p = n % len(rotation), n % len(points)
        for i in range(3):
            a, b, c = rotation[m, i, 0], rotation[m, i, 1], rotation[m, i, 2]
            for k in range(out.shape[2]):
                out[n, i, k] = a * points[p, 0, k] + b * points[p, 1, k] + c * points[p, 2, k]
