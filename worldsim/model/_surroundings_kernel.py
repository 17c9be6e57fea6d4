"""The compiled look-up of `surroundings.py` for the CPU: a point is asked of frames until one tells."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def look_up(
    depth: Any, halves: Any, points: Any, to_camera: Any, eyes: Any, valid: Any, usable: Any, tan_x: float,
    tan_y: float, ahead: float, behind: float, distance: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `distance` and `known` `[B, P]` from the first of K frames that tells of a point, see `surroundings.sense`.

    Args:
        depth: `[B, K, H, W]` float32, or the bits of float16, uint16; `halves` says what these are, and is empty else.
        points: `[B, P, 3]`; `eyes` `[B, K, 3]` and `to_camera` `[B, K, 3, 3]` are the frames' poses.
    """
    for b in range(len(points)):
        for k in range(depth.shape[1]):
            if valid[b, k]:
                _ask(
                    points[b], depth[b, k], halves, to_camera[b, k], eyes[b, k], usable, tan_x, tan_y, ahead, behind,
                    distance[b], known[b],
                )  # fmt: skip


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ask(
    points: Any, depth: Any, halves: Any, r: Any, eye: Any, usable: Any, tan_x: float, tan_y: float, ahead: float,
    behind: float, distance: Any, known: Any,
) -> None:  # fmt: skip
    """What one frame tells of the points that no frame before it told of."""
    height, width = depth.shape
    r00, r01, r02, x0 = r[0, 0], r[0, 1], r[0, 2], eye[0]
    r10, r11, r12, y0 = r[1, 0], r[1, 1], r[1, 2], eye[1]
    r20, r21, r22, z0 = r[2, 0], r[2, 1], r[2, 2], eye[2]
    half_x, half_y = np.float32(width / 2 / tan_x), np.float32(height / 2 / tan_y)
    middle_x, middle_y, near = np.float32(width / 2), np.float32(height / 2), np.float32(ahead)
    for p in range(len(points)):
        if known[p] > 0:
            continue
        x, y, z = points[p, 0] - x0, points[p, 1] - y0, points[p, 2] - z0
        far = r20 * x + r21 * y + r22 * z
        if far <= near:
            continue
        column = (r00 * x + r01 * y + r02 * z) / far * half_x + middle_x
        row = (r10 * x + r11 * y + r12 * z) / far * half_y + middle_y
        if not (0 < column < width and 0 < row < height) or not usable[int(row), int(column)]:
            continue
        before = _surface(depth, halves, column, row, near) - far
        if before > behind:
            distance[p], known[p] = min(max(before, -1.0), 1.0), 1


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _surface(depth: Any, halves: Any, column: Any, row: Any, near: Any) -> float:
    """Depth at a place in pixels. Between pixels its inverse is interpolated: on a plane that is exact."""
    height, width = depth.shape
    column, row = min(max(column - 0.5, 0.0), width - 1.0), min(max(row - 0.5, 0.0), height - 1.0)
    left, above = int(column), int(row)
    right, below = min(left + 1, width - 1), min(above + 1, height - 1)
    a, b = column - left, row - above
    top = (1 - a) / max(_blocks(depth, halves, above, left), near) + a / max(
        _blocks(depth, halves, above, right), near
    )
    low = (1 - a) / max(_blocks(depth, halves, below, left), near) + a / max(
        _blocks(depth, halves, below, right), near
    )
    return 1 / ((1 - b) * top + b * low)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _blocks(depth: Any, halves: Any, row: int, column: int) -> float:
    return halves[int(depth[row, column])] if halves.size else np.float32(depth[row, column])
