"""What stands on the land: trees of five kinds, cacti, boulders, huts, towers and ruins."""

from __future__ import annotations

import numpy as np

from .voxel_blocks import (
    ACACIA_LEAVES,
    ACACIA_LOG,
    AIR,
    BIRCH_LEAVES,
    BIRCH_LOG,
    BLUE_WOOL,
    BRICK,
    CACTUS,
    COBBLE,
    DRY_GRASS,
    FLOWERS,
    GLASS,
    GRASS,
    LAMP,
    LEAVES,
    LOG,
    MOSSY,
    PLANKS,
    PUMPKIN,
    RED_WOOL,
    SAND,
    SANDSTONE,
    SNOW,
    SPRUCE_LEAVES,
    SPRUCE_LOG,
    STONE,
    WHITE_WOOL,
)  # fmt: skip
from .voxel_kernel import kernel
from .voxel_random import pick, unit
from .voxel_terrain import HEIGHT, SEA, SIZE

_DENSITY = np.array([0.10, 0.95, 0.85, 0.55, 0.6, 0.22, 0.22, 0.0])
"""Chance of a plant for each of the candidates, by biome."""


@kernel
def build(seed, vox, biomes, heights):  # type: ignore[no-untyped-def]
    """Add buildings, then plants, to a generated world, in place."""
    for k in range(16):
        # one candidate site in each 32 x 32 quarter, so that buildings are met and never collide
        x = (k // 4) * 32 + 6 + pick(seed, 100, k, 0, 20)
        z = (k % 4) * 32 + 6 + pick(seed, 101, k, 0, 20)
        r = unit(seed, 102, k, 0)
        if heights[x, z] <= SEA or _slope(heights, x, z) > 6:
            continue
        if r < 0.55:
            _hut(seed, vox, heights, biomes[x, z], k, x, z)
        elif r < 0.8:
            _tower(seed, vox, heights, k, x, z)
    for k in range(1024):
        x = (k // 32) * 4 + pick(seed, 110, k, 0, 4)
        z = (k % 32) * 4 + pick(seed, 111, k, 0, 4)
        if unit(seed, 112, k, 0) < 0.5 * _DENSITY[biomes[x, z]]:
            _plant(seed, vox, int(heights[x, z]), k, x, z)
        elif unit(seed, 113, k, 0) < 0.01:
            _boulder(seed, vox, int(heights[x, z]), k, x, z)


@kernel
def _slope(heights, x, z):  # type: ignore[no-untyped-def]
    low, high = 255, 0
    for dx in range(-4, 5):
        for dz in range(-4, 5):
            h = int(heights[(x + dx) % SIZE, (z + dz) % SIZE])
            low, high = min(low, h), max(high, h)
    return high - low


@kernel
def _put(vox, x, y, z, block):  # type: ignore[no-untyped-def]
    if 0 < y < HEIGHT:
        vox[x % SIZE, z % SIZE, y] = block


@kernel
def _grow(vox, x, y, z, block):  # type: ignore[no-untyped-def]
    if 0 < y < HEIGHT and vox[x % SIZE, z % SIZE, y] == AIR:
        vox[x % SIZE, z % SIZE, y] = block


@kernel
def _plant(seed, vox, h, k, x, z):  # type: ignore[no-untyped-def]
    """A tree that fits the ground, if there is room for it."""
    ground = vox[x, z, h]
    if h + 12 >= HEIGHT or vox[x, z, h + 1] != AIR:
        return
    tall = pick(seed, 114, k, 0, 3)
    r = unit(seed, 115, k, 0)
    if ground == SAND and h > SEA + 1:
        for y in range(h + 1, h + 3 + tall // 2):
            _put(vox, x, y, z, CACTUS)
    elif ground == SNOW:
        _spruce(vox, x, h + 1, z, 6 + tall)
    elif ground == DRY_GRASS:
        _acacia(vox, x, h + 1, z, 4 + tall // 2, pick(seed, 116, k, 0, 4))
    elif ground == FLOWERS or (ground == GRASS and r < 0.3):
        _oak(vox, x, h + 1, z, 5 + tall, BIRCH_LOG, BIRCH_LEAVES)
    elif ground == GRASS and r > 0.97:
        _put(vox, x, h + 1, z, PUMPKIN)
    elif ground == GRASS:
        _oak(vox, x, h + 1, z, 4 + tall, LOG, LEAVES)


@kernel
def _oak(vox, x, y, z, tall, log, leaves):  # type: ignore[no-untyped-def]
    for dy in range(tall - 2, tall + 2):
        radius = 2 if dy < tall else 1
        for dx in range(-radius, radius + 1):
            for dz in range(-radius, radius + 1):
                corner = abs(dx) == radius and abs(dz) == radius
                if not corner or (dy == tall - 2 and (dx + dz) != 0):
                    _grow(vox, x + dx, y + dy, z + dz, leaves)
    for dy in range(tall):
        _put(vox, x, y + dy, z, log)


@kernel
def _spruce(vox, x, y, z, tall):  # type: ignore[no-untyped-def]
    for dy in range(2, tall + 2):
        left = tall + 1 - dy
        radius = 0 if left == 0 else min(2, 1 + (left % 2)) if left > 1 else 1
        for dx in range(-radius, radius + 1):
            for dz in range(-radius, radius + 1):
                if abs(dx) + abs(dz) <= radius + (radius > 1):
                    _grow(vox, x + dx, y + dy, z + dz, SPRUCE_LEAVES)
    for dy in range(tall):
        _put(vox, x, y + dy, z, SPRUCE_LOG)


@kernel
def _acacia(vox, x, y, z, tall, lean):  # type: ignore[no-untyped-def]
    sx, sz = (lean % 2) * (1 if lean < 2 else -1), ((lean + 1) % 2) * (1 if lean < 2 else -1)
    for dy in range(tall):
        out = 1 if dy >= tall - 2 else 0
        _put(vox, x + sx * out, y + dy, z + sz * out, ACACIA_LOG)
    for dx in range(-3, 4):
        for dz in range(-3, 4):
            if abs(dx) + abs(dz) < 5:
                _grow(vox, x + sx + dx, y + tall, z + sz + dz, ACACIA_LEAVES)
            if abs(dx) + abs(dz) < 3:
                _grow(vox, x + sx + dx, y + tall + 1, z + sz + dz, ACACIA_LEAVES)


@kernel
def _boulder(seed, vox, h, k, x, z):  # type: ignore[no-untyped-def]
    if h <= SEA:
        return
    block = MOSSY if unit(seed, 117, k, 0) < 0.6 else COBBLE
    for dx in range(2):
        for dz in range(2):
            for dy in range(2):
                if dx + dz + dy < 3:
                    _grow(vox, x + dx, h + 1 + dy, z + dz, block)


@kernel
def _foundation(vox, heights, x, z, half, block):  # type: ignore[no-untyped-def]
    """Level the ground under a building and clear the space above; returns the floor's height."""
    floor = 0
    for dx in range(-half, half + 1):
        for dz in range(-half, half + 1):
            floor = max(floor, int(heights[(x + dx) % SIZE, (z + dz) % SIZE]))
    floor = max(int(heights[x, z]), floor - 1)
    for dx in range(-half, half + 1):
        for dz in range(-half, half + 1):
            cx, cz = (x + dx) % SIZE, (z + dz) % SIZE
            for y in range(min(int(heights[cx, cz]), floor), floor + 1):
                vox[cx, cz, y] = block
            for y in range(floor + 1, min(HEIGHT, floor + 9)):
                vox[cx, cz, y] = AIR
            heights[cx, cz] = floor
    return floor


@kernel
def _hut(seed, vox, heights, biome, k, x, z):  # type: ignore[no-untyped-def]
    """Walls of one of five kinds, corner posts, a door, windows, a lamp and a stepped or flat roof."""
    wall, post, roof = PLANKS, LOG, PLANKS
    kind = pick(seed, 120, k, 0, 4)
    if biome == 3:
        wall, post, roof = SANDSTONE, SANDSTONE, SANDSTONE
    elif kind == 1:
        wall, post, roof = BRICK, COBBLE, SPRUCE_LOG
    elif kind == 2:
        wall, post, roof = COBBLE, LOG, PLANKS
    elif kind == 3:
        wall, post, roof = WHITE_WOOL, SPRUCE_LOG, RED_WOOL if unit(seed, 121, k, 0) < 0.5 else BLUE_WOOL
    half = 2 + pick(seed, 122, k, 0, 2)
    floor = _foundation(vox, heights, x, z, half, COBBLE if biome != 3 else SANDSTONE)
    door = pick(seed, 123, k, 0, 4)
    for dx in range(-half, half + 1):
        for dz in range(-half, half + 1):
            ax, az = abs(dx), abs(dz)
            if ax < half and az < half:
                continue
            for dy in range(1, 4):
                block = post if ax == half and az == half else wall
                if dy == 2 and ax + az == half:
                    block = GLASS
                side = 0 if dx == half else 1 if dz == half else 2 if dx == -half else 3
                if dy < 3 and ax + az == half and side == door:
                    block = AIR
                _put(vox, x + dx, floor + dy, z + dz, block)
    steps = half + 1 if unit(seed, 124, k, 0) < 0.6 else 1
    for s in range(steps):
        for dx in range(-half + s, half + 1 - s):
            for dz in range(-half + s, half + 1 - s):
                _put(vox, x + dx, floor + 4 + s, z + dz, roof)
    _put(vox, x + half - 1, floor + 3, z + half - 1, LAMP)


@kernel
def _tower(seed, vox, heights, k, x, z):  # type: ignore[no-untyped-def]
    """A square tower of cobblestone, whole or ruined."""
    ruined = unit(seed, 130, k, 0) < 0.6
    tall = 5 + pick(seed, 131, k, 0, 5)
    floor = _foundation(vox, heights, x, z, 2, COBBLE)
    door = pick(seed, 132, k, 0, 4)
    for dx in range(-2, 3):
        for dz in range(-2, 3):
            ax, az = abs(dx), abs(dz)
            side = 0 if dx == 2 else 1 if dz == 2 else 2 if dx == -2 else 3
            for dy in range(1, tall + 2):
                edge = ax == 2 or az == 2
                if not edge and dy != tall:
                    continue
                if dy == tall + 1 and (ax + az) % 2 == 1:
                    continue
                if edge and ax + az == 2 and ((dy < 3 and side == door) or dy == 5):
                    continue
                r = unit(seed, 133 + dy, dx + 4, dz + 4 + 16 * k)
                if ruined and r < 0.16 + 0.5 * (dy / tall) * (dy / tall):
                    continue
                _put(vox, x + dx, floor + dy, z + dz, MOSSY if r > 0.75 else STONE if r > 0.7 else COBBLE)
    if not ruined:
        _put(vox, x, floor + tall + 1, z, LAMP)
