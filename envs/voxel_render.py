"""The world as the player sees it: one ray a pixel, in exact arithmetic, on one thread.

Depth is along the camera's axis: a ray's direction has a forward part of 1, so that t is the depth.
"""

from __future__ import annotations

import numpy as np

from .voxel_blocks import AIR, GLASS, LAMP, SKY_DEPTH, WATER
from .voxel_camera import TAN_HALF_FOV
from .voxel_horizon import above_skyline
from .voxel_kernel import bare, inner
from .voxel_raycast import block_at, cell, walk
from .voxel_sky import HORIZON, LIGHT, sky_color
from .voxel_terrain import SIZE

FOG_START, FOG_END = 28.0, 50.0
"""Distances in blocks between which the land fades into the sky."""
_MASK = SIZE - 1
_WATER_COLOR = (44.0, 92.0, 186.0)
_DEEP_COLOR = (30.0, 72.0, 146.0)
_WATER_END = 18.0
_SEGMENTS = 8


@bare
def draw_world(  # type: ignore[no-untyped-def]
    frame, depth, ids, vox, tops, roofs, textures, cracks, eye, axes, light, clouds, crack, skyline
):
    """Fill frame uint8 [H, W, 3], depth float32 [H, W] and block ids uint8 [H, W].

    `crack` is int64 [4]: the cell being broken and its stage, -1 for none; `skyline` from `find_skyline`.
    """
    rows, columns = depth.shape
    pixel = 2.0 * TAN_HALF_FOV / rows
    start = block_at(vox, cell(eye[0]), cell(eye[1]), cell(eye[2]))
    for j in range(rows):
        y = TAN_HALF_FOV - (j + 0.5) * pixel
        bx, by, bz = axes[0, 0] + y * axes[2, 0], axes[0, 1] + y * axes[2, 1], axes[0, 2] + y * axes[2, 2]
        for i in range(columns):
            x = (i + 0.5 - 0.5 * columns) * pixel
            dx, dy, dz = bx + x * axes[1, 0], by + x * axes[1, 1], bz + x * axes[1, 2]
            length = np.sqrt(1.0 + x * x + y * y)
            if start == AIR and above_skyline(skyline, dx, dy, dz):
                r, g, b = sky_color(dx / length, dy / length, dz / length, light, clouds)
                t, block = SKY_DEPTH, 0
            else:
                r, g, b, t, block = _pixel(
                    vox,
                    tops,
                    roofs,
                    textures,
                    cracks,
                    eye,
                    dx,
                    dy,
                    dz,
                    length,
                    pixel,
                    light,
                    clouds,
                    crack,
                    start,
                )
            frame[j, i, 0], frame[j, i, 1], frame[j, i, 2] = to_byte(r), to_byte(g), to_byte(b)
            depth[j, i] = t
            ids[j, i] = block


@inner
def to_byte(value):  # type: ignore[no-untyped-def]
    """Round a colour value to uint8, cut to 0..255."""
    return np.uint8(min(255.0, max(0.0, value)) + 0.5)


@inner
def _pixel(vox, tops, roofs, textures, cracks, eye, dx, dy, dz, length, pixel, light, clouds, crack, start):  # type: ignore[no-untyped-def]
    """Colour, depth and block of one ray: opaque things at once, water and panes in layers."""
    ox, oy, oz = eye[0], eye[1], eye[2]
    ix, iy, iz = cell(ox), cell(oy), cell(oz)
    limit = FOG_END / length
    medium = WATER if start == WATER else GLASS if start == GLASS else AIR
    left, r, g, b, entered = 1.0, 0.0, 0.0, 0.0, 0.0
    first_t, first_block = -1.0, 0
    inv = 1.0 / length
    for _ in range(_SEGMENTS):
        block, axis, t, ix, iy, iz = walk(vox, tops, ox, oy, oz, dx, dy, dz, ix, iy, iz, medium, limit)
        if medium == WATER:
            # the water that was crossed swallows what lies behind it
            a = min(1.0, (min(t, limit) - entered) * length / _WATER_END)
            a = left * (0.16 + 0.84 * a * (2.0 - a))
            shade = light[LIGHT, 1] * (0.72 + 0.28 * min(1.0, max(0.0, dy * inv + 0.6)))
            r += a * _DEEP_COLOR[0] * shade
            g += a * _DEEP_COLOR[1] * shade
            b += a * _DEEP_COLOR[2] * shade
            left -= a
        if block == -1:
            break
        fog = min(1.0, max(0.0, (t * length - FOG_START) / (FOG_END - FOG_START)))
        if block == AIR:
            if medium == WATER and first_t < 0.0:
                first_t, first_block = t, WATER
            medium = AIR
            continue
        if block == WATER:
            a = 1.0 - abs(dy) * inv
            a = left * (0.45 + 0.4 * a * a)
            tint = a * a * 0.5
            sr, sg, sb = light[HORIZON, 0], light[HORIZON, 1], light[HORIZON, 2]
            wr = _WATER_COLOR[0] * light[LIGHT, 0] * (1 - tint) + sr * tint
            wg = _WATER_COLOR[1] * light[LIGHT, 1] * (1 - tint) + sg * tint
            wb = _WATER_COLOR[2] * light[LIGHT, 2] * (1 - tint) + sb * tint
            if fog > 0.0:
                sr, sg, sb = sky_color(dx * inv, dy * inv, dz * inv, light, clouds)
                a = a + (left - a) * fog
                wr, wg, wb = wr + (sr - wr) * fog, wg + (sg - wg) * fog, wb + (sb - wb) * fog
            r, g, b, left = r + a * wr, g + a * wg, b + a * wb, left - a
            if first_t < 0.0:
                first_t, first_block = t, WATER
            medium, entered = WATER, t
            if left < 0.02:
                break
            continue
        wx, wy, wz = ox + dx * t, oy + dy * t, oz + dz * t
        tr, tg, tb, alpha = _texel(textures, block, axis, wx, wy, wz, dx, dy, dz, t * length * pixel, inv)
        if block == GLASS and alpha < 128.0:
            a = 0.14 * left
            r += a * 205.0 * light[LIGHT, 0]
            g += a * 225.0 * light[LIGHT, 1]
            b += a * 235.0 * light[LIGHT, 2]
            left -= a
            medium = GLASS
            continue
        lr, lg, lb = _lit(roofs, block, axis, ix, iy, iz, dx, dy, dz, t * length, light)
        if crack[3] >= 0 and crack[0] == ix and crack[1] == iy and crack[2] == iz:
            u, v = _face_uv(axis, wx, wy, wz)
            if cracks[crack[3], v, u] > 0:
                lr, lg, lb = lr * 0.45, lg * 0.45, lb * 0.45
        tr, tg, tb = tr * lr, tg * lg, tb * lb
        if fog > 0.0:
            sr, sg, sb = sky_color(dx * inv, dy * inv, dz * inv, light, clouds)
            tr, tg, tb = tr + (sr - tr) * fog, tg + (sg - tg) * fog, tb + (sb - tb) * fog
        if first_t < 0.0:
            first_t, first_block = t, block
        return r + left * tr, g + left * tg, b + left * tb, first_t, first_block & 255
    if left > 0.02:
        sr, sg, sb = sky_color(dx * inv, dy * inv, dz * inv, light, clouds)
        r, g, b = r + left * sr, g + left * sg, b + left * sb
    if first_t < 0.0:
        return r, g, b, SKY_DEPTH, 0
    return r, g, b, first_t, first_block


@inner
def _face_uv(axis, wx, wy, wz):  # type: ignore[no-untyped-def]
    """The texel (u right, v down) of a point on a face of the given axis."""
    u = wz - np.floor(wz) if axis == 0 else wx - np.floor(wx)
    v = wz - np.floor(wz) if axis == 1 else 1.0 - (wy - np.floor(wy))
    return min(15, int(u * 16.0)), min(15, int(v * 16.0))


@inner
def _texel(textures, block, axis, wx, wy, wz, dx, dy, dz, width, inv):  # type: ignore[no-untyped-def]
    """Red, green, blue, alpha of a face, filtered over the pixel's width (blocks across at that distance).

    Levels of half the size each are mixed, so that a texture fades to its mean with the distance.
    """
    if block == 255:
        return 40.0, 40.0, 42.0, 255.0
    slope = abs(dx if axis == 0 else dy if axis == 1 else dz) * inv
    texels = width * 16.0 / np.sqrt(max(slope, 0.08)) * 1.2
    u, v = _face_uv(axis, wx, wy, wz)
    face = 1 if axis != 1 else 0 if dy < 0.0 else 2
    image = textures[block, face]
    if texels <= 1.0:
        k = v * 16 + u
        return float(image[k, 0]), float(image[k, 1]), float(image[k, 2]), float(image[k, 3])
    level, start, size, scale = 0, 0, 16, 1.0
    while texels > 2.0 * scale and level < 3:
        start += size * size
        size >>= 1
        level += 1
        scale *= 2.0
    w = min(1.0, texels / scale - 1.0)
    k = start + (v >> level) * size + (u >> level)
    m = start + size * size + (v >> (level + 1)) * (size >> 1) + (u >> (level + 1))
    r = image[k, 0] + (float(image[m, 0]) - image[k, 0]) * w
    g = image[k, 1] + (float(image[m, 1]) - image[k, 1]) * w
    b = image[k, 2] + (float(image[m, 2]) - image[k, 2]) * w
    return r, g, b, image[k, 3] + (float(image[m, 3]) - image[k, 3]) * w


@inner
def _lit(roofs, block, axis, ix, iy, iz, dx, dy, dz, distance, light):  # type: ignore[no-untyped-def]
    """Brightness of a face: its direction, the open sky above the cell before it, a glow at the player."""
    side = 0.66 if axis == 0 else 0.82
    px, py, pz = ix, iy, iz
    if axis == 0:
        px -= 1 if dx > 0 else -1
    elif axis == 2:
        pz -= 1 if dz > 0 else -1
    else:
        side = 1.0 if dy < 0 else 0.55
        py -= 1 if dy > 0 else -1
    if block == LAMP:
        return 1.0, 1.0, 1.0
    open_sky = exposure(roofs, px, py, pz)
    glow = max(0.0, 1.0 - distance * (1.0 / 15.0))
    dark = 0.30 + 0.40 * glow * glow
    lr = max(dark, dark + (light[LIGHT, 0] - dark) * open_sky)
    lg = max(dark, dark + (light[LIGHT, 1] - dark) * open_sky)
    lb = max(dark, dark + (light[LIGHT, 2] - dark) * open_sky)
    return lr * side, lg * side, lb * side


@inner
def exposure(roofs, x, y, z):  # type: ignore[no-untyped-def]
    """How much of the sky's light (0..1) reaches a cell, from the heights of five columns."""
    x0, x1, z0, z1 = (x - 1) & _MASK, (x + 1) & _MASK, (z - 1) & _MASK, (z + 1) & _MASK
    x, z = x & _MASK, z & _MASK
    total = 4.0 * _open(roofs[x, z], y)
    total += _open(roofs[x0, z], y) + _open(roofs[x1, z], y) + _open(roofs[x, z0], y) + _open(roofs[x, z1], y)
    return total * 0.125


@inner
def _open(roof, y):  # type: ignore[no-untyped-def]
    covered = int(roof) - y
    return 1.0 if covered <= 0 else max(0.0, 0.62 - 0.08 * (covered - 1))
