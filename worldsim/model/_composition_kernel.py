"""The compiled mixing of `composition.py` for the CPU: nothing in between is written to memory."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def mix(
    weights: Any, residual: Any, depth: Any, threshold: Any, warped: Any, newest: Any, x: Any, warped_depth: Any,
    newest_depth: Any, latents: Any, codes: Any,
) -> None:  # fmt: skip
    """Fill `latents` and `codes`; see `composition.mix_torch` for shapes. There is a weight for each pixel."""
    batch, channels, height, _ = latents.shape
    slots, pixels = warped.shape[1], depth.shape[1]
    for at in range(batch * height):
        b, row = at // height, at % height
        for c in range(channels):
            p, out = c % pixels, latents[b, c, row]
            _beyond(residual[b, c, row], threshold[b, p, row], out)
            for k in range(slots):
                _add(weights[b, k, p, row], warped[b, k, c, row], out)
            _add(weights[b, slots, p, row], newest[b, c, row], out)
            _add(weights[b, slots + 1, p, row], x[b, c, row], out)
        for p in range(pixels):
            out = codes[b, p, row]
            out[:] = depth[b, p, row]
            for k in range(slots):
                _add(weights[b, k, p, row], warped_depth[b, k, p, row], out)
            _add(weights[b, slots, p, row], newest_depth[b, p, row], out)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(weights: Any, values: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] += weights[i] * values[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _beyond(values: Any, threshold: Any, out: Any) -> None:
    """How far values lie beyond a threshold on either side of 0."""
    for i in range(out.size):
        out[i] = max(values[i] - threshold[i], np.float32(0)) + min(values[i] + threshold[i], np.float32(0))
