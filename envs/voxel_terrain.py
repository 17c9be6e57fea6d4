"""A seeded world that repeats in x and z: biomes, hills, water, caves and ores.

The world is `uint8 [SIZE, SIZE, HEIGHT]`, indexed [x, z, y]: a column is one cache line.
"""

from __future__ import annotations

import numpy as np

from .voxel_blocks import (
    AIR,
    BEDROCK,
    COAL,
    DIAMOND,
    DIRT,
    DRY_GRASS,
    FLOWERS,
    GOLD,
    GRASS,
    GRAVEL,
    ICE,
    IRON,
    ROOF,
    SAND,
    SANDSTONE,
    SNOW,
    STONE,
    WATER,
)  # fmt: skip
from .voxel_kernel import kernel
from .voxel_random import lattice3, noise2, noise3, pick, unit

SIZE = 128
HEIGHT = 64
SEA = 24
"""Water fills every open column below this height."""

BIOMES: tuple[str, ...] = (
    "plains",
    "forest",
    "birch forest",
    "desert",
    "snow",
    "mountains",
    "savanna",
    "lake",
)
PLAINS, FOREST, BIRCH_FOREST, DESERT, SNOWLAND, MOUNTAINS, SAVANNA, LAKE = range(8)
_BASE = np.array([27.0, 28.5, 28.0, 28.0, 29.0, 36.0, 30.0, 16.0])
_ROUGH = np.array([3.0, 6.0, 5.0, 5.0, 7.0, 22.0, 5.0, 8.0])
_CAVE_CELL = 8


@kernel
def generate(seed, vox, biomes, heights):  # type: ignore[no-untyped-def]
    """Fill a world in place: vox uint8 [SIZE, SIZE, HEIGHT], biomes and heights uint8 [SIZE, SIZE]."""
    _land(seed, biomes, heights)
    for x in range(SIZE):
        for z in range(SIZE):
            _column(seed, vox[x, z], biomes[x, z], int(heights[x, z]), x, z)
    _caves(seed, vox, heights)
    _ores(seed, vox)


@kernel
def _land(seed, biomes, heights):  # type: ignore[no-untyped-def]
    """Biome and height of every column, from 16 jittered sites whose characters blend."""
    kinds = np.empty(16, np.int64)
    spots = np.empty((16, 2))
    first = pick(seed, 1, 0, 0, 7)
    second = (first + 1 + pick(seed, 1, 1, 0, 6)) % 7
    third = (first + 1 + pick(seed, 1, 2, 0, 6)) % 7
    for s in range(16):
        r = unit(seed, 2, s, 0)
        kind = pick(seed, 3, s, 0, 7)
        if r < 0.14:
            kind = LAKE
        elif r < 0.4:
            kind = first
        elif r < 0.6:
            kind = second
        elif r < 0.78:
            kind = third
        kinds[s] = kind
        spots[s, 0] = (s // 4) * 32 + 4 + 24 * unit(seed, 4, s, 0)
        spots[s, 1] = (s % 4) * 32 + 4 + 24 * unit(seed, 5, s, 0)
    for x in range(SIZE):
        for z in range(SIZE):
            wx = x + 14.0 * (noise2(seed + np.uint64(11), x, z, 16, SIZE) - 0.5)
            wz = z + 14.0 * (noise2(seed + np.uint64(12), x, z, 16, SIZE) - 0.5)
            best, near, total, base, rough = 0, 1e9, 0.0, 0.0, 0.0
            for s in range(16):
                dx, dz = abs(wx - spots[s, 0]), abs(wz - spots[s, 1])
                dx, dz = min(dx, SIZE - dx), min(dz, SIZE - dz)
                d = dx * dx + dz * dz
                if d < near:
                    best, near = s, d
                w = 1.0 / ((d + 30.0) * (d + 30.0) * (d + 30.0))
                total += w
                base += w * _BASE[kinds[s]]
                rough += w * _ROUGH[kinds[s]]
            n = 0.58 * noise2(seed + np.uint64(21), x, z, 32, SIZE)
            n += 0.29 * noise2(seed + np.uint64(22), x, z, 16, SIZE)
            n += 0.13 * noise2(seed + np.uint64(23), x, z, 8, SIZE)
            h = base / total + rough / total * (n - 0.5) * 2.0
            biomes[x, z] = kinds[best]
            heights[x, z] = int(max(8.0, min(56.0, h)))


@kernel
def _column(seed, column, biome, h, x, z):  # type: ignore[no-untyped-def]
    """Bedrock, stone, earth, cover and water of one column whose top block is at height h."""
    top, earth = GRASS, DIRT
    if biome == DESERT:
        top, earth = SAND, SAND
    elif biome == SNOWLAND or h > 45 + pick(seed, 6, x, z, 3):
        top = SNOW
    elif biome == SAVANNA:
        top = DRY_GRASS
    elif biome == MOUNTAINS and h > 37 + pick(seed, 7, x, z, 3):
        top, earth = STONE, STONE
    elif biome in (PLAINS, BIRCH_FOREST) and noise2(seed + np.uint64(31), x, z, 8, SIZE) > 0.74:
        top = FLOWERS
    if h <= SEA and top != STONE:
        top = SAND
        if h < SEA:
            earth = SAND if unit(seed, 8, x >> 2, z >> 2) < 0.6 else GRAVEL
            top = earth
    column[0] = BEDROCK
    for y in range(1, h):
        column[y] = STONE if y < h - 3 else earth
    if biome == DESERT and h > SEA:
        column[h - 4] = SANDSTONE
        column[h - 3] = SANDSTONE
    column[h] = top
    for y in range(h + 1, HEIGHT):
        column[y] = WATER if y < SEA else AIR
    if biome == SNOWLAND and h < SEA - 1 and noise2(seed + np.uint64(32), x, z, 8, SIZE) > 0.4:
        column[SEA - 1] = ICE


@kernel
def _caves(seed, vox, heights):  # type: ignore[no-untyped-def]
    """Winding tunnels where two noises cross, and a few halls; they keep away from water."""
    n, ny = SIZE // _CAVE_CELL, HEIGHT // _CAVE_CELL + 1
    a, b = lattice3(seed + np.uint64(41), n, ny), lattice3(seed + np.uint64(42), n, ny)
    for x in range(SIZE):
        for z in range(SIZE):
            h = int(heights[x, z])
            low = h
            for dx, dz in ((-3, 0), (3, 0), (0, -3), (0, 3), (2, 2), (-2, -2), (2, -2), (-2, 2)):
                low = min(low, int(heights[(x + dx) % SIZE, (z + dz) % SIZE]))
            roof = h if low > SEA else low - 4
            for y in range(3, roof + 1):
                p = noise3(a, x, y, z, _CAVE_CELL) - 0.5
                q = noise3(b, x, y * 1.0, z, _CAVE_CELL) - 0.5
                width = 0.0075 if y < h - 2 else 0.004
                if p * p + q * q < width:
                    vox[x, z, y] = AIR


@kernel
def _ores(seed, vox):  # type: ignore[no-untyped-def]
    """Clumps of two blocks a side in the stone, rarer the more they are worth."""
    for x in range(0, SIZE, 2):
        for z in range(0, SIZE, 2):
            for y in range(2, HEIGHT - 8, 2):
                r = unit(seed, 9000 + x, z, y)
                ore = STONE
                if r < 0.012:
                    ore = COAL
                elif r < 0.020:
                    ore = IRON
                elif r < 0.024 and y < 24:
                    ore = GOLD
                elif r < 0.027 and y < 16:
                    ore = DIAMOND
                elif r > 0.992:
                    ore = GRAVEL
                if ore == STONE:
                    continue
                for k in range(8):
                    cx, cz, cy = x + (k & 1), z + ((k >> 1) & 1), y + (k >> 2)
                    if vox[cx, cz, cy] == STONE and unit(seed, 9500 + cx, cz, cy) < 0.7:
                        vox[cx, cz, cy] = ore


@kernel
def column_tops(vox, x, z, tops, roofs):  # type: ignore[no-untyped-def]
    """Bring the two height maps (uint8 [SIZE, SIZE], first open cell above) up to date for a column.

    `tops` counts anything but air, which rays skip; `roofs` counts what keeps light away.
    """
    top, roof = 0, 0
    for y in range(HEIGHT - 1, -1, -1):
        block = vox[x, z, y]
        if block != AIR and top == 0:
            top = y + 1
        if ROOF[block]:
            roof = y + 1
            break
    tops[x, z], roofs[x, z] = max(top, roof), roof


@kernel
def all_tops(vox, tops, roofs):  # type: ignore[no-untyped-def]
    """`column_tops` for the whole world."""
    for x in range(SIZE):
        for z in range(SIZE):
            column_tops(vox, x, z, tops, roofs)
