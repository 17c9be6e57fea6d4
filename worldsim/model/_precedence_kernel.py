"""The compiled twin of `sim/precedence.py` for the CPU: all pairs of slots in one pass over the guesses.

Numba keeps compiled code by the date of this file: touch it when constants of `faces.py` or `grounding.py` change.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model._window_kernel import few
from worldsim.model.faces import BEHIND
from worldsim.model.grounding import LOOSE


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def give_way(
    known: Any, grounds: Any, imagined: Any, rotation: Any, translation: Any, nearer: float, crumb: int, tan_x: float,
    tan_y: float, given_depth: Any, given: Any, depth: Any, warped: Any,
) -> None:  # fmt: skip
    """Change `depth` `[B, R, H, W]` and `warped` `[B, R, 3, H, W]`, copies of `given_depth` and `given`.

    See `precedence.given_first`. `rotation` and `translation` `[B, R, ...]` lead from the view to each slot's frame.
    """
    batch, slots, height, width = depth.shape
    xs, ys = _cells(width, tan_x), _cells(height, tan_y)
    told = np.empty((slots, height, width), np.bool_)
    for b in range(batch):
        _tell(known[b], grounds[b], imagined[b], crumb, told)
        for slot in range(slots):
            for j in range(height):
                for i in range(width):
                    guess = known[b, slot, j, i] > np.float32(0.5) and grounds[b, slot, j, i] < np.float32(
                        LOOSE
                    )
                    if not guess:
                        continue
                    far, source = depth[b, slot, j, i], slot
                    for other in range(slots):
                        if other == slot or not told[other, j, i]:
                            continue
                        there = given_depth[b, other, j, i]
                        before = far < np.float32(nearer) * there
                        if before and not _looked_at(
                            far, xs[i], ys[j], rotation[b, other], translation[b, other], tan_x, tan_y
                        ):
                            continue
                        far, source = there, other
                    if source != slot:
                        depth[b, slot, j, i] = far
                        for c in range(3):
                            warped[b, slot, c, j, i] = given[b, source, c, j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _tell(known: Any, grounds: Any, imagined: Any, crumb: int, told: Any) -> None:
    """Where each slot shows what was given, less lone pixels: `[R, H, W]`."""
    slots, height, width = known.shape
    shown, alone = np.empty((1, height, width), np.float32), np.empty((1, height, width), np.bool_)
    for slot in range(slots):
        told[slot] = False
        if imagined[slot]:
            continue
        for j in range(height):
            for i in range(width):
                sure = known[slot, j, i] > np.float32(0.5) and grounds[slot, j, i] >= np.float32(LOOSE)
                shown[0, j, i] = np.float32(1) if sure else np.float32(0)
        few(shown, crumb, alone)
        for j in range(height):
            for i in range(width):
                told[slot, j, i] = shown[0, j, i] > 0 and not alone[0, j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _cells(count: int, extent: float) -> Any:
    """One coordinate of `camera.rays`, rounded as there."""
    half, one, two = np.float32(0.5), np.float32(1), np.float32(2)
    places = np.empty(count, np.float32)
    for i in range(count):
        places[i] = ((np.float32(i) + half) / np.float32(count) * two - one) * np.float32(extent)
    return places


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _looked_at(depth: float, x: float, y: float, r: Any, t: Any, tan_x: float, tan_y: float) -> bool:
    """See `precedence._looked_at`; of the point at `depth` on the ray (x, y, 1)."""
    x, y = x * depth, y * depth
    z = r[2, 0] * x + r[2, 1] * y + r[2, 2] * depth + t[2]
    if not z > np.float32(BEHIND):
        return False
    across = r[0, 0] * x + r[0, 1] * y + r[0, 2] * depth + t[0]
    down = r[1, 0] * x + r[1, 1] * y + r[1, 2] * depth + t[1]
    return abs(across) < z * np.float32(tan_x) and abs(down) < z * np.float32(tan_y)
