"""The compiled search of `imagination.py` for the CPU: which of thousands of places fits best.

Most need not be compared in colour: what they show at least costs is more than what the best so far costs.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model.camera import FAR, NEAR
from worldsim.model.retrieval import GRID

ROWS, COLUMNS = GRID


@nb.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fit(
    rotation: Any, translation: Any, points: Any, sketches: Any, which: Any, view: Any, known: Any, wanted: Any,
    worn: Any, dear: Any, tan_x: float, tan_y: float, least: int, limit: float, cover: float, found: Any,
) -> None:  # fmt: skip
    """Write which of M places costs least, and -1 if none is fit, into `found` `[1]`.

    Args:
        rotation, translation: `[M, 3, 3]` and `[M, 3]` from the eye to each place.
        points: `[3, 240]` of the view's cells in blocks.
        sketches, which: `[S, 5, 240]` and which of them `[M]` each place shows.
        view: `[4, 240]` colours and depth codes.
        known, wanted, worn: bool `[240]`.
        dear: `[3, M]` what a place costs for its noise, and its shift, and spares for what lies ahead.
        least: cells by which a place is judged, at least.
        limit, cover: the most error and the least share of what is wanted.
    """
    lowest, found[0] = np.float32(np.inf), -1
    cells, here = np.empty(known.size, np.int64), known.astype(np.float32)
    columns, rows, depth = np.empty_like(here), np.empty_like(here), np.empty_like(here)
    half, one, most = np.float32(0.5), np.float32(1), np.float32(limit)
    wants = np.float32(wanted.sum())
    for m in range(len(which)):
        if dear[0, m] + dear[1, m] - dear[2, m] >= lowest:
            continue
        sketch = sketches[which[m]]
        _land(rotation[m], translation[m], points, here, tan_x, tan_y, columns, rows, depth)
        _shown(sketch[4], columns, rows, depth, cells)
        judged, covered = _counted(cells, known, wanted)
        share = np.float32(covered) / wants
        if judged < least or share < np.float32(cover):
            continue
        rest = half * (one - share)
        spare = lowest - (rest + dear[0, m] + dear[1, m] - dear[2, m])
        if spare <= 0:
            continue
        # A little more than what it may be off, since sums are rounded: it only saves the remaining cells.
        enough = (min(spare, most) + 1e-3) * max(judged, 1)
        error = np.float32(_difference(sketch, view, cells, depth, known, worn, enough) / max(judged, 1))
        score = error + rest + dear[0, m] + dear[1, m] - dear[2, m]
        if error <= most and score < lowest:
            lowest, found[0] = score, m


# The loop has no branch, and division by zero gives infinity instead of raising: so the compiler makes vector
# instructions of it.
@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _land(
    r: Any, t: Any, points: Any, here: Any, tan_x: float, tan_y: float, columns: Any, rows: Any, depth: Any
) -> None:
    """Where a place would show each cell of the view: `columns`, `rows`, whole ones, and `depth` in blocks."""
    r00, r01, r02, r10, r11, r12 = r[0, 0], r[0, 1], r[0, 2], r[1, 0], r[1, 1], r[1, 2]
    r20, r21, r22, t0, t1, t2 = r[2, 0], r[2, 1], r[2, 2], t[0], t[1], t[2]
    wide, high, one, half = np.float32(tan_x), np.float32(tan_y), np.float32(1), np.float32(0.5)
    across, down, near = np.float32(COLUMNS / 2), np.float32(ROWS / 2), np.float32(NEAR)
    xs, ys, zs = points[0], points[1], points[2]
    for k in range(len(here)):
        a, b, c, at = xs[k], ys[k], zs[k], here[k]
        z = r20 * a + r21 * b + r22 * c + t2 * at
        ahead = z if z > near else near
        # As `grid_sample` has it, halves to the even.
        columns[k] = np.rint(((r00 * a + r01 * b + r02 * c + t0 * at) / ahead / wide + one) * across - half)
        rows[k] = np.rint(((r10 * a + r11 * b + r12 * c + t1 * at) / ahead / high + one) * down - half)
        depth[k] = z


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _shown(shown: Any, columns: Any, rows: Any, depth: Any, cells: Any) -> None:
    """Fill `cells` with which cell of a place each of the view shows, -1 where it shows none."""
    near, half = np.float32(NEAR), np.float32(0.5)
    for k in range(len(cells)):
        column, row = columns[k], rows[k]
        cells[k] = -1
        if (depth[k] > near) & (column >= 0) & (column < COLUMNS) & (row >= 0) & (row < ROWS):
            at = np.int64(row) * COLUMNS + np.int64(column)
            if shown[at] > half:
                cells[k] = at


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _counted(cells: Any, known: Any, wanted: Any) -> Any:
    """How many cells are shown of those that are known, and of those that are wanted."""
    judged = covered = 0
    for k in range(cells.size):
        judged += (cells[k] >= 0) & known[k]
        covered += (cells[k] >= 0) & wanted[k]
    return judged, covered


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _difference(
    sketch: Any, view: Any, cells: Any, depth: Any, known: Any, worn: Any, enough: float
) -> float:
    """Sum over known cells of differences of colour and, where nothing is worn, depth codes; stops above `enough`."""
    total, three, far = 0.0, np.float32(3), np.float32(FAR)
    for k in range(cells.size):
        at = cells[k]
        if at < 0 or not known[k]:
            continue
        colour = (
            abs(sketch[0, at] - view[0, k])
            + abs(sketch[1, at] - view[1, k])
            + abs(sketch[2, at] - view[2, k])
        )
        off = colour / three
        if not worn[k]:
            code = (np.float32(math.log2(min(depth[k], far))) - np.float32(3.5)) / np.float32(5.5)
            off += abs(sketch[3, at] - code)
        total += off
        if total > enough:
            break
    return total
