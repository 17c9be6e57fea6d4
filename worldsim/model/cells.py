"""Cells: the grid of unit cubes that worlds of blocks are made of, and how a view's rays pass through one.

Faces are numbered 2 * axis + side: 0 and 1 are a cell's west and east (low and high x), 2 and 3 its bottom and
top, 4 and 5 low and high z. Rays have depth 1 along the camera's axis, so that their lengths are z-depths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from worldsim.model.camera import camera_to_world, rays, rotate, tangents

Cell = tuple[int, int, int]
FACES = 6
BOTTOM, TOP = 2, 3
REACH = 5.0
"""Blocks from the eye within which a block is looked for; hands reach 4.5."""
FARTHEST = 40.0
"""Blocks beyond which a cell is not worth looking at."""
_NEAR = 0.05
_CORNERS = torch.tensor([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
_WINDOW = 8  # pixels to each side of the crosshair that tell which face is behind it, of 96 rows
_AGREE, _LEAST = (0.18, 0.1), 6  # blocks and share of the depth that a face may be off; pixels that show it
_TINY = 1e-9


@dataclass(frozen=True)
class Aim:
    """The block behind the crosshair."""

    cell: Cell
    face: int
    """The face that is looked at."""
    distance: float
    """Blocks from the eye to it."""

    @property
    def before(self) -> Cell:
        """The cell before that face, where a block would be placed."""
        cell = list(self.cell)
        cell[self.face // 2] += 1 if self.face % 2 else -1
        return cell[0], cell[1], cell[2]


@dataclass(frozen=True)
class Crossing:
    """How the rays of a view pass through a cell; what is said of a ray that misses it means nothing."""

    hit: Tensor
    """`[H, W]` bool."""
    enter: Tensor
    """`[H, W]` z-depth at which it is entered; negative from inside."""
    leave: Tensor
    """`[H, W]` z-depth at which it is left."""
    enter_face: Tensor
    """`[H, W]` int64."""
    leave_face: Tensor
    """`[H, W]` int64."""
    enter_place: Tensor
    """`[H, W, 2]` where on that face, each in [0, 1], the second downward on upright faces."""
    leave_place: Tensor
    """`[H, W, 2]`."""


Window = tuple[slice, slice]
"""Rows and columns of a view."""


def window_of(pose: Tensor, cell: Cell, height: int, width: int) -> Window | None:
    """The part of the view from `pose` `[5]` that a cell may be seen in, or None."""
    corners = torch.tensor(cell) + _CORNERS - pose[:3].cpu()
    x, y, z = rotate(camera_to_world(pose.float().cpu()).T, corners.T).unbind(0)
    if float(z.max()) < _NEAR or float(z.min()) > FARTHEST:
        return None
    if float(z.min()) < _NEAR:
        return slice(0, height), slice(0, width)
    tan_x, tan_y = tangents(height, width)
    bounds = [
        (max(0, math.floor(float(at.min()))), min(size, math.ceil(float(at.max()))))
        for at, size in (((y / z / tan_y + 1) * height / 2, height), ((x / z / tan_x + 1) * width / 2, width))
    ]
    if any(low >= high for low, high in bounds):
        return None
    return slice(*bounds[0]), slice(*bounds[1])


def cross(pose: Tensor, cell: Cell, height: int, width: int, window: Window | None = None) -> Crossing:
    """Pass the rays of the view from `pose` `[5]`, or of a window `[H, W]` of it, through a cell."""
    rows, columns = window or (slice(0, height), slice(0, width))
    way = _ways(pose, height, width, rows, columns)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    low = torch.tensor(cell, dtype=torch.float32, device=pose.device)[:, None] - pose[:3, None]
    first, second = low / way, (low + 1) / way
    near, far = torch.minimum(first, second), torch.maximum(first, second)
    enter, enter_axis = near.max(0)
    leave, leave_axis = far.min(0)
    onward = (way > 0).long()
    shape = (height, width)
    return Crossing(
        hit=((enter < leave) & (leave > _NEAR)).view(shape),
        enter=enter.view(shape),
        leave=leave.view(shape),
        enter_face=(2 * enter_axis + 1 - _at(onward, enter_axis)).view(shape),
        leave_face=(2 * leave_axis + _at(onward, leave_axis)).view(shape),
        enter_place=_place(way * enter - low, enter_axis).view(*shape, 2),
        leave_place=_place(way * leave - low, leave_axis).view(*shape, 2),
    )


def aim(pose: Tensor, depth: Tensor, known: Tensor) -> Aim | None:
    """The block along the crosshair's ray whose face agrees best with what is known of the depth around it.

    Depth that was dreamt is off by a little, and the crosshair itself hides the pixels that matter: so the
    faces that a ray may meet are held against all pixels near the middle.

    Args:
        pose: `[5]` of the view.
        depth, known: `[H, W]` z-depth in blocks, and above a half where it is known.
    """
    height, width = depth.shape
    reach = max(2, round(_WINDOW * height / 96))
    rows, columns = (slice(n // 2 - reach, n // 2 + reach) for n in (height, width))
    way = _ways(pose, height, width, rows, columns)
    depth, known = depth[rows, columns].flatten(), known[rows, columns].flatten() > 0.5
    near = _nearness(reach).to(depth.device)
    best: tuple[float, Aim | None] = (1.0, None)
    for cell, axis, distance in _walk(pose):
        low = torch.tensor(cell, dtype=torch.float32, device=pose.device)[:, None] - pose[:3, None]
        ahead = bool(_forward(pose)[axis] > 0)
        plane = (low[axis] + (0.0 if ahead else 1.0)) / way[axis]
        point = way * plane - low
        others = [k for k in range(3) if k != axis]
        inside = ((point[others] >= 0) & (point[others] <= 1)).all(0) & (plane > _NEAR) & known
        if int(inside.sum()) < _LEAST:
            continue
        off = ((depth - plane).abs() / (_AGREE[0] + _AGREE[1] * plane)).clamp(max=2.0)
        score = float((off * near)[inside].sum() / near[inside].sum())
        if score < best[0]:
            best = score, Aim(cell, 2 * axis + (0 if ahead else 1), distance)
    return best[1]


def _walk(pose: Tensor) -> list[tuple[Cell, int, float]]:
    """The cells that the crosshair's ray enters within reach: cell, axis of the face, distance."""
    eye, way = pose[:3].double().tolist(), _forward(pose).double().tolist()
    cell = [int(x // 1) for x in eye]
    sides = [1 if w > 0 else -1 for w in way]
    steps = [1 / abs(w) if abs(w) > _TINY else float("inf") for w in way]
    ahead = [
        ((c + 1 - x) if s > 0 else (x - c)) * step if step < float("inf") else float("inf")
        for x, c, s, step in zip(eye, cell, sides, steps)
    ]
    entered: list[tuple[Cell, int, float]] = []
    while (distance := min(ahead)) < REACH:
        axis = ahead.index(distance)
        cell[axis] += sides[axis]
        ahead[axis] += steps[axis]
        entered.append(((cell[0], cell[1], cell[2]), axis, distance))
    return entered


def _forward(pose: Tensor) -> Tensor:
    return camera_to_world(pose.float())[:, 2]


def _ways(pose: Tensor, height: int, width: int, rows: slice, columns: slice) -> Tensor:
    """The rays of a part of a view in world axes `[3, P]`, none of them quite along a face."""
    grid = _grid(height, width, pose.device)[:, rows, columns].flatten(1)
    way = rotate(camera_to_world(pose.float()), grid)
    return torch.where(way.abs() < 1e-6, 1e-6, way)


@lru_cache(maxsize=8)
def _grid(height: int, width: int, device: torch.device) -> Tensor:
    return rays(height, width, tangents(height, width), device).unflatten(1, (height, width))


def _at(values: Tensor, axis: Tensor) -> Tensor:
    return values.gather(0, axis[None])[0]


def _place(point: Tensor, axis: Tensor) -> Tensor:
    """Where on a face across `axis` points `[3, P]` of the cell lie: `[P, 2]`."""
    x, y, z = point.clamp(0, 1).unbind(0)
    across = torch.where(axis == 0, z, x)
    down = torch.where(axis == 1, z, 1 - y)
    return torch.stack([across, down], -1)


def _nearness(reach: int) -> Tensor:
    """Weights of the pixels around the crosshair."""
    offset = (torch.arange(2 * reach) + 0.5 - reach) / reach
    return torch.exp(-3 * (offset[:, None] ** 2 + offset[None] ** 2)).flatten()
