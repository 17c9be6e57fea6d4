"""The compiled twins of `fill.composite` and of `tokenizer.frames_to_planes` for the CPU."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def lay(layers: Any, known: Any, out: Any, seen: Any) -> None:
    """Fill `out` `[B, C, P]` and `seen` `[B, P]` from `layers` `[B, R, C, P]`, of which `known` `[B, R, P]` is."""
    new = np.empty(known.shape[2], np.float32)
    for b in range(len(layers)):
        out[b], seen[b] = 0, 0
        for k in range(layers.shape[1]):
            for i in range(len(new)):
                new[i] = known[b, k, i] * (np.float32(1) - seen[b, i])
                seen[b, i] += new[i]
            for c in range(layers.shape[2]):
                _add(layers[b, k, c], new, out[b, c])


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(values: Any, weights: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] += values[i] * weights[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def look_up(pixels: Any, values: Any, planes: Any) -> None:
    """Fill `planes` `[N, 3, P]` with the `values` `[256]` of the bytes of `pixels` `[N, P, 3]`."""
    for n in range(len(pixels)):
        for i in range(pixels.shape[1]):
            for c in range(3):
                planes[n, c, i] = values[pixels[n, i, c]]
