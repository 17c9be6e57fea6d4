"""The compiled projection of `retrieval.py` for the CPU."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def land(
    depth: Any, rotation: Any, translation: Any, tan_x: float, tan_y: float, ahead: float, cells: Any, zs: Any,
    inside: Any,
) -> None:  # fmt: skip
    """Fill `cells`, `zs` and `inside` `[N, rows * columns]` for coarse depths `[N, rows, columns]`; see `retrieval`."""
    count, rows, columns = depth.shape
    for n in range(count):
        r, t = rotation[n], translation[n]
        for j in range(rows):
            y = ((j + 0.5) / rows * 2 - 1) * tan_y
            for i in range(columns):
                x, d, at = ((i + 0.5) / columns * 2 - 1) * tan_x, depth[n, j, i], j * columns + i
                z = (r[2, 0] * x + r[2, 1] * y + r[2, 2]) * d + t[2]
                zs[n, at] = z
                if not (z > ahead and d > 0):
                    continue
                u = ((r[0, 0] * x + r[0, 1] * y + r[0, 2]) * d + t[0]) / z / tan_x
                v = ((r[1, 0] * x + r[1, 1] * y + r[1, 2]) * d + t[1]) / z / tan_y
                column, row = math.floor((u + 1) * columns / 2), math.floor((v + 1) * rows / 2)
                if 0 <= column < columns and 0 <= row < rows:
                    inside[n, at], cells[n, at] = True, row * columns + column


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def show(
    depth: Any, rotation: Any, translation: Any, tan_x: float, tan_y: float, ahead: float, seen: Any, finest: Any
) -> None:  # fmt: skip
    """Mark the cells that each candidate shows in `seen` `[N, cells]`, and how finely in `finest`, zero before.

    See `retrieval.coverage` and `retrieval.resolution`.
    """
    count, size = finest.shape
    cells, zs = np.empty((1, size), np.int64), np.empty((1, size), np.float32)
    inside = np.empty((1, size), np.bool_)
    least, one = np.float32(ahead), np.float32(1)
    for n in range(count):
        inside[:] = False
        part = slice(n, n + 1)
        land(depth[part], rotation[part], translation[part], tan_x, tan_y, ahead, cells, zs, inside)
        flat = depth[n].reshape(-1)
        for at in range(size):
            if inside[0, at]:
                fine = min(zs[0, at] / max(flat[at], least), one)
                seen[n, cells[0, at]] = True
                finest[n, cells[0, at]] = max(finest[n, cells[0, at]], fine)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def take(seen: Any, already: Any, valid: Any, overlap: float, chosen: Any) -> None:
    """Fill `chosen` `[B, count]`, see `retrieval.retrieve`; the first of candidates that are as good."""
    batch, candidates, _ = seen.shape
    fresh, score = np.empty(seen.shape[2], np.bool_), np.empty(candidates, np.float32)
    for b in range(batch):
        left, wanted = valid[b].copy(), ~already[b]
        for k in range(chosen.shape[1]):
            best = -1
            for n in range(candidates):
                if left[n]:
                    fresh[:] = seen[b, n] & wanted
                    score[n] = np.float32(fresh.sum()) + np.float32(seen[b, n].sum()) * np.float32(overlap)
                    if best < 0 or score[n] > score[best]:
                        best = n
            chosen[b, k] = best
            if best >= 0:
                left[best] = False
                wanted &= ~seen[b, best]
