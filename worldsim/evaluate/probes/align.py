"""How the eye moved between two pictures: direct alignment of the first, given its depth, with the second.

Five numbers (turn to the right and down, step to the right, up and ahead) are fitted so that the first
picture, carried along, looks like the second: Gauss-Newton with Cauchy weights, from coarse to fine, from
the best of several beginnings (Kerl, Sturm and Cremers 2013 fit six numbers to depth cameras likewise).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TAN_HALF_FOV = 0.7002075382097097
_SCALE = 2 * TAN_HALF_FOV
_SIGMA = 8.0  # grey levels beyond which a pixel begins to count for less
_LEVELS = ((24, 8), (48, 5))  # rows, steps
_TRUST = (0.01, 0.01, 10.0, 3.0, 10.0)  # how firmly numbers stay near 0 where the picture does not tell
_LEAST, _MOST = (
    (-60.0, -60.0, -0.6, -3.5, -0.6),
    (60.0, 60.0, 0.6, 0.6, 0.6),
)  # what a player can do in a tick
_WALKS = (
    (0, 0, 0.2),
    (0, 0, -0.2),
    (0.2, 0, 0),
    (-0.2, 0, 0),
    (0, 0.35, 0.1),
    (0, -0.35, 0.1),
    (0, -0.8, 0.1),
)
_YAWS = (4.0, -4.0, 9.0, -9.0, 18.0, -18.0, 30.0, -30.0)


@dataclass(frozen=True)
class Pairs:
    """P pairs of pictures at one size."""

    first: Tensor
    """`[P, h, w]` grey levels."""
    second: Tensor
    """`[P, 3, h, w]` grey levels, and how they change to the right and down, a pixel."""
    depth: Tensor
    """`[P, h, w]` blocks along the first picture's view axis."""
    pitch: Tensor
    """`[P]` degrees, down, of the first picture."""
    shown: Tensor
    """`[h, w]` 1 where the world is shown, 0 where anything is drawn over it."""

    def warped(self, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Differences `[P, h, w]`, whether they count, and their slopes `[P, 5, h, w]` at a motion `[P, 5]`."""
        p, h, w = self.first.shape
        u = (((torch.arange(w) + 0.5) - w / 2) / h)[None, None]
        v = ((torch.arange(h) + 0.5) / h - 0.5)[None, :, None]
        m = motion[:, :, None, None]
        yaw, down = m[:, 0].deg2rad(), self.pitch[:, None, None].deg2rad()
        after = down + m[:, 1].deg2rad()
        forth, right, up = self.depth, self.depth * u * _SCALE, -self.depth * v * _SCALE
        ahead, high = forth * down.cos() + up * down.sin(), up * down.cos() - forth * down.sin()
        right, ahead = right * yaw.cos() - ahead * yaw.sin(), right * yaw.sin() + ahead * yaw.cos()
        by_yaw = (-ahead, right)
        right, high, ahead = right - m[:, 2], high - m[:, 3], ahead - m[:, 4]
        cos, sin = after.cos(), after.sin()
        forth, up = ahead * cos - high * sin, ahead * sin + high * cos
        near = forth.clamp(min=0.1)
        x, y = right / (near * _SCALE), -up / (near * _SCALE)
        places = torch.stack([x * (2 * h / w), 2 * y], 3)
        at = functional.grid_sample(self.second, places, align_corners=False, padding_mode="border")
        over = functional.grid_sample(self.shown.expand(p, 1, h, w), places, align_corners=False)[:, 0]
        counts = (forth > 0.1).float() * over * self.shown
        slope_x, slope_y = at[:, 1] * h, at[:, 2] * h

        def slope(d_right: Tensor, d_forth: Tensor, d_up: Tensor) -> Tensor:
            dx = (d_right / _SCALE - x * d_forth) / near
            dy = (-d_up / _SCALE - y * d_forth) / near
            return slope_x * dx + slope_y * dy

        none, one = torch.zeros_like(forth), torch.ones_like(forth)
        degree = torch.pi / 180
        slopes = [
            slope(by_yaw[0], by_yaw[1] * cos, by_yaw[1] * sin) * degree,
            slope(none, -up, forth) * degree,
            slope(-one, none, none),
            slope(none, sin * one, -cos * one),
            slope(none, -cos * one, -sin * one),
        ]
        return at[:, 0] - self.first, counts, torch.stack(slopes, 1)

    def cost(self, motion: Tensor) -> Tensor:
        """`[P]` how ill a motion fits; what leaves the view costs as much as a difference of `_SIGMA`."""
        off, counts, _ = self.warped(motion)
        return self._cost(off, counts)

    def _cost(self, off: Tensor, counts: Tensor) -> Tensor:
        each = (off / _SIGMA).square().log1p() * counts + 0.7 * (self.shown - counts).clamp(min=0)
        return each.mean((1, 2))

    def improve(self, motion: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Follow the slopes; returns the best motion met and its cost."""
        trust = torch.tensor(_TRUST) * self.first[0].numel()
        best, least = motion, torch.full((len(motion),), torch.inf)
        for _ in range(steps):
            off, counts, slopes = self.warped(motion)
            cost = self._cost(off, counts)
            better = cost < least
            best, least = torch.where(better[:, None], motion, best), torch.where(better, cost, least)
            weight = (counts / (1 + (off / _SIGMA).square())).flatten(1)
            rows = slopes.flatten(2)
            normal = (rows * weight[:, None]) @ rows.transpose(1, 2) + torch.diag(trust)
            normal = normal + torch.diag_embed(0.02 * normal.diagonal(dim1=1, dim2=2))
            toward = -(rows * (weight * off.flatten(1))[:, None]).sum(2) - trust * motion
            change = torch.linalg.solve(normal, toward)
            motion = (motion + change.clamp(-6.0, 6.0)).clamp(torch.tensor(_LEAST), torch.tensor(_MOST))
        cost = self.cost(motion)
        better = cost < least
        return torch.where(better[:, None], motion, best), torch.where(better, cost, least)


@torch.inference_mode()
def align(
    frames: Tensor, depth: Tensor, pitch: Tensor, expected: Tensor, shown: Tensor
) -> tuple[Tensor, Tensor]:
    """Fit the motion between consecutive frames.

    Args:
        frames: `[P + 1, H, W]` grey levels.
        depth: `[P, h, w]` of all frames but the last, of any size.
        pitch: `[P]` degrees.
        expected: `[P, 2]` turn in degrees, one of the places to begin at.
        shown: `[H, W]` 1 where the world is shown.

    Returns:
        motion `[P, 5]` (turn right and down in degrees, step right, up and ahead in blocks) and how ill it
        fits `[P]`.
    """
    motion: Tensor | None = None
    cost = torch.zeros(len(depth))
    for rows, steps in _LEVELS:
        pairs = _shrink(frames, depth, pitch, shown, rows)
        if motion is None:
            motion = _begin(pairs, expected)
        motion, cost = pairs.improve(motion, steps)
    assert motion is not None
    return motion, cost


def _begin(pairs: Pairs, expected: Tensor) -> Tensor:
    """The best of some motions: the expected turn and none, with and without steps, and other turns."""
    count = len(expected)
    none, level = torch.zeros(count, 3), torch.zeros(count, 2)
    walks = [none, *(torch.tensor(w).float().expand(count, 3) for w in _WALKS)]
    starts = [torch.cat([turn, step], 1) for turn in (level, expected) for step in walks]
    starts += [torch.cat([torch.tensor((yaw, 0.0)).expand(count, 2), none], 1) for yaw in _YAWS]
    costs = torch.stack([pairs.cost(start) for start in starts])
    chosen = costs.argmin(0)
    return torch.stack(starts)[chosen, torch.arange(count)]


def _shrink(frames: Tensor, depth: Tensor, pitch: Tensor, shown: Tensor, rows: int) -> Pairs:
    height, width = frames.shape[-2:]
    size = (rows, max(8, round(width * rows / height)))
    grey = functional.interpolate(frames[:, None], size, mode="area")
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    slopes = [
        (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2,
        (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2,
    ]
    near = functional.interpolate(depth[:, None].float(), size, mode="nearest-exact")[:, 0]
    free = functional.interpolate(shown[None, None], size, mode="area")[0, 0]
    return Pairs(grey[:-1, 0], torch.cat([grey, *slopes], 1)[1:], near, pitch, (free > 0.99).float())
