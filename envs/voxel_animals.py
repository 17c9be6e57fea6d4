"""A few animals that wander, hop up steps, turn back from water and run when hit.

Each is a row of float64; their choices are hashes of (seed, animal, tick), so they repeat exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .voxel_blocks import AIR
from .voxel_camera import sincos
from .voxel_kernel import kernel
from .voxel_physics import in_water, meets, slide, solid_at
from .voxel_random import pick, unit
from .voxel_raycast import block_at, cell
from .voxel_terrain import DESERT, LAKE, SEA, SIZE

COUNT = 16
KINDS: tuple[str, ...] = ("pig", "cow", "sheep", "chicken")
X, Y, Z, VY, YAW, TURN, SPEED, STEP, KIND, LIFE, SCARE, COLUMNS = range(12)
RADIUS = 0.4
_TALL = 0.9


@kernel
def place_animals(seed, animals, biomes, tops, roofs, vox, near_x, near_z):  # type: ignore[no-untyped-def]
    """Set float64 [COUNT, COLUMNS] on open ground, half of them within sight of (near_x, near_z)."""
    for n in range(COUNT):
        animals[n, :] = 0.0
        herd = n // 4
        for attempt in range(40):
            spread = 30.0 if herd < 2 else float(SIZE)
            cx = near_x + (unit(seed, 200, herd, attempt) - 0.5) * spread
            cz = near_z + (unit(seed, 201, herd, attempt) - 0.5) * spread
            x = cell(cx + (unit(seed, 202, n, attempt) - 0.5) * 8.0)
            z = cell(cz + (unit(seed, 203, n, attempt) - 0.5) * 8.0)
            wx, wz = x % SIZE, z % SIZE
            y = int(tops[wx, wz])
            if y <= SEA or y != roofs[wx, wz] or biomes[wx, wz] == DESERT or biomes[wx, wz] == LAKE:
                continue
            animals[n, X], animals[n, Y], animals[n, Z] = x + 0.5, y, z + 0.5
            animals[n, YAW] = animals[n, TURN] = 360.0 * unit(seed, 204, n, 0)
            animals[n, KIND] = pick(seed, 205, herd, 0, 4)
            animals[n, LIFE] = 4.0
            break


@kernel
def move_animals(seed, animals, vox, tick, px, pz):  # type: ignore[no-untyped-def]
    """One tick of all animals within 40 blocks of the player; the others wait."""
    for n in range(COUNT):
        a = animals[n]
        dx, dz = wrapped(a[X] - px), wrapped(a[Z] - pz)
        if a[LIFE] > 0.0 and dx * dx + dz * dz < 1600.0:
            _decide(seed, a, n, tick)
            _walk(a, vox)


@kernel
def wrapped(d):  # type: ignore[no-untyped-def]
    """The shortest way round the torus for a difference of coordinates."""
    return d - SIZE * np.floor(d / SIZE + 0.5)


@kernel
def _decide(seed, a, n, tick):  # type: ignore[no-untyped-def]
    """Now and then a new direction and pace; scared animals run."""
    if (tick + n * 7) % 40 == 0:
        r = unit(seed, 210, n, tick)
        a[SPEED] = 0.055 if r < 0.45 else 0.0
        if r < 0.7:
            a[TURN] = a[YAW] + 240.0 * (unit(seed, 211, n, tick) - 0.5)
    if a[SCARE] > 0.0:
        a[SCARE] -= 1.0
        a[SPEED] = 0.15 if a[SCARE] > 0.0 else 0.0
    a[YAW] += max(-9.0, min(9.0, a[TURN] - a[YAW]))


@kernel
def _walk(a, vox):  # type: ignore[no-untyped-def]
    sy, cy = sincos(a[YAW])
    grounded = slide(vox, a[X], a[Y], a[Z], RADIUS, _TALL, 1, -0.01) > -0.01
    if a[SPEED] > 0.0:
        ax, az = cell(a[X] - sy * 0.9), cell(a[Z] + cy * 0.9)
        foot = cell(a[Y] + 0.01)
        blocked = solid_at(vox, ax, foot, az)
        deep = not solid_at(vox, ax, foot, az) and not solid_at(vox, ax, foot - 1, az)
        deep = deep and block_at(vox, ax, foot - 2, az) in (AIR, 6)
        if (blocked and solid_at(vox, ax, foot + 1, az)) or deep or block_at(vox, ax, foot - 1, az) == 6:
            if a[SCARE] == 0.0:
                a[SPEED] = 0.0
            a[TURN] = a[YAW] + 130.0
        elif blocked and grounded:
            a[VY] = 0.42
    if in_water(vox, a[X], a[Y], a[Z]):
        a[VY] = min(0.1, a[VY] + 0.1)
    dx, dz = -sy * a[SPEED], cy * a[SPEED]
    dx = slide(vox, a[X], a[Y], a[Z], RADIUS, _TALL, 0, dx)
    a[X] += dx
    dz = slide(vox, a[X], a[Y], a[Z], RADIUS, _TALL, 2, dz)
    a[Z] += dz
    a[STEP] += np.sqrt(dx * dx + dz * dz)
    dy = slide(vox, a[X], a[Y], a[Z], RADIUS, _TALL, 1, a[VY])
    a[Y] += dy
    a[VY] = 0.0 if dy != a[VY] else a[VY]
    a[VY] = (a[VY] - 0.08) * 0.98


@kernel
def in_animal(animals, x, y, z):  # type: ignore[no-untyped-def]
    """Whether a living animal stands in a cell."""
    for n in range(COUNT):
        a = animals[n]
        if a[LIFE] > 0.0 and meets(wrapped(a[X] - x), a[Y] - y, wrapped(a[Z] - z), RADIUS, _TALL):
            return True
    return False


@kernel
def strike(animals, ox, oy, oz, dx, dy, dz, reach):  # type: ignore[no-untyped-def]
    """Hit the nearest animal along a unit ray within reach: it runs, and dies of the fourth blow."""
    best, at = -1, reach
    for n in range(COUNT):
        a = animals[n]
        if a[LIFE] <= 0.0:
            continue
        mx, my, mz = wrapped(a[X] - ox), a[Y] + 0.5 - oy, wrapped(a[Z] - oz)
        along = mx * dx + my * dy + mz * dz
        away = mx * mx + my * my + mz * mz - along * along
        if 0.0 < along < at and away < 0.3:
            best, at = n, along
    if best >= 0:
        animals[best, LIFE] -= 1.0
        animals[best, SCARE] = 60.0
        animals[best, VY] = 0.3
    return best


def new_animals() -> NDArray[np.float64]:
    """An empty herd, float64 [COUNT, COLUMNS]."""
    return np.zeros((COUNT, COLUMNS))
