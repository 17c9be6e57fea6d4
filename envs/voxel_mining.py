"""What hands do: aim, break over ticks, place, choose, drop and swap; and the journal of edits.

Every change of the world goes through `edit`, so that a snapshot is the list of changes.
"""

from __future__ import annotations

import numpy as np

from . import voxel_player as p
from .voxel_animals import in_animal
from .voxel_blocks import AIR, BREAK_TICKS, DROPS, GRAVEL, SAND, WATER
from .voxel_camera import view_axes
from .voxel_kernel import kernel
from .voxel_physics import meets
from .voxel_raycast import block_at, cell, walk
from .voxel_terrain import HEIGHT, SIZE, column_tops

REACH = 4.5
SLOTS = 9
STACK = 64
HOTBAR_1, SWAP, ATTACK, USE, PICK, DROP = 2, 20, 21, 22, 23, 24
_MASK = SIZE - 1


@kernel
def edit(vox, tops, roofs, journal, count, x, y, z, block):  # type: ignore[no-untyped-def]
    """Set one block; the journal int64 [n, 3] gets (flat index, old, new). Returns the new count."""
    x, z = x & _MASK, z & _MASK
    journal[count, 0] = (x * SIZE + z) * HEIGHT + y
    journal[count, 1], journal[count, 2] = vox[x, z, y], block
    vox[x, z, y] = block
    column_tops(vox, x, z, tops, roofs)
    return count + 1


@kernel
def replay(vox, tops, roofs, journal, start, stop):  # type: ignore[no-untyped-def]
    """Apply the journal's entries start..stop; with stop < start, undo them from start - 1 down to stop."""
    back = stop < start
    for n in range(abs(stop - start)):
        k = start - 1 - n if back else start + n
        at = journal[k, 0]
        x, z, y = at // (SIZE * HEIGHT), at // HEIGHT % SIZE, at % HEIGHT
        vox[x, z, y] = journal[k, 1 if back else 2]
        column_tops(vox, x, z, tops, roofs)


@kernel
def aim(s, vox, tops):  # type: ignore[no-untyped-def]
    """Find the block in reach of the crosshair and the open cell before it; water is looked through."""
    axes = view_axes(s[p.YAW], s[p.PITCH])
    ox, oy, oz = s[p.X], s[p.Y] + s[p.EYE], s[p.Z]
    dx, dy, dz = axes[0, 0], axes[0, 1], axes[0, 2]
    ix, iy, iz = cell(ox), cell(oy), cell(oz)
    medium = block_at(vox, ix, iy, iz)
    for n in range(p.BREAK_X - p.AIM_X):
        s[p.AIM_X + n] = -1.0
    for _ in range(8):
        block, axis, t, ix, iy, iz = walk(vox, tops, ox, oy, oz, dx, dy, dz, ix, iy, iz, medium, REACH)
        if block == -1 or block == 255:
            return REACH + 1.0
        if block != AIR and block != WATER:
            s[p.AIM_X], s[p.AIM_Y], s[p.AIM_Z], s[p.AIM_BLOCK] = ix, iy, iz, block
            s[p.PREV_X], s[p.PREV_Y], s[p.PREV_Z] = ix, iy, iz
            back = p.PREV_X + axis
            s[back] -= np.sign(dx if axis == 0 else dy if axis == 1 else dz)
            return t
        medium = block
    return REACH + 1.0


@kernel
def use_hands(s, items, counts, animals, vox, tops, roofs, journal, count, action, may_break):  # type: ignore[no-untyped-def]
    """One tick of the hands; returns the new length of the journal."""
    _choose(s, items, counts, action)
    for wait in (p.BREAK_WAIT, p.USE_WAIT):
        s[wait] = max(0.0, s[wait] - 1.0)
    attack, use = action[ATTACK] > 0.5, action[USE] > 0.5
    if s[p.SWING] > 0.0 or attack:
        s[p.SWING] = (s[p.SWING] + 1.0) % 6.0
    if attack and may_break:
        count = _break(s, items, counts, animals, vox, tops, roofs, journal, count)
    else:
        s[p.PROGRESS], s[p.BREAK_Y] = 0.0, -1.0
    if use and s[p.USE_WAIT] == 0.0:
        count = _place(s, items, counts, animals, vox, tops, roofs, journal, count)
    return count


@kernel
def _choose(s, items, counts, action):  # type: ignore[no-untyped-def]
    """Hotbar keys, pick, drop and swap."""
    for n in range(SLOTS):
        if action[HOTBAR_1 + n] > 0.5:
            s[p.SLOT] = n
    if action[PICK] > 0.5 and s[p.AIM_BLOCK] > 0:
        wanted = DROPS[int(s[p.AIM_BLOCK])]
        for n in range(SLOTS - 1, -1, -1):
            if counts[n] > 0 and items[n] == wanted:
                s[p.SLOT] = n
    slot = int(s[p.SLOT])
    if action[DROP] > 0.5 and s[p.DROP_HELD] == 0.0:
        take(items, counts, slot)
    s[p.DROP_HELD] = 1.0 if action[DROP] > 0.5 else 0.0
    if action[SWAP] > 0.5 and s[p.SWAP_HELD] == 0.0:
        item, number = items[slot], counts[slot]
        items[slot], counts[slot] = np.uint8(s[p.OFF_ITEM]), int(s[p.OFF_COUNT])
        s[p.OFF_ITEM], s[p.OFF_COUNT] = item, number
    s[p.SWAP_HELD] = 1.0 if action[SWAP] > 0.5 else 0.0


@kernel
def take(items, counts, slot):  # type: ignore[no-untyped-def]
    """Remove one item from a slot, if there is any."""
    if counts[slot] > 0:
        counts[slot] -= 1
        if counts[slot] == 0:
            items[slot] = AIR


@kernel
def give(items, counts, item):  # type: ignore[no-untyped-def]
    """Put one item into its stack or the first empty slot; lost when all are full."""
    if item == AIR:
        return
    for n in range(SLOTS):
        if items[n] == item and 0 < counts[n] < STACK:
            counts[n] += 1
            return
    for n in range(SLOTS):
        if counts[n] == 0:
            items[n], counts[n] = item, 1
            return


@kernel
def _break(s, items, counts, animals, vox, tops, roofs, journal, count):  # type: ignore[no-untyped-def]
    block = int(s[p.AIM_BLOCK])
    if block <= 0 or s[p.BREAK_WAIT] > 0.0 or BREAK_TICKS[block] == 0:
        s[p.PROGRESS], s[p.BREAK_Y] = 0.0, -1.0
        return count
    x, y, z = int(s[p.AIM_X]), int(s[p.AIM_Y]), int(s[p.AIM_Z])
    if s[p.BREAK_X] != x or s[p.BREAK_Y] != y or s[p.BREAK_Z] != z:
        s[p.BREAK_X], s[p.BREAK_Y], s[p.BREAK_Z], s[p.PROGRESS] = x, y, z, 0.0
    s[p.PROGRESS] += 1.0 / BREAK_TICKS[block]
    if s[p.PROGRESS] < 1.0 - 1e-9:
        return count
    s[p.PROGRESS], s[p.BREAK_Y], s[p.BREAK_WAIT], s[p.BROKEN] = 0.0, -1.0, 5.0, 1.0
    give(items, counts, DROPS[block])
    count = edit(vox, tops, roofs, journal, count, x, y, z, _fill(vox, x, y, z))
    return _settle(s, items, counts, animals, vox, tops, roofs, journal, count, x, y, z)


@kernel
def _fill(vox, x, y, z):  # type: ignore[no-untyped-def]
    """What takes the place of a broken block: water that stands beside or above it, or air."""
    wet = (
        block_at(vox, x, y + 1, z) == WATER
        or block_at(vox, x + 1, y, z) == WATER
        or block_at(vox, x - 1, y, z) == WATER
        or block_at(vox, x, y, z + 1) == WATER
        or block_at(vox, x, y, z - 1) == WATER
    )
    return WATER if wet else AIR


@kernel
def _settle(s, items, counts, animals, vox, tops, roofs, journal, count, x, y, z):  # type: ignore[no-untyped-def]
    """Sand and gravel above an opened cell come down; what would bury a body breaks up and is picked up."""
    while y + 1 < HEIGHT:
        here, above = block_at(vox, x, y, z), block_at(vox, x, y + 1, z)
        if (above != SAND and above != GRAVEL) or (here != AIR and here != WATER):
            break
        floor = _landing(vox, x, y, z)
        count = edit(vox, tops, roofs, journal, count, x, y + 1, z, _fill(vox, x, y + 1, z))
        if _occupied(s, animals, x, floor, z):
            give(items, counts, above)
        else:
            count = edit(vox, tops, roofs, journal, count, x, floor, z, above)
        y += 1
    return count


@kernel
def _landing(vox, x, y, z):  # type: ignore[no-untyped-def]
    """The height at which what falls from cell (x, y, z) comes to rest."""
    while y > 0 and (block_at(vox, x, y - 1, z) == AIR or block_at(vox, x, y - 1, z) == WATER):
        y -= 1
    return y


@kernel
def _occupied(s, animals, x, y, z):  # type: ignore[no-untyped-def]
    """Whether the player or an animal stands in a cell: no block may come to be there."""
    if meets(s[p.X] - x, s[p.Y] - y, s[p.Z] - z, p.RADIUS, p.TALL):
        return True
    return in_animal(animals, x, y, z)


@kernel
def _place(s, items, counts, animals, vox, tops, roofs, journal, count):  # type: ignore[no-untyped-def]
    slot = int(s[p.SLOT])
    x, y, z = int(s[p.PREV_X]), int(s[p.PREV_Y]), int(s[p.PREV_Z])
    if s[p.AIM_BLOCK] <= 0 or counts[slot] == 0 or not 0 < y < HEIGHT:
        return count
    here = block_at(vox, x, y, z)
    if (here != AIR and here != WATER) or _occupied(s, animals, x, y, z):
        return count
    block = items[slot]
    if block in (SAND, GRAVEL):
        y = _landing(vox, x, y, z)
        if _occupied(s, animals, x, y, z):
            return count
    s[p.USE_WAIT], s[p.PLACED] = 4.0, 1.0
    if s[p.SWING] == 0.0:
        s[p.SWING] = 1.0
    take(items, counts, slot)
    return edit(vox, tops, roofs, journal, count, x, y, z, block)
