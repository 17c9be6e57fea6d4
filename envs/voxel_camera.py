"""The camera: sine and cosine that are the same on every machine, and the view's axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .voxel_kernel import kernel

TAN_HALF_FOV = 0.7002075382097097
"""tan(35 degrees): the vertical field of view is 70 degrees."""
_RADIANS = 0.017453292519943295


@kernel
def sincos(degrees):  # type: ignore[no-untyped-def]
    """Sine and cosine of an angle in degrees, by polynomials: a libm differs between machines."""
    quarter = np.floor(degrees / 90.0 + 0.5)
    x = (degrees - quarter * 90.0) * _RADIANS
    y = x * x
    s = x * (1 + y * (-1 / 6 + y * (1 / 120 + y * (-1 / 5040 + y * (1 / 362880 - y / 39916800)))))
    c = 1 + y * (-1 / 2 + y * (1 / 24 + y * (-1 / 720 + y * (1 / 40320 - y / 3628800))))
    k = int(quarter) & 3
    if k == 0:
        return s, c
    if k == 1:
        return c, -s
    if k == 2:
        return -s, -c
    return -c, s


@kernel
def view_axes(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Forward, right and up as the rows of float64 [3, 3], for yaw and pitch in degrees."""
    sy, cy = sincos(yaw)
    sp, cp = sincos(pitch)
    axes = np.empty((3, 3))
    axes[0, 0], axes[0, 1], axes[0, 2] = -sy * cp, -sp, cy * cp
    axes[1, 0], axes[1, 1], axes[1, 2] = -cy, 0.0, -sy
    axes[2, 0], axes[2, 1], axes[2, 2] = -sy * sp, cp, cy * sp
    return axes
