"""Where the points of a frame lie in another view; compiled code that `warp.py`'s and `faces.py`'s twins share."""

from __future__ import annotations

from typing import Any

import numba as nb


# The loop over a row has no branch, and division by zero gives infinity instead of raising: so
# the compiler makes vector instructions of them.
@nb.njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def project(
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
