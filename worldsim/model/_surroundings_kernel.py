"""The compiled look-up of `surroundings.py` for the CPU: a point is asked of frames until one tells."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def look_up(
    points: Any, depth: Any, to_camera: Any, eyes: Any, valid: Any, usable: Any, tan_x: float, tan_y: float,
    ahead: float, behind: float, distance: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `distance` and `known` `[B, P]` from the first of K frames that tells of a point, see `surroundings.sense`.

    Args:
        points: `[B, P, 3]`; `eyes` `[B, K, 3]` and `to_camera` `[B, K, 3, 3]` are the frames' poses.
    """
    for b in range(len(points)):
        for p in range(points.shape[1]):
            for k in range(depth.shape[1]):
                if not valid[b, k]:
                    continue
                offset = points[b, p] - eyes[b, k]
                found = _behind(depth[b, k], to_camera[b, k], offset, usable, tan_x, tan_y, ahead)
                if found > behind:
                    distance[b, p], known[b, p] = min(max(found, -1.0), 1.0), 1
                    break


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _behind(depth: Any, r: Any, offset: Any, usable: Any, tan_x: float, tan_y: float, ahead: float) -> float:
    """Blocks from a point back to the surface that a frame shows before it; far below 0 if it is not in view."""
    height, width = depth.shape
    x, y, z = offset[0], offset[1], offset[2]
    far = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
    if far <= ahead:
        return -np.inf
    u = (r[0, 0] * x + r[0, 1] * y + r[0, 2] * z) / far / tan_x
    v = (r[1, 0] * x + r[1, 1] * y + r[1, 2] * z) / far / tan_y
    if not (abs(u) < 1 and abs(v) < 1):
        return -np.inf
    column, row = (u + 1) * width / 2, (v + 1) * height / 2
    if not usable[min(int(row), height - 1), min(int(column), width - 1)]:
        return -np.inf
    # Between pixels the inverse of the depth is interpolated: on a plane that is exact.
    column, row = min(max(column - 0.5, 0.0), width - 1.0), min(max(row - 0.5, 0.0), height - 1.0)
    left, above = int(column), int(row)
    right, below = min(left + 1, width - 1), min(above + 1, height - 1)
    a, b = column - left, row - above
    top = (1 - a) / max(depth[above, left], ahead) + a / max(depth[above, right], ahead)
    low = (1 - a) / max(depth[below, left], ahead) + a / max(depth[below, right], ahead)
    return 1 / ((1 - b) * top + b * low) - far
