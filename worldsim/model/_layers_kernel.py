"""The compiled twins of `fill.composite` and of `tokenizer`'s turning of bytes into numbers and back, for the CPU."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
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


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def look_up(pixels: Any, values: Any, planes: Any) -> None:
    """Fill `planes` `[N, 3, P]` with the `values` `[256]` of the bytes of `pixels` `[N, P, 3]`."""
    for n in range(len(pixels)):
        for i in range(pixels.shape[1]):
            for c in range(3):
                planes[n, c, i] = values[pixels[n, i, c]]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def to_bytes(planes: Any, pixels: Any) -> None:
    """Fill bytes `pixels` `[N, P, 3]` from `planes` `[N, 3, P]` in [-1, 1], clamped, halves to the even."""
    row = np.empty(pixels.shape[1], np.uint8)
    for n in range(len(pixels)):
        for c in range(3):
            _round(planes[n, c], row)
            for i in range(len(row)):
                pixels[n, i, c] = row[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _round(values: Any, out: Any) -> None:
    one, scale, most, least = np.float32(1), np.float32(127.5), np.float32(255), np.float32(0)
    for i in range(len(out)):
        value = np.rint((values[i] + one) * scale)
        value = value if value < most else most
        out[i] = np.uint8(value if value > least else least)
