"""The second half of the compiled reprojection of `warp.py`: what a reference shows at each pixel of the view.

Numba keeps compiled code by the date of its file: touch `_warp_kernel.py`, which uses this one, when it changes.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from worldsim.model._lanes_kernel import LANES, weighted
from worldsim.model.camera import FAR


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def look_up(
    frame: Any, r: Any, t: Any, usable: Any, clear: Any, tan_x: float, tan_y: float, z_buffer: Any,
    out: Any, out_depth: Any, known: Any,
) -> None:  # fmt: skip
    """Fill `out` `[3, H, W]`, `out_depth` and `known` `[H, W]` of one view, given its `z_buffer` `[H, W]`."""
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


# The loop has no branch, and division by zero gives infinity instead of raising: so the compiler makes vector
# instructions of it.
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


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def clear_of(usable: Any) -> Any:
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
