"""How bodies move: Minecraft's tick by tick arithmetic, boxes against blocks one axis after the other."""

from __future__ import annotations

import numpy as np

from . import voxel_player as p
from .voxel_blocks import CACTUS, SOLID, WATER
from .voxel_camera import sincos
from .voxel_kernel import kernel
from .voxel_raycast import block_at, cell

_EPS = 1e-7
# Columns of the action vector (worldsim.actions.VECTOR_NAMES), fixed by its golden tests.
FORWARD, BACK, LEFT, RIGHT, CAMERA_PITCH, CAMERA_YAW, JUMP, SNEAK, SPRINT = 11, 12, 13, 14, 15, 16, 17, 18, 19


@kernel
def solid_at(vox, x, y, z):  # type: ignore[no-untyped-def]
    """Whether the block of an integer cell stops a body."""
    block = block_at(vox, x, y, z)
    return block == 255 or SOLID[block]


@kernel
def box_hits(vox, x, y, z, radius, tall):  # type: ignore[no-untyped-def]
    """Whether a box standing at feet (x, y, z) overlaps a solid block."""
    for i in range(cell(x - radius + _EPS), cell(x + radius - _EPS) + 1):
        for k in range(cell(z - radius + _EPS), cell(z + radius - _EPS) + 1):
            for j in range(cell(y + _EPS), cell(y + tall - _EPS) + 1):
                if solid_at(vox, i, j, k):
                    return True
    return False


@kernel
def meets(dx, dy, dz, radius, tall):  # type: ignore[no-untyped-def]
    """Whether a box whose feet are (dx, dy, dz) from a cell's lowest corner overlaps that cell."""
    if not (-tall < dy < 1.0):
        return False
    return -radius < dx < 1.0 + radius and -radius < dz < 1.0 + radius


@kernel
def slide(vox, x, y, z, radius, tall, axis, way):  # type: ignore[no-untyped-def]
    """How far (signed, at most `way`) a box can go along an axis before a solid block stops it."""
    low = np.array((x - radius, y, z - radius))
    high = np.array((x + radius, y + tall, z + radius))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    sign = 1 if way > 0 else -1
    edge = high[axis] if way > 0 else low[axis]
    first = cell(edge - _EPS * sign) + sign
    last = cell(edge + way)
    at = np.zeros(3, np.int64)
    at[axis] = first
    while (last - at[axis]) * sign >= 0:
        for i in range(cell(low[a] + _EPS), cell(high[a] - _EPS) + 1):
            for j in range(cell(low[b] + _EPS), cell(high[b] - _EPS) + 1):
                at[a], at[b] = i, j
                if solid_at(vox, at[0], at[1], at[2]):
                    wall = float(at[axis] if sign > 0 else at[axis] + 1)
                    return (max(0.0, wall - edge)) if sign > 0 else min(0.0, wall - edge)
        at[axis] += sign
    return way


@kernel
def supported(vox, x, y, z, radius):  # type: ignore[no-untyped-def]
    """Whether a box at feet (x, y, z) has something to stand on."""
    return box_hits(vox, x, y - 0.05, z, radius, 0.04)


@kernel
def in_water(vox, x, y, z):  # type: ignore[no-untyped-def]
    """Whether a body's lower part is in water."""
    return block_at(vox, cell(x), cell(y + 0.4), cell(z)) == WATER


@kernel
def _pressed(key):  # type: ignore[no-untyped-def]
    return 1.0 if key > 0.5 else 0.0


@kernel
def move_player(s, vox, action):  # type: ignore[no-untyped-def]
    """One tick of looking and moving: player vector `s` in place."""
    s[p.YAW] += action[CAMERA_YAW]
    s[p.PITCH] = min(90.0, max(-90.0, s[p.PITCH] + action[CAMERA_PITCH]))
    sneak = action[SNEAK] > 0.5
    s[p.EYE] += ((p.EYE_SNEAKING if sneak else p.EYE_STANDING) - s[p.EYE]) * 0.5
    wet = in_water(vox, s[p.X], s[p.Y], s[p.Z])
    jump = action[JUMP] > 0.5
    ahead = _pressed(action[FORWARD]) - _pressed(action[BACK])
    right = _pressed(action[RIGHT]) - _pressed(action[LEFT])
    sprint = action[SPRINT] > 0.5 and ahead > 0 and not sneak
    ground = s[p.GROUND] > 0.5
    sy, cy = sincos(s[p.YAW])
    if jump and wet:
        s[p.VY] += 0.04
    elif jump and ground:
        s[p.VY] = 0.42
        if sprint:
            s[p.VX] += -sy * 0.2
            s[p.VZ] += cy * 0.2
    elif sneak and wet:
        s[p.VY] -= 0.04
    push = 0.02 * (1.3 if sprint else 1.0)
    if ground and not wet:
        push = 0.13 if sprint else 0.1
    push *= 0.98 * (0.3 if sneak and not wet else 1.0)
    if ahead != 0.0 and right != 0.0:
        push *= 0.7071067811865476
    s[p.VX] += (-sy * ahead - cy * right) * push
    s[p.VZ] += (cy * ahead - sy * right) * push
    _travel(s, vox, sneak and ground, wet, jump)
    drag = 0.8 if wet else 0.546 if ground else 0.91
    s[p.VX] *= drag
    s[p.VZ] *= drag
    s[p.VY] = s[p.VY] * 0.8 - 0.02 if wet else (s[p.VY] - 0.08) * 0.98
    for axis in (p.VX, p.VZ):
        if abs(s[axis]) < 0.003:
            s[axis] = 0.0
    s[p.WATER] = 1.0 if in_water(vox, s[p.X], s[p.Y], s[p.Z]) else 0.0


@kernel
def _travel(s, vox, careful, wet, jump):  # type: ignore[no-untyped-def]
    """Move by the velocity, stop at walls and count the fall."""
    if careful:
        _keep_edge(s, vox)
    dy = slide(vox, s[p.X], s[p.Y], s[p.Z], p.RADIUS, p.TALL, 1, s[p.VY])
    s[p.Y] += dy
    landed = dy != s[p.VY] and s[p.VY] < 0.0
    s[p.FALL] = 0.0 if wet else max(0.0, s[p.FALL] - dy)
    if dy != s[p.VY]:
        s[p.VY] = 0.0
    s[p.CONTACT] = 0.0
    for axis in range(0, 3, 2):
        v = s[p.VX + axis]
        d = slide(vox, s[p.X], s[p.Y], s[p.Z], p.RADIUS, p.TALL, axis, v)
        s[p.X + axis] += d
        if d != v:
            s[p.VX + axis], s[p.CONTACT] = 0.0, 1.0
    s[p.GROUND] = 1.0 if landed else 0.0
    if (
        wet
        and jump
        and s[p.CONTACT] > 0.0
        and not box_hits(vox, s[p.X], s[p.Y] + 0.6, s[p.Z], p.RADIUS, p.TALL)
    ):
        s[p.VY] = 0.3  # out of the water, over a bank


@kernel
def _keep_edge(s, vox):  # type: ignore[no-untyped-def]
    """Shorten a sneaking player's step until there is ground below its end."""
    for axis in (p.VX, p.VZ):
        at = p.X if axis == p.VX else p.Z
        for _ in range(64):
            x, z = s[p.X], s[p.Z]
            if at == p.X:
                x += s[axis]
            else:
                z += s[axis]
            if s[axis] == 0.0 or supported(vox, x, s[p.Y], z, p.RADIUS):
                break
            s[axis] = 0.0 if abs(s[axis]) <= 0.05 else s[axis] - 0.05 * np.sign(s[axis])
    for _ in range(64):
        if supported(vox, s[p.X] + s[p.VX], s[p.Y], s[p.Z] + s[p.VZ], p.RADIUS):
            break
        for axis in (p.VX, p.VZ):
            s[axis] = 0.0 if abs(s[axis]) <= 0.05 else s[axis] - 0.05 * np.sign(s[axis])


@kernel
def suffer(s, vox):  # type: ignore[no-untyped-def]
    """Falls, cacti and drowning take health; time gives it back."""
    hurt = 0.0
    if s[p.GROUND] > 0.5:
        s[p.FELL] = np.floor(s[p.FALL] + 0.5)
        hurt += max(0.0, np.ceil(s[p.FALL] - 3.0))
        s[p.FALL] = 0.0
    if s[p.CONTACT] > 0.0 and s[p.TICK] % 10 == 0 and _touches(s, vox, CACTUS):
        hurt += 1.0
    head = block_at(vox, cell(s[p.X]), cell(s[p.Y] + s[p.EYE]), cell(s[p.Z]))
    s[p.BREATH] = s[p.BREATH] - 1.0 if head == WATER else min(p.MAX_BREATH, s[p.BREATH] + 4.0)
    if s[p.BREATH] <= -20.0:
        s[p.BREATH] = 0.0
        hurt += 2.0
    s[p.REGROW] = 0.0 if hurt > 0.0 else s[p.REGROW] + 1.0
    if s[p.REGROW] >= 80.0 and s[p.HEALTH] > 0.0:
        s[p.REGROW] = 0.0
        s[p.HEALTH] = min(p.MAX_HEALTH, s[p.HEALTH] + 1.0)
    s[p.DAMAGE] = hurt
    s[p.HEALTH] = max(0.0, s[p.HEALTH] - hurt)


@kernel
def _touches(s, vox, block):  # type: ignore[no-untyped-def]
    for i in range(cell(s[p.X] - 0.31), cell(s[p.X] + 0.31) + 1):
        for k in range(cell(s[p.Z] - 0.31), cell(s[p.Z] + 0.31) + 1):
            for j in range(cell(s[p.Y]), cell(s[p.Y] + 1.7) + 1):
                if block_at(vox, i, j, k) == block:
                    return True
    return False
