"""The compiled mixing of `composition.py` for the CPU: nothing in between is written to memory."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.composition import ALIKE


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def mix(
    weights: Any, residual: Any, depth: Any, threshold: Any, warped: Any, newest: Any, x: Any, warped_depth: Any,
    newest_depth: Any, single: bool, latents: Any, codes: Any,
) -> None:  # fmt: skip
    """Fill `latents` and `codes`; see `composition.mix_torch` for shapes, with h and w as one.

    There is a weight for each pixel.
    """
    batch, channels, _ = latents.shape
    slots, pixels = warped.shape[1], depth.shape[1]
    for b in range(batch):
        for c in range(channels):
            p, out = c % pixels, latents[b, c]
            _beyond(residual[b, c], threshold[b, p], out)
            for k in range(slots):
                _add(weights[b, k, p], warped[b, k, c], out)
            _add(weights[b, slots, p], newest[b, c], out)
            _add(weights[b, slots + 1, p], x[b, c], out)
        for p in range(pixels):
            out = codes[b, p]
            out[:] = depth[b, p]
            if single:
                _add_single(weights[b, : slots + 1, p], warped_depth[b, :, p], newest_depth[b, p], out)
                continue
            for k in range(slots):
                _add(weights[b, k, p], warped_depth[b, k, p], out)
            _add(weights[b, slots, p], newest_depth[b, p], out)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(weights: Any, values: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] += weights[i] * values[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add_single(weights: Any, warped: Any, newest: Any, out: Any) -> None:
    """Add the depth of the surface with most weight, of candidates `[n, w]` whose last is the newest frame."""
    count = len(weights)
    codes = np.empty(count, np.float32)
    for i in range(out.size):
        for k in range(count - 1):
            codes[k] = warped[k, i]
        codes[count - 1] = newest[i]
        total, most, best = np.float32(0), np.float32(-1), np.float32(0)
        for k in range(count):
            total += weights[k, i]
            mass, shown = np.float32(0), np.float32(0)
            for other in range(count):
                if abs(codes[other] - codes[k]) < np.float32(ALIKE):
                    mass += weights[other, i]
                    shown += weights[other, i] * codes[other]
            if mass > most:
                most, best = mass, shown
        out[i] += best / max(most, np.float32(1e-6)) * total


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _beyond(values: Any, threshold: Any, out: Any) -> None:
    """How far values lie beyond a threshold on either side of 0."""
    for i in range(out.size):
        out[i] = max(values[i] - threshold[i], np.float32(0)) + min(values[i] + threshold[i], np.float32(0))
