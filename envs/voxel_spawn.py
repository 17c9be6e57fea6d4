"""A new game: the world of a seed, where its player stands and what lies in the hotbar."""

from __future__ import annotations

import numpy as np

from . import voxel_player as p
from .voxel_animals import place_animals
from .voxel_blocks import (
    AIR,
    BIRCH_LOG,
    BLUE_WOOL,
    BRICK,
    COBBLE,
    DIRT,
    GLASS,
    LAMP,
    LOG,
    PLANKS,
    RED_WOOL,
    SAND,
    SANDSTONE,
    STONE,
)  # fmt: skip
from .voxel_kernel import kernel
from .voxel_random import mix, pick, unit
from .voxel_structures import build
from .voxel_terrain import HEIGHT, SEA, SIZE, all_tops, generate

_KIT = np.array(
    (PLANKS, STONE, DIRT, LOG, SAND, BRICK, GLASS, COBBLE, RED_WOOL, BLUE_WOOL, SANDSTONE, LAMP, BIRCH_LOG),
    np.uint8,
)


@kernel
def make_world(seed, vox, biomes, tops, roofs, s, items, counts, animals):  # type: ignore[no-untyped-def]
    """Fill the world's arrays and the player's vector for a uint64 seed, in place."""
    seed = mix(seed)
    heights = np.zeros((SIZE, SIZE), np.uint8)
    generate(seed, vox, biomes, heights)
    build(seed, vox, biomes, heights)
    all_tops(vox, tops, roofs)
    s[:] = 0.0
    _stand(seed, vox, tops, roofs, heights, s)
    s[p.YAW] = np.floor(3600.0 * unit(seed, 301, 0, 0)) / 10.0 - 180.0
    s[p.PITCH] = np.floor(300.0 * unit(seed, 302, 0, 0)) / 10.0 - 12.0
    s[p.EYE], s[p.HEALTH], s[p.BREATH] = p.EYE_STANDING, p.MAX_HEALTH, p.MAX_BREATH
    s[p.GROUND], s[p.AIM_BLOCK], s[p.BREAK_Y] = 1.0, -1.0, -1.0
    r, t = unit(seed, 303, 0, 0), unit(seed, 304, 0, 0)
    s[p.TIME] = 0.29 + 0.40 * t
    if r > 0.9:
        s[p.TIME] = (0.80 + 0.40 * t) % 1.0
    elif r > 0.8:
        s[p.TIME] = 0.70 + 0.09 * t if r > 0.85 else 0.22 + 0.07 * t
    _fill_hotbar(seed, s, items, counts)
    place_animals(seed, animals, biomes, tops, roofs, vox, s[p.X], s[p.Z])


@kernel
def _stand(seed, vox, tops, roofs, heights, s):  # type: ignore[no-untyped-def]
    """Put the player on natural ground under the open sky, above the water."""
    x, z = 0, 0
    for attempt in range(400):
        x, z = pick(seed, 300, attempt, 0, SIZE), pick(seed, 300, attempt, 1, SIZE)
        h = int(heights[x, z])
        if h > SEA and tops[x, z] == h + 1 and roofs[x, z] == h + 1 and h + 3 < HEIGHT:
            break
    s[p.X], s[p.Y], s[p.Z] = x + 0.5, float(tops[x, z]), z + 0.5


@kernel
def _fill_hotbar(seed, s, items, counts):  # type: ignore[no-untyped-def]
    """A mixed hotbar with one or two empty slots, sixteen to sixty-four of each thing."""
    items[:], counts[:] = AIR, 0
    first = pick(seed, 310, 0, 0, len(_KIT))
    for n in range(9):
        if unit(seed, 311, n, 0) < 0.85:
            items[n] = _KIT[(first + n * 5) % len(_KIT)]
            counts[n] = 16 + pick(seed, 312, n, 0, 49)
    s[p.SLOT] = pick(seed, 313, 0, 0, 9)
