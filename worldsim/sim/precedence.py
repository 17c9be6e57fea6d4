"""Precedence: what was given comes before what was guessed.

Who looks away and back again brings guesses along, in the last frame and in places that were thought of, and they
would stay in front of what was there, or shimmer through it. But wherever a given frame looked, nothing was between
the eye and what it shows.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.camera import rays, relative_pose, rotate, tangents
from worldsim.model.faces import BEHIND
from worldsim.model.fill import CRUMB, lone
from worldsim.model.grounding import LOOSE
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.references import View

_NEARER = 0.9  # of the distance, and it stands before what was given


def given_first(view: View, grounds: Tensor, imagined: Tensor, poses: Tensor, pose: Tensor) -> View:
    """The view with guesses replaced by what was given where both are shown, in every slot.

    A guess stays before it if the frame that shows what was given did not look there.

    Args:
        grounds: `[B, R, 1, H, W]` in [0, 1], how far each slot is given.
        imagined: `[B, R]` bool, see `Sight`.
        poses: `[B, R, 5]` of the remembered frames; pose: `[B, 5]` of the view.
    """
    if has_numbers(view.warped):
        return _given_first_compiled(view, grounds, imagined, poses, pose)
    return given_first_torch(view, grounds, imagined, poses, pose)


def _given_first_compiled(view: View, grounds: Tensor, imagined: Tensor, poses: Tensor, pose: Tensor) -> View:
    warped, depth = view.warped.contiguous().clone(), view.depth.contiguous().clone()
    known, grounds, given_depth = (t[:, :, 0] for t in (view.known, grounds, view.depth))
    moved = relative_pose(pose[:, None], poses)
    kernel("precedence", "give_way")(
        *arrays(known, grounds), imagined.numpy(), *arrays(*moved), _NEARER, CRUMB, *tangents(*depth.shape[-2:]),
        *arrays(given_depth, view.warped), depth[:, :, 0].numpy(), warped.numpy(),
    )  # fmt: skip
    return replace(view, warped=warped, depth=depth)


def given_first_torch(view: View, grounds: Tensor, imagined: Tensor, poses: Tensor, pose: Tensor) -> View:
    """`given_first` in plain torch, on any device."""
    shown = view.known > 0.5
    guess, told = shown & (grounds < LOOSE), shown & (grounds >= LOOSE) & ~imagined[:, :, None, None, None]
    told &= ~lone(told.flatten(0, 1).float()).view_as(told)
    warped, depth = view.warped.clone(), view.depth.clone()
    slots = range(warped.shape[1])
    for given, slot in ((g, s) for g in slots for s in slots if g != s):
        both = told[:, given] & guess[:, slot]
        before = depth[:, slot] < _NEARER * view.depth[:, given]
        taken = both & (~before | _looked_at(depth[:, slot], pose, poses[:, given]))
        warped[:, slot] = torch.where(taken, view.warped[:, given], warped[:, slot])
        depth[:, slot] = torch.where(taken, view.depth[:, given], depth[:, slot])
    return replace(view, warped=warped, depth=depth)


def _looked_at(depth: Tensor, pose: Tensor, other: Tensor) -> Tensor:
    """Whether points at `depth` `[B, 1, H, W]` from `pose` `[B, 5]` lie in the view from `other`; of that shape."""
    height, width = depth.shape[-2:]
    tan_x, tan_y = extent = tangents(height, width)
    rotation, translation = relative_pose(pose, other)
    points = rotate(rotation, rays(height, width, extent, depth.device) * depth.flatten(1)[:, None])
    x, y, z = (points + translation[..., None]).unbind(1)
    inside = (z > BEHIND) & (x.abs() < z * tan_x) & (y.abs() < z * tan_y)
    return inside.unflatten(1, (1, height, width))
