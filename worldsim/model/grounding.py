"""How far the picture that a frame ought to show follows from truth that its references carry.

A dream's references are partly its own invention. Where they are, the game's frame is one of many
right answers, and asking for it teaches the mean of all of them: fog. So every frame carries a map
of its grounding: 1 where it shows the game, what reprojection leaves of that where it shows a
memory of it, 0 where it was invented. Walking up to a thing magnifies it, and the finer detail was
never seen either, though what it must be can often be told: grounding falls with the root of the scale.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import NEAR, relative_pose
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.references import References
from worldsim.model.warp import warp

_CLOSE, _APART = 0.06, 0.26
LOOSE = 0.5
"""Grounding below which a thing is a guess: kept sharp rather than drawn as the mean of what it may be, and given up
where something finer is thought of. What was given is one once it is seen four times as large as it was shown."""
SHRINK = 2
"""Grounding is kept at a half of the frame's resolution."""


@torch.no_grad()
def grounding(
    references: References, known: Tensor, pose: Tensor, usable: Tensor, *, solid: bool = False
) -> Tensor:
    """What the view from `pose` `[B, 5]` can know: `[B, 1, H, W]` in [0, 1]; see `groundings`."""
    return groundings(references, known, pose, usable, solid=solid).amax(1)


@torch.no_grad()
def groundings(
    references: References, known: Tensor, pose: Tensor, usable: Tensor, *, solid: bool = False
) -> Tensor:
    """What each reference tells of the view from `pose` `[B, 5]`: `[B, R, 1, H, W]` in [0, 1].

    The HUD follows from the newest frame, in all of them.

    Args:
        known: `[B, R, 1, H / 2, W / 2]` the references' own grounding.
        usable: `[H, W]` bool, False over the HUD.
        solid: see `warp`.
    """
    rotation, translation = relative_pose(references.pose, pose[:, None])
    moved = rotation.flatten(0, 1), translation.flatten(0, 1)
    ground = _ground_compiled if has_numbers(references.depth) and has_numbers(known) else ground_torch
    return ground(references, known, moved, usable, solid)


def _ground_compiled(
    references: References, known: Tensor, moved: tuple[Tensor, Tensor], usable: Tensor, solid: bool
) -> Tensor:
    shape, (height, width) = references.valid.shape, known.shape[-2:]
    layers, depth = torch.empty(shape.numel(), 2, height, width), torch.empty(shape.numel(), 1, height, width)
    own = arrays(known[:, :, 0])[0]
    kernel("grounding", "prepare")(
        *arrays(references.depth.flatten(0, 2)),
        own.reshape(-1, height, width),
        layers.numpy(),
        depth[:, 0].numpy(),
    )
    seen = warp(layers, depth, *moved, usable[::SHRINK, ::SHRINK], solid=solid)
    told = torch.empty(*shape, 1, *references.depth.shape[-2:])
    kernel("grounding", "carry")(
        *arrays(*(t.unflatten(0, shape) for t in (seen.frames, seen.depth[:, 0], seen.known[:, 0]))), own,
        references.valid.numpy(), usable.contiguous().numpy(), told[:, :, 0].numpy(),
    )  # fmt: skip
    return told


def ground_torch(
    references: References, known: Tensor, moved: tuple[Tensor, Tensor], usable: Tensor, solid: bool
) -> Tensor:
    """`groundings` in plain torch, on any device, given the references' relative poses, `[B R, ...]`."""
    batch, slots = references.valid.shape
    depth = references.depth[..., ::SHRINK, ::SHRINK].flatten(0, 1)
    depth = torch.where(depth > 0, depth.clamp(min=NEAR), 0.0)  # which shows nothing
    layers = torch.cat([known.flatten(0, 1), 1 / depth.clamp(min=NEAR)], 1)
    seen = warp(layers, depth, *moved, usable[::SHRINK, ::SHRINK], solid=solid)
    scale = (seen.frames[:, 1:2] * seen.depth).clamp(0, 1).sqrt()  # below 1: nearer now, and larger
    carried = seen.frames[:, :1].clamp(0, 1) * scale * seen.known
    carried = carried.unflatten(0, (batch, slots)) * references.valid[:, :, None, None, None]
    told = carried.repeat_interleave(SHRINK, -2).repeat_interleave(SHRINK, -1)
    newest = F.interpolate(known[:, 0], scale_factor=SHRINK, mode="nearest")
    return torch.where(usable, told, (newest * references.valid[:, :1, None, None])[:, None])


def agreement(off: Tensor) -> Tensor:
    """How far a dreamt frame may still pass for the truth, by its error `[B, 3, H, W]` in units of [-1, 1].

    Once a dream shows another thing than the game, what follows from it is invention, however well
    it was seen before.
    """
    size = F.avg_pool2d(off.abs().mean(1, keepdim=True), 3, 1, 1)
    return (1 - (size - _CLOSE) / (_APART - _CLOSE)).clamp(0, 1)


def shrink(pixels: Tensor) -> Tensor:
    """A map `[B, 1, H, W]` at the resolution in which grounding is kept."""
    return F.avg_pool2d(pixels, SHRINK)
