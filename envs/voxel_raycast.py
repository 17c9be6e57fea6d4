"""Rays through the block grid: the walk from cell to cell that seeing and reaching share."""

from __future__ import annotations

import numpy as np

from .voxel_blocks import AIR
from .voxel_kernel import inner
from .voxel_terrain import HEIGHT, SIZE

_MASK = SIZE - 1
_FAR = 1e30


@inner
def inverse(d):  # type: ignore[no-untyped-def]
    """1 / |d|, or a huge number for a direction that never crosses that axis."""
    return 1.0 / abs(d) if abs(d) > 1e-12 else _FAR


@inner
def walk(vox, tops, ox, oy, oz, dx, dy, dz, ix, iy, iz, medium, limit):  # type: ignore[no-untyped-def]
    """Follow a ray from cell (ix, iy, iz) until the block is no longer `medium`.

    The ray is o + t d. Returns (block, axis, t, ix, iy, iz): the first other block, the axis of the
    face it is entered by and where. Past `limit`, or out of the world's top, block is -1; below it, 255.
    """
    sx, sy, sz = 1 if dx > 0 else -1, 1 if dy > 0 else -1, 1 if dz > 0 else -1
    ax, ay, az = inverse(dx), inverse(dy), inverse(dz)
    tx = ((ix + 1 - ox) if sx > 0 else (ox - ix)) * ax
    ty = ((iy + 1 - oy) if sy > 0 else (oy - iy)) * ay
    tz = ((iz + 1 - oz) if sz > 0 else (oz - iz)) * az
    while True:
        if tx < ty:
            if tx < tz:
                t, axis = tx, 0
                ix += sx
                tx += ax
            else:
                t, axis = tz, 2
                iz += sz
                tz += az
        elif ty < tz:
            t, axis = ty, 1
            iy += sy
            ty += ay
            if iy < 0:
                return 255, 1, t, ix, iy, iz
            if iy >= HEIGHT and sy > 0:
                return -1, 1, t, ix, iy, iz
        else:
            t, axis = tz, 2
            iz += sz
            tz += az
        if t > limit:
            return -1, axis, t, ix, iy, iz
        if iy >= tops[ix & _MASK, iz & _MASK]:
            if medium != AIR:
                return AIR, axis, t, ix, iy, iz
            continue
        block = int(vox[ix & _MASK, iz & _MASK, iy])
        if block != medium:
            return block, axis, t, ix, iy, iz


@inner
def block_at(vox, x, y, z):  # type: ignore[no-untyped-def]
    """The block of the cell at integer x, y, z: bedrock-like 255 below the world, air above it."""
    if y < 0:
        return 255
    if y >= HEIGHT:
        return AIR
    return int(vox[x & _MASK, z & _MASK, y])


@inner
def cell(x):  # type: ignore[no-untyped-def]
    """The integer below x."""
    return int(np.floor(x))
