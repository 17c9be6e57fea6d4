"""The compiled twins of `sim/sight.py` and `sim/scenery.py` for the CPU: one picture of several."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model._window_kernel import bare


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def unite(
    imagined: Any, free: Any, frames: Any, depths: Any, codes: Any, shown: Any, patch: int, window: int,
    same_colour: float, same_depth: float, united: Any, depth: Any, known: Any,
) -> None:  # fmt: skip
    """Change the newest of `united` `[B, R, 3, H, W]`, `depth` and `known` `[B, R, H, W]`, see `sight.united`.

    `frames`, `depths` and what is `shown` are the same before, `codes` their depth codes; `imagined` is `[B, R]`, and
    `free` `[B, H, W]` says where the newest may give way.
    """
    batch, slots, height, width = shown.shape
    seen, gap = np.zeros((1, height, width), np.float32), np.empty((1, height, width), np.bool_)
    same, half = np.empty((height // patch, width // patch), np.bool_), np.float32(0.5)
    for b in range(batch):
        seen[:] = 0
        for k in range(slots):
            for j in range(height):
                for i in range(width):
                    seen[0, j, i] = seen[0, j, i] if imagined[b, k] else max(seen[0, j, i], shown[b, k, j, i])
        bare(seen, window, gap)
        code, frame, far, told = codes[b, 0].copy(), united[b, 0], depth[b, 0], known[b, 0]
        for k in range(1, slots):
            if not imagined[b, k]:
                continue
            _agree(frame, frames[b, k], told, shown[b, k], patch, np.float32(same_colour), same)
            for j in range(height):
                for i in range(width):
                    if not shown[b, k, j, i] > half:
                        continue
                    alike = free[b, j, i] and same[j // patch, i // patch] and told[j, i] > half
                    alike = alike and abs(code[j, i] - codes[b, k, j, i]) < np.float32(same_depth)
                    if not (gap[0, j, i] or alike):
                        continue
                    gap[0, j, i] = False
                    far[j, i], code[j, i], told[j, i] = depths[b, k, j, i], codes[b, k, j, i], 1
                    for c in range(3):
                        frame[c, j, i] = frames[b, k, c, j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _agree(a: Any, b: Any, a_known: Any, b_known: Any, patch: int, limit: float, out: Any) -> None:
    """Which squares `[H / patch, W / patch]` of two pictures have about the same colour where both are known."""
    rows, columns = out.shape
    area, three = np.float32(patch * patch), np.float32(3)
    for r in range(rows):
        for q in range(columns):
            share, off = np.float32(0), np.float32(0)
            for j in range(r * patch, (r + 1) * patch):
                for i in range(q * patch, (q + 1) * patch):
                    share += a_known[j, i] * b_known[j, i]
            share = max(share / area, np.float32(1e-3))
            for c in range(3):
                total = np.float32(0)
                for j in range(r * patch, (r + 1) * patch):
                    for i in range(q * patch, (q + 1) * patch):
                        total += (a[c, j, i] - b[c, j, i]) * (a_known[j, i] * b_known[j, i])
                off += abs(total / area / share)
            out[r, q] = off / three < limit


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def compose(frames: Any, depths: Any, known: Any, nearer: float, frame: Any, depth: Any, shown: Any) -> None:
    """Change `frame` `[3, H, W]`, `depth` and `shown` `[H, W]`, the first of N views `[N, ...]`, see `scenery`."""
    count, height, width = known.shape
    half, share = np.float32(0.5), np.float32(nearer)
    for j in range(height):
        for i in range(width):
            best = 0
            for k in range(1, count):
                if known[k, j, i] > half and (shown[j, i] < half or depths[k, j, i] < share * depth[j, i]):
                    best, depth[j, i], shown[j, i] = k, depths[k, j, i], 1
            if best > 0:
                for c in range(3):
                    frame[c, j, i] = frames[best, c, j, i]
