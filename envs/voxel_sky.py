"""Daylight and the sky: colours that depend on the time and the direction alone, never on the place.

A full day is 12000 ticks; time of day 0.25 is sunrise, 0.5 noon, 0.75 sunset.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .voxel_camera import sincos
from .voxel_kernel import inner, kernel
from .voxel_random import smooth, unit

DAY_TICKS = 12000
# The rows of the light table that `daylight` returns.
LIGHT, ZENITH, HORIZON, GLOW, SUN, CLOUD = range(6)


@kernel
def daylight(time_of_day: float) -> NDArray[np.float64]:
    """The colours of a moment, float64 [6, 3].

    Rows: LIGHT multiplies lit faces; ZENITH, HORIZON, GLOW (towards a low sun) and CLOUD are RGB
    in 0..255; SUN is the direction to the sun.
    """
    out = np.empty((6, 3))
    rise, along = sincos(360.0 * (time_of_day - 0.25))
    day = smooth(min(1.0, max(0.0, (rise + 0.18) / 0.42)))
    low = max(0.0, 1.0 - abs(rise - 0.03) / 0.33)
    night_light, day_light, low_light = (0.40, 0.43, 0.56), (1.0, 1.0, 1.0), (0.10, -0.02, -0.12)
    night_top, day_top = (12.0, 16.0, 42.0), (112.0, 164.0, 246.0)
    night_rim, day_rim = (32.0, 40.0, 70.0), (184.0, 212.0, 250.0)
    glow = (250.0, 150.0, 84.0)
    for c in range(3):
        out[LIGHT, c] = night_light[c] + (day_light[c] - night_light[c]) * day + low_light[c] * low
        out[ZENITH, c] = night_top[c] + (day_top[c] - night_top[c]) * day
        out[HORIZON, c] = night_rim[c] + (day_rim[c] - night_rim[c]) * day
        out[GLOW, c] = glow[c] * low
        out[CLOUD, c] = 40.0 + 205.0 * day
    out[SUN, 0], out[SUN, 1], out[SUN, 2] = along, rise, 0.17
    return out


@kernel
def cloud_map() -> NDArray[np.float32]:
    """Cover of the static clouds, float32 [64, 64] in 0..1, periodic; the same in every world."""
    out = np.zeros((64, 64), np.float32)
    for i in range(64):
        for j in range(64):
            n = 0.0
            for di in range(-2, 3):
                for dj in range(-2, 3):
                    n += unit(np.uint64(5), (i + di) % 64, (j + dj) % 64, 0)
            out[i, j] = min(1.0, max(0.0, (n / 25.0 - 0.515) * 14.0))
    return out


@inner
def sky_color(dx, dy, dz, light, clouds):  # type: ignore[no-untyped-def]
    """Red, green and blue (0..255) of the sky in a unit direction, clouds, sun and moon included."""
    up = min(1.0, max(0.0, dy * 1.7 + 0.04))
    up = up * (2.0 - up)
    r = light[HORIZON, 0] + (light[ZENITH, 0] - light[HORIZON, 0]) * up
    g = light[HORIZON, 1] + (light[ZENITH, 1] - light[HORIZON, 1]) * up
    b = light[HORIZON, 2] + (light[ZENITH, 2] - light[HORIZON, 2]) * up
    sx, sy, sz = light[SUN, 0], light[SUN, 1], light[SUN, 2]
    toward = dx * sx + dy * sy + dz * sz
    if light[GLOW, 0] > 0.0:
        w = max(0.0, toward * 0.6 + 0.4) * max(0.0, 1.0 - abs(dy) * 1.6)
        share = w * w * light[GLOW, 0] / 250.0
        r += (250.0 - r) * share
        g += (150.0 - g) * share
        b += (84.0 - b) * share
    if dy > 0.06:
        u, v = dx / dy * 2.2 + 200.0, dz / dy * 2.2 + 200.0
        cover = _bilinear(clouds, u, v) * 0.75 * min(1.0, (dy - 0.06) * 5.0)
        r += (light[CLOUD, 0] - r) * cover
        g += (light[CLOUD, 1] - g) * cover
        b += (light[CLOUD, 2] - b) * cover
    if toward > 0.97 or toward < -0.97:
        # a square in the plane across the sun's way: along its arc and along z
        arc = (dy * sx - dx * sy) / toward
        side = (dz - sz * toward) / toward
        if toward > 0.0 and abs(arc) < 0.085 and abs(side) < 0.085:
            return 255.0, 244.0, 200.0
        if toward < 0.0 and abs(arc) < 0.06 and abs(side) < 0.06:
            return 214.0, 220.0, 232.0
    return r, g, b


@inner
def _bilinear(image, u, v):  # type: ignore[no-untyped-def]
    fu, fv = np.floor(u), np.floor(v)
    i, j = int(fu) & 63, int(fv) & 63
    a, b = u - fu, v - fv
    i1, j1 = (i + 1) & 63, (j + 1) & 63
    top = image[i, j] * (1 - a) + image[i1, j] * a
    return top * (1 - b) + (image[i, j1] * (1 - a) + image[i1, j1] * a) * b
