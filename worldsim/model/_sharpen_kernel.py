"""The compiled twin of `sharpen.py`.

Numba keeps compiled code by the date of this file: touch it when constants of `sharpen.py` change.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.sharpen import COLOUR, DEPTH, FAINT, PATCH, SHARPER, WHOLE

_AREA = np.float32(PATCH * PATCH)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def take_sharper(known: Any, other: Any, other_depth: Any, other_known: Any, frames: Any, depth: Any) -> None:
    """Change `frames` `[N, 3, H, W]` and `depth` `[N, H, W]` in place; see `sharpen.sharpen_torch`."""
    for n in range(len(frames)):
        both = known[n] * other_known[n]
        share, off = _compare(frames[n], other[n], both)
        fine, finer = _roughness(frames[n], both), _roughness(other[n], both)
        near, far = _greatest(-depth[n], known[n]), _greatest(depth[n], known[n])
        rows, columns = share.shape
        for j in range(rows):
            for i in range(columns):
                if share[j, i] == 0 or off[j, i] > np.float32(COLOUR) * share[j, i]:
                    continue
                least = np.float32(SHARPER) * _around(fine, j, i) + np.float32(FAINT) * _around(share, j, i)
                if _around(finer, j, i) > least:
                    _take(
                        j,
                        i,
                        -_most(near, j, i),
                        _most(far, j, i),
                        both,
                        other[n],
                        other_depth[n],
                        frames[n],
                        depth[n],
                    )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _compare(a: Any, b: Any, both: Any) -> Any:
    """For each square the share that is known in both, and how far their colours are off there, times that."""
    channels, height, width = a.shape
    rows, columns = height // PATCH, width // PATCH
    share, off = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    sums = np.empty(columns, np.float32)
    for r in range(rows):
        for j in range(r * PATCH, (r + 1) * PATCH):
            for i in range(columns * PATCH):
                share[r, i // PATCH] += both[j, i] / _AREA
        for c in range(channels):
            sums[:] = 0
            for j in range(r * PATCH, (r + 1) * PATCH):
                for i in range(columns * PATCH):
                    sums[i // PATCH] += (a[c, j, i] - b[c, j, i]) * both[j, i]
            for i in range(columns):
                off[r, i] += abs(sums[i]) / (_AREA * np.float32(channels))
    return share, off


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _roughness(a: Any, both: Any) -> Any:
    """Mean absolute second difference over squares."""
    channels, height, width = a.shape
    rough = np.zeros((height // PATCH, width // PATCH), np.float32)
    row = np.empty(width, np.float32)
    scale, two = np.float32(1 / (channels * PATCH * PATCH)), np.float32(2)
    for j in range(rough.shape[0] * PATCH):
        row[:] = 0
        for c in range(channels):
            for i in range(1, width - 1):
                row[i] += abs(a[c, j, i - 1] - two * a[c, j, i] + a[c, j, i + 1]) * (
                    both[j, i - 1] * both[j, i] * both[j, i + 1]
                )
            if 0 < j < height - 1:
                for i in range(width):
                    row[i] += abs(a[c, j - 1, i] - two * a[c, j, i] + a[c, j + 1, i]) * (
                        both[j - 1, i] * both[j, i] * both[j + 1, i]
                    )
        for i in range(rough.shape[1] * PATCH):
            rough[j // PATCH, i // PATCH] += row[i] * scale
    return rough


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _greatest(values: Any, known: Any) -> Any:
    """The greatest known value of each square."""
    height, width = values.shape
    found = np.full((height // PATCH, width // PATCH), -np.inf, np.float32)
    for j in range(found.shape[0] * PATCH):
        for i in range(found.shape[1] * PATCH):
            if known[j, i] > 0.5:
                found[j // PATCH, i // PATCH] = max(found[j // PATCH, i // PATCH], values[j, i])
    return found


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _take(
    j: int, i: int, near: float, far: float, both: Any, other: Any, other_depth: Any, frame: Any, depth: Any
) -> None:
    """Copy the pixels of a square whose depth agrees, if most of them do."""
    agrees, count = np.zeros((PATCH, PATCH), np.bool_), 0
    for y in range(PATCH):
        for x in range(PATCH):
            row, column = j * PATCH + y, i * PATCH + x
            z = other_depth[row, column]
            within = z * np.float32(DEPTH) >= near and z <= far * np.float32(DEPTH)
            agrees[y, x] = within and both[row, column] > 0.5
            count += agrees[y, x]
    if count < WHOLE * PATCH * PATCH:
        return
    for y in range(PATCH):
        for x in range(PATCH):
            if agrees[y, x]:
                row, column = j * PATCH + y, i * PATCH + x
                depth[row, column] = other_depth[row, column]
                for c in range(len(frame)):
                    frame[c, row, column] = other[c, row, column]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _around(squares: Any, j: int, i: int) -> float:
    total = np.float32(0)
    for row in range(max(j - 1, 0), min(j + 2, squares.shape[0])):
        for column in range(max(i - 1, 0), min(i + 2, squares.shape[1])):
            total += squares[row, column]
    return total


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _most(squares: Any, j: int, i: int) -> float:
    found = squares[j, i]
    for row in range(max(j - 1, 0), min(j + 2, squares.shape[0])):
        for column in range(max(i - 1, 0), min(i + 2, squares.shape[1])):
            found = max(found, squares[row, column])
    return found
