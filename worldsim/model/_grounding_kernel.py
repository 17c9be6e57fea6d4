"""The compiled twin of what `grounding.groundings` does before and after its reprojection, for the CPU.

Numba keeps compiled code by the date of this file: touch it when constants of `camera.py` or `grounding.py` change.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.camera import NEAR
from worldsim.model.grounding import SHRINK


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def prepare(depth: Any, known: Any, layers: Any, shown: Any) -> None:
    """Fill `layers` `[N, 2, h, w]`, grounding and 1 / depth, and `shown` `[N, h, w]`, the depth.

    `depth` `[N, H, W]` is in blocks, 0 where a reference shows nothing; `known` `[N, h, w]` their own grounding.
    """
    count, height, width = known.shape
    near = np.float32(NEAR)
    for n in range(count):
        for j in range(height):
            for i in range(width):
                far = depth[n, SHRINK * j, SHRINK * i]
                shown[n, j, i] = max(far, near) if far > 0 else np.float32(0)
                layers[n, 0, j, i] = known[n, j, i]
                layers[n, 1, j, i] = np.float32(1) / max(shown[n, j, i], near)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def carry(seen: Any, depth: Any, shown: Any, known: Any, valid: Any, usable: Any, out: Any) -> None:
    """Fill `out` `[B, R, H, W]` from the reprojected layers `seen` `[B, R, 3, h, w]`, their `depth` and `shown`.

    `known` `[B, R, h, w]` is as before reprojection, `valid` `[B, R]` and `usable` `[H, W]` are bool.
    """
    batch, slots, height, width = out.shape
    for b in range(batch):
        for k in range(slots):
            carried = np.zeros(depth.shape[2:], np.float32)
            if valid[b, k]:
                _fall(seen[b, k, 0], seen[b, k, 1], depth[b, k], shown[b, k], carried)
            for j in range(height):
                for i in range(width):
                    newest = known[b, 0, j // SHRINK, i // SHRINK] if valid[b, 0] else np.float32(0)
                    out[b, k, j, i] = carried[j // SHRINK, i // SHRINK] if usable[j, i] else newest


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _fall(ground: Any, inverse: Any, depth: Any, shown: Any, out: Any) -> None:
    """Grounding `[h, w]` falls with the root of the scale, below 1 where a thing is nearer now, and larger."""
    height, width = out.shape
    nothing, one = np.float32(0), np.float32(1)
    for j in range(height):
        for i in range(width):
            scale = np.sqrt(min(max(inverse[j, i] * depth[j, i], nothing), one))
            out[j, i] = min(max(ground[j, i], nothing), one) * scale * shown[j, i]
