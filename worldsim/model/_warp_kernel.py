"""The compiled reprojection of `warp.py` for the CPU: one reference after the other, no allocation per pixel."""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model._faces_kernel import close_within, fill_faces
from worldsim.model._lookup_kernel import clear_of, look_up
from worldsim.model.camera import TIGHT
from worldsim.model.faces import BEHIND


@nb.njit(cache=True, nogil=True, parallel=True)  # type: ignore[untyped-decorator]
def reproject(
    frames: Any, depth: Any, rotation: Any, translation: Any, usable: Any, tan_x: float, tan_y: float,
    solid: bool, out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `out`, `out_depth` and `known`; see `warp.warp` for shapes."""
    clear = clear_of(usable)
    for i in nb.prange(len(frames)):
        _reproject(
            frames[i], depth[i, 0], rotation[i], translation[i], usable, clear, tan_x, tan_y, solid,
            out[i], out_depth[i, 0], known[i, 0],
        )  # fmt: skip


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def reproject_aside(
    frames: Any, depth: Any, rotation: Any, translation: Any, usable: Any, tan_x: float, tan_y: float,
    solid: bool, out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """`reproject` by the calling thread alone: not all of numba's ways to share work out serve two at once."""
    clear = clear_of(usable)
    for i in range(len(frames)):
        _reproject(
            frames[i], depth[i, 0], rotation[i], translation[i], usable, clear, tan_x, tan_y, solid,
            out[i], out_depth[i, 0], known[i, 0],
        )  # fmt: skip


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _reproject(
    frame: Any, depth: Any, r: Any, t: Any, usable: Any, clear: Any, tan_x: float, tan_y: float, solid: bool,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    z_buffer = _z_buffer(depth, r, t, usable, tan_x, tan_y, solid)
    look_up(frame, r, t, usable, clear, tan_x, tan_y, z_buffer, out, out_depth, known)


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


# The loop has no branch, and division by zero gives infinity instead of raising: so the compiler makes vector
# instructions of it.
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
