"""The compiled reprojection of `warp.py` for the CPU: one reference after the other, no allocation per pixel."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model._faces_kernel import close_within, fill_faces
from worldsim.model._lanes_kernel import LANES, weighted
from worldsim.model.camera import FAR, TIGHT
from worldsim.model.faces import BEHIND


@nb.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def reproject(
    frames: Any, depth: Any, rotation: Any, translation: Any, usable: Any, tan_x: float, tan_y: float,
    solid: bool, out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `out`, `out_depth` and `known`; see `warp.warp` for shapes."""
    clear = _clear(usable)
    for i in nb.prange(len(frames)):
        z_buffer = _z_buffer(depth[i, 0], rotation[i], translation[i], usable, tan_x, tan_y, solid)
        _lookup(
            frames[i], rotation[i], translation[i], usable, clear, tan_x, tan_y, z_buffer,
            out[i], out_depth[i, 0], known[i, 0],
        )  # fmt: skip


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _z_buffer(depth: Any, r: Any, t: Any, usable: Any, tan_x: float, tan_y: float, solid: bool) -> Any:
    """Depth `[H, W]` of the nearest surface of a reference at each pixel of the view, 0 where there is none."""
    us, vs, zs = _land(depth, r, t, tan_x, tan_y)
    tight = np.zeros(depth.shape, np.float32)
    if solid:
        _splat_tight(depth, usable, us, vs, zs, tight)
        close_within(tight)
        close_within(tight)  # twice, for where two cracks cross
        fill_faces(depth, usable, us, vs, zs, tight)
    else:
        loose = np.zeros(depth.shape, np.float32)
        _splat(depth, usable, us, vs, zs, tight, loose)
        _close_cracks(tight, loose)
        _close_cracks(tight, loose)
    return tight


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _land(depth: Any, r: Any, t: Any, tan_x: float, tan_y: float) -> Any:
    """Where the points of a reference lie in the view `[H, W]`: columns, rows, depths."""
    height, width = depth.shape
    rays = np.empty(width, np.float32)
    for i in range(width):
        rays[i] = ((i + 0.5) / width * 2 - 1) * tan_x
    us, vs, zs = np.empty(depth.shape), np.empty(depth.shape), np.empty(depth.shape, np.float32)
    for j in range(height):
        ray_y = np.float32(((j + 0.5) / height * 2 - 1) * tan_y)
        _project(depth[j], r, t, rays, ray_y, height, tan_x, tan_y, us[j], vs[j], zs[j])
    return us, vs, zs


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _splat_tight(depth: Any, usable: Any, us: Any, vs: Any, zs: Any, tight: Any) -> None:
    """The first of the two z-buffers of `_splat` alone."""
    height, width = depth.shape
    wide = width + 2
    padded = np.full((height + 2) * wide, np.inf, np.float32)  # so that no neighbour lies outside
    for j in range(height):
        for i in range(width):
            z, u, v = zs[j, i], us[j, i], vs[j, i]
            shown = usable[j, i] & (depth[j, i] > 0) & (z > BEHIND)
            if not (shown & (u > -1) & (u < width) & (v > -1) & (v < height)):
                continue
            column, row = math.floor(u + 0.5), math.floor(v + 0.5)
            at = (row + 1) * wide + column + 1
            padded[at] = min(z, padded[at])
            # Nearly all points cover one pixel.
            across, down = 1 if u > column else -1, wide if v > row else -wide
            wider = abs(column + across - u) <= TIGHT
            higher = abs(row + (1 if v > row else -1) - v) <= TIGHT
            if wider:
                padded[at + across] = min(z, padded[at + across])
            if higher:
                padded[at + down] = min(z, padded[at + down])
            if wider and higher:
                padded[at + across + down] = min(z, padded[at + across + down])
    for j in range(height):
        for i in range(width):
            z = padded[(j + 1) * wide + i + 1]
            tight[j, i] = z if z < np.inf else np.float32(0)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _splat(depth: Any, usable: Any, us: Any, vs: Any, zs: Any, tight: Any, loose: Any) -> None:
    """Fill two z-buffers: `tight` where a point lands within `TIGHT` pixels, `loose` within one pixel."""
    height, width = depth.shape
    for j in range(height):
        for i in range(width):
            z, u, v = zs[j, i], us[j, i], vs[j, i]
            if (
                not usable[j, i]
                or depth[j, i] <= 0
                or z <= BEHIND
                or not (-1 < u < width and -1 < v < height)
            ):
                continue
            u0, v0 = math.floor(u), math.floor(v)
            for row in range(max(v0, 0), min(v0 + 2, height)):
                for column in range(max(u0, 0), min(u0 + 2, width)):
                    if loose[row, column] == 0 or z < loose[row, column]:
                        loose[row, column] = z
                    if abs(row - v) > TIGHT or abs(column - u) > TIGHT:
                        continue
                    if tight[row, column] == 0 or z < tight[row, column]:
                        tight[row, column] = z


# The two loops over a row below have no branch, and division by zero gives infinity instead of raising: so
# the compiler makes vector instructions of them.
@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _project(
    depth: Any, r: Any, t: Any, rays: Any, ray_y: float, height: int, tan_x: float, tan_y: float,
    us: Any, vs: Any, zs: Any,
) -> None:  # fmt: skip
    """Where the points of a row lie in the view: column `us`, row `vs`, depth `zs`."""
    width = len(rays)
    r00, r01, r02, t0 = r[0, 0], r[0, 1], r[0, 2], t[0]
    r10, r11, r12, t1 = r[1, 0], r[1, 1], r[1, 2], t[1]
    r20, r21, r22, t2 = r[2, 0], r[2, 1], r[2, 2], t[2]
    scale_u, scale_v = width / (2 * tan_x), height / (2 * tan_y)
    middle_u, middle_v = width / 2 - 0.5, height / 2 - 0.5
    for i in range(width):
        d = depth[i]
        x, y = rays[i] * d, ray_y * d
        z = r20 * x + r21 * y + r22 * d + t2
        near = 1.0 / z
        us[i] = (r00 * x + r01 * y + r02 * d + t0) * near * scale_u + middle_u
        vs[i] = (r10 * x + r11 * y + r12 * d + t1) * near * scale_v + middle_v
        zs[i] = z


@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sources(
    z_buffer: Any, r: Any, t: Any, ray_y: float, height: int, tan_x: float, tan_y: float, us: Any, vs: Any
) -> None:
    """Where the surfaces that a row of the view shows lie in the reference: column `us`, row `vs`."""
    width = len(z_buffer)
    r00, r10, r20 = r[0, 0], r[1, 0], r[2, 0]
    r01, r11, r21 = r[0, 1], r[1, 1], r[2, 1]
    r02, r12, r22 = r[0, 2], r[1, 2], r[2, 2]
    t0, t1, t2 = t[0], t[1], t[2]
    scale_u, scale_v = width / (2 * tan_x), height / (2 * tan_y)
    middle_u, middle_v = width / 2 - 0.5, height / 2 - 0.5
    for i in range(width):
        z = z_buffer[i]
        x = ((i + 0.5) / width * 2 - 1) * tan_x * z - t0
        y, w = ray_y * z - t1, z - t2
        near = 1.0 / (r02 * x + r12 * y + r22 * w)
        us[i] = (r00 * x + r10 * y + r20 * w) * near * scale_u + middle_u
        vs[i] = (r01 * x + r11 * y + r21 * w) * near * scale_v + middle_v


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _lookup(
    frame: Any, r: Any, t: Any, usable: Any, clear: Any, tan_x: float, tan_y: float, z_buffer: Any,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    _, height, width = frame.shape
    lanes = _interleaved(frame)
    us, vs, rest = np.empty(width), np.empty(width), np.empty(width, np.bool_)
    for j in range(height):
        ray_y = ((j + 0.5) / height * 2 - 1) * tan_y
        _sources(z_buffer[j], r, t, ray_y, height, tan_x, tan_y, us, vs)
        out[:, j] = 0
        _cubic(lanes, clear, us, vs, z_buffer[j], out[:, j], rest)
        _bilinear(frame, usable, us, vs, out[:, j], rest)
        for i in range(width):
            shown = z_buffer[j, i] != 0 and not rest[i]
            out_depth[j, i] = z_buffer[j, i] if shown else np.float32(FAR)
            known[j, i] = np.float32(1) if shown else np.float32(0)


# Arrays that are handed to another function are counted, with a locked instruction each: so that here and below
# functions get whole rows, and not a pixel.
@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _cubic(lanes: Any, clear: Any, us: Any, vs: Any, z_buffer: Any, out: Any, rest: Any) -> None:
    """Catmull-Rom interpolation of a row, of `_interleaved` channels; `rest` says where it is too near HUD or edge."""
    height, width = clear.shape
    for i in range(width):
        rest[i] = z_buffer[i] != 0
        if not rest[i]:
            continue
        u0, v0 = math.floor(us[i]), math.floor(vs[i])
        if u0 < 1 or v0 < 1 or u0 > width - 3 or v0 > height - 3 or not clear[v0, u0]:
            continue
        rest[i] = False
        across, down = _catmull_rom(np.float32(us[i] - u0)), _catmull_rom(np.float32(vs[i] - v0))
        first = ((v0 - 1) * width + u0 - 1) * LANES
        mixed: Any = weighted(lanes, first, width * LANES, across, down)  # type: ignore[call-arg]
        out[0, i], out[1, i], out[2, i], _ = mixed


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _interleaved(frame: Any) -> Any:
    """Up to three channels `[C, H, W]`, innermost: flat, four numbers a pixel."""
    channels, height, width = frame.shape
    lanes = np.zeros(height * width * LANES, np.float32)
    for c in range(channels):
        flat = frame[c].reshape(-1)
        for i in range(height * width):
            lanes[i * LANES + c] = flat[i]
    return lanes


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _close_cracks(tight: Any, loose: Any) -> None:
    """Give holes between two covered neighbours, left and right or above and below, their loose depth."""
    height, width = tight.shape
    covered = tight > 0
    for j in range(height):
        for i in range(width):
            if covered[j, i] or loose[j, i] == 0:
                continue
            beside = 0 < i < width - 1 and covered[j, i - 1] and covered[j, i + 1]
            if beside or (0 < j < height - 1 and covered[j - 1, i] and covered[j + 1, i]):
                tight[j, i] = loose[j, i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _clear(usable: Any) -> Any:
    """Where all sixteen pixels of a cubic are usable, by its upper left inner pixel."""
    height, width = usable.shape
    clear = np.zeros((height, width), np.bool_)
    for j in range(1, height - 2):
        for i in range(1, width - 2):
            whole = True
            for row in range(j - 1, j + 3):
                for column in range(i - 1, i + 3):
                    whole &= usable[row, column]
            clear[j, i] = whole
    return clear


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _catmull_rom(t: float) -> Any:
    """Weights of the pixels at -1, 0, 1 and 2 for a point at `t` in [0, 1)."""
    half, one, two = np.float32(0.5), np.float32(1.0), np.float32(2.0)
    three_halves, five_halves = np.float32(1.5), np.float32(2.5)
    return (
        ((-half * t + one) * t - half) * t,
        (three_halves * t - five_halves) * t * t + one,
        ((-three_halves * t + two) * t + half) * t,
        (half * t - half) * t * t,
    )


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _bilinear(frame: Any, usable: Any, us: Any, vs: Any, out: Any, rest: Any) -> None:
    """Mix the four pixels around the places of a row that are the `rest`, those of the HUD left out.

    It stays the `rest` where nothing is left.
    """
    channels, height, width = frame.shape
    for i in range(len(rest)):
        if not rest[i]:
            continue
        u, v = min(max(us[i], 0.0), width - 1.0), min(max(vs[i], 0.0), height - 1.0)
        u0, v0 = int(u), int(v)
        u1, v1 = min(u0 + 1, width - 1), min(v0 + 1, height - 1)
        a, b = u - u0, v - v0
        w00 = (1 - a) * (1 - b) * usable[v0, u0]
        w01 = a * (1 - b) * usable[v0, u1]
        w10 = (1 - a) * b * usable[v1, u0]
        w11 = a * b * usable[v1, u1]
        total = w00 + w01 + w10 + w11
        if total < 1e-4:
            continue
        rest[i] = False
        for c in range(channels):
            upper = frame[c, v0, u0] * w00 + frame[c, v0, u1] * w01
            out[c, i] = (upper + frame[c, v1, u0] * w10 + frame[c, v1, u1] * w11) / total
