"""Animals as small boxes with a little texture, drawn into the picture where they are nearest."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from . import voxel_animals as herd
from .voxel_blocks import ANIMAL_ID
from .voxel_camera import TAN_HALF_FOV, sincos
from .voxel_kernel import bare, inner
from .voxel_random import unit
from .voxel_raycast import cell, inverse
from .voxel_render import FOG_END, FOG_START, exposure, to_byte
from .voxel_sky import LIGHT, sky_color

# A box: centre x y z, half sizes x y z (right, up, forward; blocks), colour, grain, part.
BODY, HEAD, LEG_A, LEG_B, OTHER = range(5)
_ROUND = 0.95


def _animal(body: list[float], head: list[float], leg: list[float], extra: list[float]) -> list[list[float]]:
    """Body, head, one more box and four legs: `leg` is half width, half height, spread x, spread z, colour."""
    w, h, x, z, *color = leg
    legs = [[sx * x, h, sz * z, w, h, w, *color, 0.06, LEG_A if sx * sz > 0 else LEG_B]
            for sx in (-1, 1) for sz in (-1, 1)]  # fmt: skip
    return [[*body, BODY], [*head, HEAD], [*extra, OTHER], *legs]


@functools.cache
def animal_boxes() -> NDArray[np.float64]:
    """The boxes of all kinds, float64 [kind, 7, 11]."""
    boxes = np.array([
        _animal([0, 0.52, 0, 0.30, 0.25, 0.44, 226, 150, 150, 0.06],
                [0, 0.66, 0.52, 0.24, 0.23, 0.20, 232, 160, 158, 0.04],
                [0.11, 0.15, 0.18, 0.30, 206, 132, 132], [0, 0.58, 0.74, 0.11, 0.08, 0.05, 200, 118, 118, 0.0]),
        _animal([0, 0.78, 0, 0.33, 0.28, 0.50, 92, 68, 54, 0.9],
                [0, 0.98, 0.60, 0.22, 0.23, 0.18, 82, 60, 48, 0.1],
                [0.11, 0.26, 0.20, 0.36, 74, 54, 44], [0, 0.86, 0.79, 0.17, 0.09, 0.04, 206, 190, 180, 0.0]),
        _animal([0, 0.76, 0, 0.34, 0.31, 0.46, 230, 228, 222, 0.05],
                [0, 0.98, 0.54, 0.18, 0.18, 0.19, 196, 164, 146, 0.04],
                [0.11, 0.24, 0.18, 0.28, 204, 184, 170], [0, 1.12, 0.50, 0.20, 0.09, 0.17, 230, 228, 222, 0.04]),
        _animal([0, 0.40, 0, 0.19, 0.18, 0.24, 236, 234, 230, 0.05],
                [0, 0.70, 0.22, 0.12, 0.18, 0.10, 236, 234, 230, 0.03],
                [0.05, 0.12, 0.09, 0.03, 214, 160, 52], [0, 0.70, 0.36, 0.10, 0.05, 0.05, 226, 150, 40, 0.0]),
    ])  # fmt: skip
    boxes.setflags(write=False)
    return boxes


@bare
def draw_animals(frame, depth, ids, animals, boxes, roofs, eye, axes, light, clouds):  # type: ignore[no-untyped-def]
    """Draw every living animal in sight over frame, depth and ids (see `draw_world`)."""
    rows, columns = depth.shape
    pixel = 2.0 * TAN_HALF_FOV / rows
    for n in range(herd.COUNT):
        a = animals[n]
        if a[herd.LIFE] <= 0.0:
            continue
        mx, my, mz = (
            herd.wrapped(a[herd.X] - eye[0]),
            a[herd.Y] + 0.6 - eye[1],
            herd.wrapped(a[herd.Z] - eye[2]),
        )
        z = mx * axes[0, 0] + my * axes[0, 1] + mz * axes[0, 2]
        if z < -_ROUND or mx * mx + my * my + mz * mz > FOG_END * FOG_END:
            continue
        i0, i1, j0, j1 = 0, columns, 0, rows
        if z > 1.2 * _ROUND:
            x = mx * axes[1, 0] + my * axes[1, 1] + mz * axes[1, 2]
            y = mx * axes[2, 0] + my * axes[2, 1] + mz * axes[2, 2]
            half = 1.5 * _ROUND / (z - _ROUND) / pixel if z < 3.0 else 1.25 * _ROUND / z / pixel + 2.0
            ci, cj = x / z / pixel + 0.5 * columns, 0.5 * rows - y / z / pixel
            i0, i1 = max(0, int(ci - half)), min(columns, int(ci + half + 1.0))
            j0, j1 = max(0, int(cj - half)), min(rows, int(cj + half + 1.0))
        if i0 < i1 and j0 < j1:
            _draw_one(
                frame, depth, ids, a, boxes, roofs, eye, axes, light, clouds, mx, my - 0.6, mz, i0, i1, j0, j1
            )


@bare
def _draw_one(frame, depth, ids, a, boxes, roofs, eye, axes, light, clouds, mx, my, mz, i0, i1, j0, j1):  # type: ignore[no-untyped-def]
    """One animal with its feet at (mx, my, mz) from the eye, in the given rectangle of pixels."""
    rows, columns = depth.shape
    pixel = 2.0 * TAN_HALF_FOV / rows
    kind = int(a[herd.KIND])
    sy, cy = sincos(a[herd.YAW])
    swing, _ = sincos(a[herd.STEP] * 300.0)
    # the eye in the animal's own axes: x right, y up, z forward
    ex, ey, ez = mx * cy + mz * sy, -my, -(-mx * sy + mz * cy)
    open_sky = exposure(roofs, cell(a[herd.X]), cell(a[herd.Y] + 0.5), cell(a[herd.Z]))
    for j in range(j0, j1):
        y = TAN_HALF_FOV - (j + 0.5) * pixel
        for i in range(i0, i1):
            x = (i + 0.5 - 0.5 * columns) * pixel
            wx = axes[0, 0] + y * axes[2, 0] + x * axes[1, 0]
            wy = axes[0, 1] + y * axes[2, 1] + x * axes[1, 1]
            wz = axes[0, 2] + y * axes[2, 2] + x * axes[1, 2]
            dx, dz = -wx * cy - wz * sy, -wx * sy + wz * cy
            length = np.sqrt(1.0 + x * x + y * y)
            # the sphere round the boxes: most pixels of the rectangle miss it
            along = -(ex * dx + (ey - 0.62) * wy + ez * dz) / length
            if ex * ex + (ey - 0.62) * (ey - 0.62) + ez * ez - along * along > _ROUND * _ROUND:
                continue
            t, part, axis = _nearest(boxes[kind], ex, ey, ez, dx, wy, dz, 0.12 * swing, float(depth[j, i]))
            if part < 0:
                continue
            r, g, b = _skin(boxes[kind, part], axis, ex + dx * t, ey + wy * t, ez + dz * t, dz, t * length)
            side = 0.84 if axis == 2 else 0.7 if axis == 0 else 1.0 if wy < 0.0 else 0.5
            hurt = 0.55 if a[herd.SCARE] > 52.0 else 1.0
            lr = side * (0.25 + (light[LIGHT, 0] - 0.25) * open_sky)
            lg = side * (0.25 + (light[LIGHT, 1] - 0.25) * open_sky) * hurt
            lb = side * (0.25 + (light[LIGHT, 2] - 0.25) * open_sky) * hurt
            fog = min(1.0, max(0.0, (t * length - FOG_START) / (FOG_END - FOG_START)))
            sr, sg, sb = 0.0, 0.0, 0.0
            if fog > 0.0:
                sr, sg, sb = sky_color(wx / length, wy / length, wz / length, light, clouds)
            frame[j, i, 0] = to_byte(r * lr * (1.0 - fog) + sr * fog)
            frame[j, i, 1] = to_byte(g * lg * (1.0 - fog) + sg * fog)
            frame[j, i, 2] = to_byte(b * lb * (1.0 - fog) + sb * fog)
            depth[j, i], ids[j, i] = t, ANIMAL_ID + kind


@inner
def _nearest(boxes, ex, ey, ez, dx, dy, dz, swing, limit):  # type: ignore[no-untyped-def]
    """The first box a ray enters before `limit`: (t, box or -1, axis of the face)."""
    ax, ay, az = inverse(dx), inverse(dy), inverse(dz)
    best, part, face = limit, -1, 0
    for n in range(boxes.shape[0]):
        box = boxes[n]
        z = box[2]
        if box[10] == LEG_A:
            z += swing
        elif box[10] == LEG_B:
            z -= swing
        # slabs: middle and half width of the time spent between two planes of each axis
        tx = (box[0] - ex) * (ax if dx > 0 else -ax)
        ty = (box[1] - ey) * (ay if dy > 0 else -ay)
        tz = (z - ez) * (az if dz > 0 else -az)
        nx, ny, nz = tx - box[3] * ax, ty - box[4] * ay, tz - box[5] * az
        near = max(nx, max(ny, nz))
        far = min(tx + box[3] * ax, min(ty + box[4] * ay, tz + box[5] * az))
        if near < far and 0.02 < near < best:
            best, part = near, n
            face = 0 if near == nx else 1 if near == ny else 2
    return best, part, face


@inner
def _skin(box, axis, x, y, z, dz, distance):  # type: ignore[no-untyped-def]
    """Colour of a point of a box: grain or patches, and two eyes on the front of the head."""
    r, g, b = box[6], box[7], box[8]
    near = max(0.0, min(1.0, (16.0 - distance) / 10.0))
    if box[10] == HEAD and axis == 2 and dz < 0.0:
        u, v = abs(x - box[0]) / box[3], (y - box[1]) / box[4]
        if 0.45 < u < 0.9 and 0.0 < v < 0.42:
            return r + (24.0 - r) * near, g + (24.0 - g) * near, b + (28.0 - b) * near
        return r, g, b
    if box[9] > 0.5:  # a cow's white patches, large enough to be seen from afar
        w = unit(np.uint64(3), cell(x * 4.0), cell(y * 4.0), cell(z * 4.0))
        mix = 1.0 if w > 0.72 else 0.0
        mix = 0.28 + (mix - 0.28) * near
        return r + (222.0 - r) * mix, g + (216.0 - g) * mix, b + (208.0 - b) * mix
    w = 1.0 + box[9] * near * 2.0 * (unit(np.uint64(4), cell(x * 10.0), cell(y * 10.0), cell(z * 10.0)) - 0.5)
    return r * w, g * w, b * w
