"""Depth from how things shift when the player walks: teaches monocular depth where no recording tells it.

The picture's depth has to bring the frames before and after it to where it was taken from (Zhou et al. 2017;
the smaller of both errors and the structural term as in Monodepth2, Godard et al. 2019). Poses are known,
so depth comes out in blocks. Where nothing shifts, the network keeps to what it said before.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.data.episode import ClipBatch
from worldsim.model.camera import FAR, NEAR, decode_depth, rays, relative_pose, rotate, tangents
from worldsim.model.monodepth import MonoDepth
from worldsim.model.tokenizer import frames_to_float

from .parts import descend

LENGTH = 17
"""Frames of a clip; depth is that of the middle one."""
_MIDDLE = LENGTH // 2
_RATE, _PRIOR, _SMOOTH, _STRUCTURE = 3e-4, 0.2, 0.02, 0.85
_SHIFTED = 0.1  # blocks between two places: below, there is nothing to learn
_AHEAD = (1, 4, 8)


@dataclass(frozen=True)
class Pair:
    """Pictures and one of the frames around each."""

    target: Tensor
    """`[B, 3, H, W]` in [-1, 1]."""
    source: Tensor
    target_pose: Tensor
    """`[B, 5]`."""
    source_pose: Tensor


def brought(pair: Pair, depth: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """The source as seen from the target `[B, 3, H, W]`, and `[B, 1, H, W]` where it shows that.

    Args:
        depth: `[B, 1, H, W]` blocks, of the target.
        usable: bool `[H, W]`, False where something lies over pictures.
    """
    height, width = depth.shape[2:]
    extent = tangents(height, width)
    rotation, shift = relative_pose(pair.target_pose, pair.source_pose)
    points = rays(height, width, extent)[None] * depth.flatten(2)
    x, y, z = (rotate(rotation, points) + shift[..., None]).unbind(1)
    ahead = z.clamp(min=NEAR)
    place = torch.stack([x / ahead / extent[0], y / ahead / extent[1]], -1).unflatten(1, (height, width))
    layers = torch.cat([pair.source, usable.float().expand(len(depth), 1, -1, -1)], 1)
    seen = F.grid_sample(layers, place, padding_mode="zeros", align_corners=False)
    shown = (seen[:, 3:] > 0.99) & (z > NEAR).unflatten(1, (1, height, width))
    return seen[:, :3], (shown & usable).float()


def difference(a: Tensor, b: Tensor) -> Tensor:
    """How unlike two pictures are in each pixel `[B, 1, H, W]`: structure (1 - SSIM) / 2 of 3x3 pixels, and colours."""
    mean_a, mean_b = (F.avg_pool2d(x, 3, 1, 1) for x in (a, b))
    var_a, var_b = (F.avg_pool2d(x**2, 3, 1, 1) - m**2 for x, m in ((a, mean_a), (b, mean_b)))
    both = F.avg_pool2d(a * b, 3, 1, 1) - mean_a * mean_b
    c1, c2 = 0.02**2, 0.06**2  # of pictures in [-1, 1]
    alike = (
        (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    )
    structure = ((1 - alike) / 2).clamp(0, 1).mean(1, keepdim=True)
    colours = (a - b).abs().mean(1, keepdim=True)
    return _STRUCTURE * structure + (1 - _STRUCTURE) * colours


def loss_of(
    model: MonoDepth, before: MonoDepth, clips: ClipBatch, usable: Tensor, generator: torch.Generator
) -> Tensor:
    """What is wrong with depth of the middle frames of clips `[B, 17]`."""
    frames, pose = torch.from_numpy(clips.frames), torch.from_numpy(clips.pose)
    target, seat = frames_to_float(frames[:, _MIDDLE]), usable[None, None]
    code = model(target, pose[:, _MIDDLE, 4], seat)
    with torch.no_grad():
        prior = before(target, pose[:, _MIDDLE, 4], seat)
    apart = int(torch.randint(1, _MIDDLE + 1, (1,), generator=generator))
    errors = [_error(_pair(frames, pose, _MIDDLE, _MIDDLE + k), code, usable) for k in (-apart, apart)]
    off = torch.cat([error for error, _ in errors], 1).amin(1, keepdim=True)
    told = torch.cat([shown for _, shown in errors], 1).amax(1, keepdim=True)
    photometric = (off * told).sum() / told.sum().clamp(min=1)
    kept = ((code - prior).abs() * seat).mean()
    total: Tensor = photometric + _PRIOR * kept + _SMOOTH * _bends(code, target)
    return total


def _pair(frames: Tensor, pose: Tensor, target: int, source: int) -> Pair:
    there, here = (frames_to_float(frames[:, t]) for t in (target, source))
    return Pair(there, here, pose[:, target], pose[:, source])


def _error(pair: Pair, code: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """Differences `[B, 1, H, W]`, huge where the source shows nothing, and where it tells something."""
    seen, shown = brought(pair, decode_depth(code), usable)
    moved = (pair.target_pose - pair.source_pose)[:, :3].norm(dim=1) > _SHIFTED
    shown = shown * moved[:, None, None, None]
    return torch.where(shown > 0, difference(seen, pair.target), 4.0), shown


def _bends(code: Tensor, picture: Tensor) -> Tensor:
    """Steps of depth codes where the picture has none."""
    total = code.new_zeros(())
    for axis in (2, 3):
        edge = picture.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (code.diff(dim=axis).abs() * torch.exp(-8 * edge)).mean()
    return total


def adapt(
    model: MonoDepth, draw: Callable[[], ClipBatch], usable: Tensor, *,
    minutes: float = math.inf, steps: int | None = None, seed: int = 0,
) -> int:  # fmt: skip
    """Train on clips `[B, 17]` with poses until the time or the steps are over; returns the steps."""
    before = copy.deepcopy(model).eval().requires_grad_(False)
    generator, begin, done = torch.Generator().manual_seed(seed), time.monotonic(), 0
    optimiser = torch.optim.AdamW(model.train().requires_grad_(True).parameters(), lr=_RATE)
    while (share := max((time.monotonic() - begin) / 60 / minutes, done / steps if steps else 0.0)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (done + 1) / 50) * min(1.0, 2.0 * (1 - share) + 0.01)
        off = loss_of(model, before, draw(), usable, generator)
        descend(model, optimiser, off, f"monodepth: after {done} steps")
        done += 1
    model.eval()
    return done


@torch.no_grad()
def examine(model: MonoDepth, clips: ClipBatch, usable: Tensor) -> dict[str, float]:
    """PSNR in dB of a frame brought to where the next, the fourth and the eighth after it was taken from.

    Beside it the same with all as far as the sky, which is to turn it; over the pixels that both show.
    """
    frames, pose = torch.from_numpy(clips.frames), torch.from_numpy(clips.pose)
    found: dict[str, float] = {}
    for k in _AHEAD:
        pair = _pair(frames, pose, k, 0)
        depth = model.depth(pair.target, pose[:, k, 4], usable)[:, None]
        guessed, shown = brought(pair, depth, usable)
        turned, all_of_it = brought(pair, torch.full_like(depth, FAR), usable)
        where = shown * all_of_it
        for name, picture in (("turned", turned), ("guessed", guessed)):
            off = ((picture - pair.target) ** 2 * where).sum() / (3 * where.sum()).clamp(min=1)
            found[f"{name}_{k}"] = round(float(10 * torch.log10(4 / off.clamp(min=1e-8))), 2)
    return found
