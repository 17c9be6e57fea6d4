"""The compiled drawing of an edit into one remembered view, for the CPU; `handiwork` has the same in torch."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def draw_edit(
    frame: Any, depth: Any, usable: Any, turn: Any, eye: Any, cell: Any, colours: Any, solid: Any, placed: bool,
    rows: Any, columns: Any, tan_x: float, tan_y: float, same: Any, shown: Any,
) -> None:  # fmt: skip
    """Draw into `frame` uint8 `[H, W, 3]` and `depth` float32 `[H, W]`.

    Args:
        turn: `[3, 3]` camera to world; `eye`, `cell` `[3]`.
        colours: uint8 `[6, 16, 16, 3]` of each face; `solid` `[6]` whether there is something behind it.
        rows, columns: first and last of the window.
        same: blocks and share of the depth by which a surface may be off its block's face, after the view's own
            offset is taken away, and before.
        shown: uint8 `[H, W]`, set to 1 where pixels changed.
    """
    height, width = depth.shape
    texels = colours.shape[1]
    off = 0.0 if placed else _offset(depth, usable, turn, eye, cell, rows, columns, tan_x, tan_y, same)
    way, low = np.empty(3), cell - eye
    for j in range(rows[0], rows[1]):
        y = ((j + 0.5) / height * 2 - 1) * tan_y
        for i in range(columns[0], columns[1]):
            if not usable[j, i]:
                continue
            x = ((i + 0.5) / width * 2 - 1) * tan_x
            enter, leave, enter_axis, leave_axis = _pass(turn, low, x, y, way)
            if enter >= leave or enter <= 0.05:
                continue
            d = depth[j, i]
            if placed:
                if d > 0 and d <= enter:
                    continue
                axis, far = enter_axis, enter
                face = 2 * axis + (0 if way[axis] > 0 else 1)
            else:
                if abs(d - enter - off) >= same[0] + same[1] * enter:
                    continue
                axis, far = leave_axis, leave
                face = 2 * axis + (1 if way[axis] > 0 else 0)
            for k in range(3):
                way[k] = min(1.0, max(0.0, way[k] * far - low[k]))
            across = way[2] if axis == 0 else way[0]
            down = way[2] if axis == 1 else 1 - way[1]
            u, v = min(texels - 1, int(across * texels)), min(texels - 1, int(down * texels))
            for c in range(3):
                frame[j, i, c] = colours[face, v, u, c]
            depth[j, i] = far + off if placed or solid[face] else 0.0
            shown[j, i] = 1


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _pass(turn: Any, low: Any, x: float, y: float, way: Any) -> Any:
    """Where a ray enters and leaves the cell, and the axes of the faces; `way` gets its direction."""
    enter, leave, enter_axis, leave_axis = -1e9, 1e9, 0, 0
    for k in range(3):
        w = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2]
        if abs(w) < 1e-6:
            w = 1e-6
        way[k] = w
        a, b = low[k] / w, (low[k] + 1) / w
        if min(a, b) > enter:
            enter, enter_axis = min(a, b), k
        if max(a, b) < leave:
            leave, leave_axis = max(a, b), k
    return enter, leave, enter_axis, leave_axis


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _offset(
    depth: Any, usable: Any, turn: Any, eye: Any, cell: Any, rows: Any, columns: Any, tan_x: float, tan_y: float,
    same: Any,
) -> float:  # fmt: skip
    """How far behind the cell's faces the view has them, on average: what is dreamt is off as a whole."""
    height, width = depth.shape
    way, low, total, count = np.empty(3), cell - eye, 0.0, 0
    for j in range(rows[0], rows[1]):
        y = ((j + 0.5) / height * 2 - 1) * tan_y
        for i in range(columns[0], columns[1]):
            x = ((i + 0.5) / width * 2 - 1) * tan_x
            enter, leave, _, _ = _pass(turn, low, x, y, way)
            off = depth[j, i] - enter
            if usable[j, i] and enter < leave and enter > 0.05 and abs(off) < same[2] + same[3] * enter:
                total += off
                count += 1
    return total / max(count, 1)
