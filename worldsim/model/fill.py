"""Continuations of what is known into what is not: where invention begins from.

Large gaps, as a turn reveals them, are begun with what is seen elsewhere at the same height: woods
go on as woods, with all their detail (after exemplar-based completion, Efros and Leung 1999). Where
that leads nowhere, what stood there a frame ago stays. Small holes are filled smoothly, by the
pull-push algorithm (Grossman and Dally 1998): averages of the known pixels on ever coarser grids,
carried back down to where nothing is known.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import rays, rotate, tangents
from worldsim.model.fused import fusible
from worldsim.model.kernels import arrays, has_numbers, kernel

ELSEWHERE = (
    (-60.0, 0.0), (60.0, 0.0), (0.0, 10.0), (0.0, 25.0),
    (-120.0, 0.0), (120.0, 0.0), (180.0, 0.0),
)  # fmt: skip
"""Degrees (to the right, upward) from a gap to where it is continued from, in the order they are tried.

The last three lie in the picture of who looks at the zenith or at his feet.
"""
_AHEAD = 0.05
WINDOW = 15
"""Side of the window of which half has to be known in what is no gap, see `gaps`."""
CRUMB = 9
"""Side of the window of which most has to be known around a pixel that is not `lone`."""
_SOFT = 0.05


def pull_push(pixels: Tensor, known: Tensor) -> Tensor:
    """Fill pixels `[B, C, H, W]` where `known` `[B, 1, H, W]` is 0; zero if nothing at all is known."""
    if not has_numbers(pixels):
        return pull_push_torch(pixels, known)
    filled, shown = pixels.contiguous().clone(), known.float().contiguous()
    for picture, mask in zip(filled, shown):
        _fill(picture.numpy(), mask[0].numpy())
    return filled


def _fill(pixels: NDArray[np.float32], known: NDArray[np.float32]) -> None:
    """One picture `[C, H, W]` in place."""
    channels, height, width = pixels.shape
    if min(height, width) == 1:
        pixels *= known
        return
    mass = np.empty((-(-height // 2), -(-width // 2)), np.float32)
    mean = np.empty((channels, *mass.shape), np.float32)
    kernel("pyramid", "halve")(pixels, known, mean, mass)
    coarse = mean.copy()
    _fill(coarse, (mass > 0).astype(np.float32))
    kernel("pyramid", "carry_down")(coarse, mean, mass, _SOFT, pixels, known)


@fusible
def pull_push_torch(pixels: Tensor, known: Tensor) -> Tensor:
    """`pull_push` in plain torch, on any device."""
    return _pyramid(pixels, known)


def _pyramid(pixels: Tensor, known: Tensor) -> Tensor:
    if min(pixels.shape[-2:]) == 1:
        return pixels * known
    mass = F.avg_pool2d(known, 2, ceil_mode=True)
    mean = F.avg_pool2d(pixels * known, 2, ceil_mode=True) / mass.clamp(min=1e-6)
    coarse = _pyramid(mean, (mass > 0).to(known.dtype))
    # A cell with few known pixels says little: let the coarser grid speak there, too.
    trust = mass / (mass + _SOFT)
    coarse = trust * mean + (1 - trust) * coarse
    smooth = F.interpolate(coarse, pixels.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(known > 0, pixels, smooth)


def composite(layers: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Lay R layers `[B, R, C, H, W]` over each other, the first on top; pixels `[B, C, H, W]` and what is known."""
    if has_numbers(layers):
        return _composite_compiled(layers, known)
    return composite_torch(layers, known)


def _composite_compiled(layers: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    out, seen = torch.empty(layers[:, 0].shape), torch.empty(known[:, 0].shape)
    given = arrays(layers.flatten(-2), known[:, :, 0].flatten(-2))
    kernel("layers", "lay")(*given, out.flatten(-2).numpy(), seen[:, 0].flatten(-2).numpy())
    return out, seen


def composite_torch(layers: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """`composite` in plain torch, on any device."""
    out, seen = layers[:, 0] * known[:, 0], known[:, 0]
    for k in range(1, layers.shape[1]):
        new = known[:, k] * (1 - seen)
        out, seen = out + layers[:, k] * new, seen + new
    return out, seen


def gaps(known: Tensor) -> Tensor:
    """Bool `[B, 1, H, W]`: not known, nor most of what is around; outside the picture lies nothing."""
    return _compiled("bare", known, WINDOW) if has_numbers(known) else gaps_torch(known)


def gaps_torch(known: Tensor) -> Tensor:
    """`gaps` in plain torch, on any device."""
    return (known < 0.5) & (window_sum(known, WINDOW) < WINDOW**2 / 2)


def lone(known: Tensor) -> Tensor:
    """Bool `[N, 1, H, W]`: most of what is around in the picture is not known."""
    return _compiled("few", known, CRUMB) if has_numbers(known) else lone_torch(known)


def lone_torch(known: Tensor) -> Tensor:
    """`lone` in plain torch, on any device."""
    return window_sum(known, CRUMB) / window_sum(torch.ones_like(known[:1]), CRUMB) < 0.5


def _compiled(name: str, known: Tensor, size: int) -> Tensor:
    """What a function of `_window_kernel` says of masks `[..., H, W]`, each by itself."""
    found = torch.empty(known.shape, dtype=torch.bool)
    kernel("window", name)(known.flatten(0, -3).contiguous().numpy(), size, found.flatten(0, -3).numpy())
    return found


def window_sum(known: Tensor, size: int) -> Tensor:
    """Sum of a mask `[B, C, H, W]` over a window of `size` (odd) around each pixel, nothing outside the picture.

    By a summed-area table (Crow 1984): a tenth of the time that pooling takes.
    """
    before, after = size // 2 + 1, size // 2
    table = F.pad(known, (before, after, before, after)).cumsum(2).cumsum(3)
    rows = table[..., size:, :] - table[..., :-size, :]
    return rows[..., size:] - rows[..., :-size]


def go_on(
    pixels: Tensor, known: Tensor, pitch: Tensor, last: Tensor, has_last: Tensor
) -> tuple[Tensor, Tensor]:
    """Begin large gaps with what is seen to their side, or above them, or with what stood there a frame ago.

    Args:
        pixels: `[B, 4, H, W]` colours and depth code (`camera.encode_depth`).
        known: `[B, 1, H, W]` in {0, 1}.
        pitch: `[B]` degrees of the view.
        last: `[B, 4, H, W]` the newest frame as it stood.
        has_last: `[B]` bool, False where there is none, or none that would tell.

    Returns:
        The pixels with gaps begun, and 1 where they are known or begun. Things keep their distance
        from the eye to the side; from above they come nearer, as level ground does.
    """
    gap = gaps(known)
    if pixels.device.type != "cpu":  # to ask whether there is a gap would wait for all that is under way
        return copy_torch(pixels, known, gap, pitch, last, has_last)
    if not bool(gap.any()):
        return pixels, known
    return _copy_compiled(pixels, known, gap, pitch, last, has_last)


def _copy_compiled(
    pixels: Tensor, known: Tensor, gap: Tensor, pitch: Tensor, last: Tensor, has_last: Tensor
) -> tuple[Tensor, Tensor]:
    pixels, known = pixels.detach().float().contiguous().clone(), known.float().contiguous().clone()
    kernel("fill", "copy_elsewhere")(
        pixels.numpy(), known.numpy(), gap.contiguous().numpy(), *arrays(last),
        has_last.numpy(), np.radians(pitch.numpy().astype(np.float64)), np.radians(ELSEWHERE),
        *tangents(*pixels.shape[-2:]),
    )  # fmt: skip
    return pixels, known


@fusible
def copy_torch(
    pixels: Tensor, known: Tensor, gap: Tensor, pitch: Tensor, last: Tensor, has_last: Tensor
) -> tuple[Tensor, Tensor]:
    """What `go_on` copies, in plain torch on any device, given where the gaps `[B, 1, H, W]` are."""
    turns, up = _turns(pitch)
    height, width = pixels.shape[-2:]
    grid = rays(height, width, tangents(height, width), pixels.device)
    length = grid.pow(2).sum(0).sqrt()
    source = torch.cat([pixels * known, known], 1)
    begun = torch.zeros_like(gap)
    for turn, (_, down) in zip(turns, ELSEWHERE):
        turned = rotate(turn, grid.expand(len(pitch), -1, -1))
        z = turned[:, 2].clamp(min=_AHEAD)
        change = -torch.log2(z) / 5.5
        if down:
            here, there = (-(up[:, :, None] * r).sum(1) / length for r in (grid, turned))
            change = change + (torch.log2(there.clamp(min=0.05) / here.clamp(min=0.05)) / 5.5).clamp(max=0)
        seen = F.grid_sample(source, _places(turned, z, pixels), mode="nearest", align_corners=False)
        here = gap & ~begun & (seen[:, 4:] > 0.999)
        depth = (seen[:, 3:4] + change.unflatten(1, (1, *pixels.shape[-2:]))).clamp(-1, 1)
        pixels = torch.where(here, torch.cat([seen[:, :3], depth], 1), pixels)
        begun |= here
    rest = gap & ~begun & has_last[:, None, None, None]
    return torch.where(rest, last, pixels), torch.maximum(known, (begun | rest).to(known.dtype))


def _places(turned: Tensor, z: Tensor, pixels: Tensor) -> Tensor:
    """Where rays `[B, 3, P]` of depth `z` meet the picture, for `grid_sample`."""
    tan_x, tan_y = tangents(*pixels.shape[-2:])
    place = torch.stack([turned[:, 0] / z / tan_x, turned[:, 1] / z / tan_y], -1)
    outside = torch.full_like(place, 9.0)
    return torch.where((turned[:, 2] > _AHEAD)[..., None], place, outside).unflatten(1, pixels.shape[-2:])


def _turns(pitch: Tensor) -> tuple[Tensor, Tensor]:
    """`[D, B, 3, 3]` from a pixel's ray to the ray it is continued from, and the world's up `[B, 3]`.

    Turns are about the world's upright axis, whatever the view's pitch: what is copied keeps its height.
    """
    tilt = torch.deg2rad(pitch.float())
    level, up = _about_x(-tilt), torch.stack([torch.zeros_like(tilt), -tilt.cos(), -tilt.sin()], -1)
    turns = [
        rotate(
            _about_x(tilt + math.radians(down)),
            rotate(_about_y(torch.full_like(tilt, math.radians(yaw))), level),
        )
        for yaw, down in ELSEWHERE
    ]
    return torch.stack(turns), up


def _about_y(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [angle.cos(), zero, angle.sin(), zero, one, zero, -angle.sin(), zero, angle.cos()]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _about_x(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [one, zero, zero, zero, angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos()]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
