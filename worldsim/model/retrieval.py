"""Which older frames to look at: those that show most of the current view.

A coarse grid of each candidate's points is projected into the current view; references are then
taken greedily by the cells they add to what is already seen. The cost does not grow with the
length of the past beyond a few hundred points a candidate.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.model.camera import rays, relative_pose, rotate, tangents
from worldsim.model.kernels import arrays, has_numbers, in_memory, kernel

GRID = (12, 20)
"""Rows and columns of the coarse view."""
CELLS = GRID[0] * GRID[1]
_AHEAD = 0.05
# Of a cell: among equals the better overlap wins, so that a still player keeps sharp old references.
_OVERLAP = 0.05
_SAME_SURFACE = 0.7  # octaves of depth: cells are large


def shrink_depth(depth: Tensor) -> Tensor:
    """Depth `[..., H, W]` at the coarse grid `[..., 12, 20]`, float32: what `coverage` needs of a frame."""
    if depth.shape[-2] % GRID[0] == 0 and depth.shape[-1] % GRID[1] == 0:  # as a rule, and one operation
        down, across = depth.shape[-2] // GRID[0], depth.shape[-1] // GRID[1]
        return depth[..., down // 2 :: down, across // 2 :: across].to(torch.float32, copy=True)
    rows, columns = (
        ((torch.arange(cells, device=depth.device) + 0.5) * size / cells).long()
        for cells, size in zip(GRID, depth.shape[-2:])
    )
    return depth[..., rows[:, None], columns].float()


def coverage(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> Tensor:
    """Which cells of the view from `target` each candidate shows, occlusion aside.

    Args:
        depth: `[B, N, 12, 20]` coarse depth of the candidates in blocks.
        source: `[B, N, 5]` their poses.
        target: `[B, 5]` the current pose.
        aspect: width over height of the frames.

    Returns:
        Bool `[B, N, 240]`.
    """
    if has_numbers(depth):
        return shows(depth, source, target, aspect)[0]
    return _seen_torch(depth, source, target, aspect)


def _seen_torch(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> Tensor:
    cells, _, inside = _land(depth, source, target, aspect)
    seen = torch.zeros(*cells.shape[:2], CELLS + 1, dtype=torch.bool, device=depth.device)
    return seen.scatter_(2, torch.where(inside, cells, CELLS), True)[:, :, :-1]


def magnification(depth: Tensor, source: Tensor, target: Tensor, aspect: float, now: Tensor) -> Tensor:
    """How many times larger than in the candidate that shows it best each cell of the view is: `[B, 240]`, at least 0.

    Args:
        depth, source, target, aspect: as for `coverage`.
        now: `[B, 240]` z-depth in blocks of the view's cells; what lies elsewhere is hidden, or hides.

    Returns:
        Infinite where no candidate shows the cell.
    """
    cells, z, inside = _land(depth, source, target, aspect)
    here = now.gather(1, cells.flatten(1)).view_as(z)
    inside &= (torch.log2(z.clamp(min=_AHEAD)) - torch.log2(here.clamp(min=_AHEAD))).abs() < _SAME_SURFACE
    larger = torch.where(inside, depth.flatten(2) / z.clamp(min=_AHEAD), torch.inf).flatten(1)
    best = torch.full_like(now, torch.inf)
    return best.scatter_reduce_(1, cells.flatten(1), larger, "amin")


def resolution(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> Tensor:
    """How finely each candidate shows each cell of the view from `target`, occlusion aside: `[B, N, 240]` in [0, 1].

    1 as finely as it is seen from there, or more so; 0 where it shows nothing.

    Args:
        depth, source, target, aspect: as for `coverage`.
    """
    if has_numbers(depth):
        return shows(depth, source, target, aspect)[1]
    return _fine_torch(depth, source, target, aspect)


def _fine_torch(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> Tensor:
    cells, z, inside = _land(depth, source, target, aspect)
    fine = torch.where(inside, (z / depth.flatten(2).clamp(min=_AHEAD)).clamp(0, 1), 0.0)
    return torch.zeros_like(fine).scatter_reduce_(2, cells, fine, "amax")


def finest(fine: Tensor, count: int, least: float) -> list[int]:
    """Choose up to `count` candidates, each adding most to how finely the view is shown, and at least `least` cells.

    Args:
        fine: `[N, 240]` of one world, from `resolution`.
    """
    best, chosen = torch.zeros_like(fine[0]), []
    for _ in range(count):
        added = (fine - best).clamp(min=0).sum(1).tolist()
        k = added.index(max(added))
        if added[k] < least:
            break
        chosen.append(k)
        best = torch.maximum(best, fine[k])
    return chosen


def shows(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
    """`coverage` and `resolution` of candidates, for little more than either."""
    if not has_numbers(depth):
        return _seen_torch(depth, source, target, aspect), _fine_torch(depth, source, target, aspect)
    moved, extent = _relative(source, target, aspect)
    shape = *depth.shape[:2], CELLS
    seen, fine = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape)
    given = arrays(*(t.flatten(0, 1) for t in (depth, *moved)))
    kernel("retrieval", "show")(*given, *extent, _AHEAD, *(t.flatten(0, 1).numpy() for t in (seen, fine)))
    return seen, fine


def _relative(
    source: Tensor, target: Tensor, aspect: float
) -> tuple[tuple[Tensor, Tensor], tuple[float, float]]:
    """Relative poses of candidates, and the extent of their views."""
    tan_x, tan_y = tangents(GRID[0], GRID[0])
    return relative_pose(source, target[:, None]), (tan_x * aspect, tan_y)


def _land(depth: Tensor, source: Tensor, target: Tensor, aspect: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where the candidates' points come to lie: the cell, the depth, and whether it is in view, each `[B, N, 240]`."""
    moved, extent = _relative(source, target, aspect)
    return (_land_compiled if has_numbers(depth) else land_torch)(depth, *moved, extent)


def _land_compiled(
    depth: Tensor, rotation: Tensor, translation: Tensor, extent: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    shape = *depth.shape[:2], CELLS
    cells, z = torch.zeros(shape, dtype=torch.long), torch.empty(shape)
    inside = torch.zeros(shape, dtype=torch.bool)
    given = arrays(*(t.flatten(0, 1) for t in (depth, rotation, translation)))
    filled = (t.flatten(0, 1).numpy() for t in (cells, z, inside))
    kernel("retrieval", "land")(*given, *extent, _AHEAD, *filled)
    return cells, z, inside


def land_torch(
    depth: Tensor, rotation: Tensor, translation: Tensor, extent: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """What `coverage` asks of candidates at their relative poses, in plain torch on any device."""
    batch, count = depth.shape[:2]
    (rows, columns), (tan_x, tan_y) = GRID, extent
    grid = rays(rows, columns, extent, depth.device)
    points = rotate(rotation, grid * depth.reshape(batch, count, 1, -1))
    points = points + translation[..., None]
    z = points[:, :, 2]
    ahead = (z > _AHEAD) & (depth.flatten(2) > 0)
    safe_z = torch.where(ahead, z, torch.ones_like(z))
    u = ((points[:, :, 0] / safe_z / tan_x + 1) * columns / 2).floor().long()
    v = ((points[:, :, 1] / safe_z / tan_y + 1) * rows / 2).floor().long()
    inside = ahead & (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
    return torch.where(inside, v * columns + u, torch.zeros_like(u)), z, inside


def retrieve(
    seen: Tensor, already: Tensor, valid: Tensor, count: int, jitter: Tensor | None = None
) -> Tensor:
    """Choose `count` candidates for each world, each adding the most unseen cells.

    Args:
        seen: bool `[B, N, cells]` from `coverage`.
        already: bool `[B, cells]` what the newest references show.
        valid: bool `[B, N]`.
        jitter: `[B, N]` added to the scores (in cells), for variety in training.

    Returns:
        Indices `[B, count]`; -1 where no candidate is left.
    """
    if jitter is None and in_memory(seen):
        chosen = torch.empty(len(seen), count, dtype=torch.long)
        kernel("retrieval", "take")(
            *(t.contiguous().numpy() for t in (seen, already, valid)), _OVERLAP, chosen.numpy()
        )
        return chosen
    return retrieve_torch(seen, already, valid, count, jitter)


def retrieve_torch(
    seen: Tensor, already: Tensor, valid: Tensor, count: int, jitter: Tensor | None = None
) -> Tensor:
    """`retrieve` in plain torch, on any device."""
    valid, already, chosen = valid.clone(), already.clone(), []
    overlap = seen.sum(2) * _OVERLAP
    for _ in range(count):
        score = (seen & ~already[:, None]).sum(2) + overlap
        score = (score if jitter is None else score + jitter).masked_fill(~valid, -1e9)
        best = score.argmax(1)
        found = valid.gather(1, best[:, None])[:, 0]
        chosen.append(torch.where(found, best, -1))
        already |= seen.gather(1, best[:, None, None].expand(-1, 1, seen.shape[2]))[:, 0] & found[:, None]
        valid.scatter_(1, best[:, None], False)
    return torch.stack(chosen, 1) if chosen else torch.empty_like(valid[:, :0], dtype=torch.long)
