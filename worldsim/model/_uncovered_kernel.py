"""The compiled twin of `sim/uncovered.py` for the CPU."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def go_on_behind(
    pixels: Any, known: Any, usable: Any, widest: int, apart: float, out: Any, found: Any
) -> None:
    """Change `out` `[B, 4, H, W]` where slits are `found` `[B, H, W]`; see `uncovered.gone_on`."""
    batch, _, height, width = pixels.shape
    span = np.empty((height, width), np.int64)
    for b in range(batch):
        shown = (known[b] > np.float32(0.5)) & usable
        hole = ~shown & usable
        span[:] = widest + 1
        for j in range(height):
            _line(
                pixels[b, :, j],
                shown[j],
                hole[j],
                widest,
                np.float32(apart),
                span[j],
                out[b, :, j],
                found[b, j],
            )
        for i in range(width):
            _line(
                pixels[b, :, :, i], shown[:, i], hole[:, i], widest, np.float32(apart), span[:, i],
                out[b, :, :, i], found[b, :, i],
            )  # fmt: skip


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _line(
    pixels: Any, shown: Any, hole: Any, widest: int, apart: float, span: Any, out: Any, found: Any
) -> None:
    """A row or a column `[4, L]`; of slits across and down the shorter one counts."""
    length, k = len(hole), 0
    while k < length:
        if not hole[k]:
            k += 1
            continue
        first = k
        while k < length and hole[k]:
            k += 1
        if first == 0 or k == length or k - first > widest or not (shown[first - 1] and shown[k]):
            continue
        before, after = pixels[3, first - 1], pixels[3, k]
        deep = max(before, after)
        if deep < apart * min(before, after):
            continue
        edge = k if after > before else first - 1
        for here in range(first, k):
            if span[here] <= k - first:
                continue
            span[here], found[here] = k - first, True
            source = 2 * edge - here + (-1 if after > before else 1)
            if source < 0 or source >= length or not shown[source] or pixels[3, source] * apart < deep:
                source = edge
            for c in range(4):
                out[c, here] = pixels[c, source]
