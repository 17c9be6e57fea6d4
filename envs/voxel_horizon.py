"""The skyline around the eye: rays above it are sky and need no walk through the blocks.

Directions are cut into BINS by their "diamond angle", a cheap monotone stand-in for the azimuth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .voxel_kernel import inner, kernel
from .voxel_raycast import cell
from .voxel_terrain import SIZE

BINS = 256
_NEAR = 12
_COARSE = 4
_MASK = SIZE - 1


@inner
def azimuth_bin(dx, dz):  # type: ignore[no-untyped-def]
    """The bin 0..BINS-1 of a horizontal direction."""
    total = abs(dx) + abs(dz)
    if total < 1e-12:
        return 0
    q = dz / total
    angle = 1.0 - q if dx >= 0.0 else 3.0 + q
    return int(angle * (BINS // 4)) & (BINS - 1)


@inner
def above_skyline(skyline, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Whether a ray that starts at the eye can hit no block."""
    return dy > 0.0 and dy * dy > skyline[azimuth_bin(dx, dz)] * (dx * dx + dz * dz)


@kernel
def find_skyline(tops, ox, oy, oz, far) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Squared slope of the highest thing within `far` blocks by direction, float64 [BINS], never too low."""
    skyline = np.zeros(BINS)
    cx, cz = cell(ox), cell(oz)
    for x in range(cx - _NEAR, cx + _NEAR + 1):
        for z in range(cz - _NEAR, cz + _NEAR + 1):
            _raise(skyline, ox, oy, oz, x, z, 1, int(tops[x & _MASK, z & _MASK]), far)
    reach = int(far) // _COARSE + 1
    for i in range(cx // _COARSE - reach, cx // _COARSE + reach + 1):
        for k in range(cz // _COARSE - reach, cz // _COARSE + reach + 1):
            x, z = i * _COARSE, k * _COARSE
            if max(abs(x + 2 - cx), abs(z + 2 - cz)) < _NEAR - 3:
                continue
            top = 0
            for a in range(_COARSE):
                for b in range(_COARSE):
                    top = max(top, int(tops[(x + a) & _MASK, (z + b) & _MASK]))
            _raise(skyline, ox, oy, oz, x, z, _COARSE, top, far)
    return skyline


@kernel
def _raise(skyline, ox, oy, oz, x, z, wide, top, far):  # type: ignore[no-untyped-def]
    """Lift the bins that a square of ground with its highest block `top` can be seen in."""
    rise = top - oy
    if rise <= 0.0:
        return
    nx, nz = max(0.0, max(x - ox, ox - x - wide)), max(0.0, max(z - oz, oz - z - wide))
    d2 = nx * nx + nz * nz
    if d2 > far * far:
        return
    if d2 < 1e-6:
        skyline[:] = 1e30
        return
    slope = rise * rise / d2
    middle = azimuth_bin(x + 0.5 * wide - ox, z + 0.5 * wide - oz)
    low, high = 0, 0
    for k in range(4):
        at = azimuth_bin(x + wide * (k & 1) - ox, z + wide * (k >> 1) - oz) - middle
        at = (at + BINS + BINS // 2) % BINS - BINS // 2
        low, high = min(low, at), max(high, at)
    for n in range(middle + low - 1, middle + high + 2):
        if skyline[n % BINS] < slope:
            skyline[n % BINS] = slope
