"""Precedence: what was given comes before what was guessed.

Who looks away and back again brings guesses along in the last frame, and they would stay in front of what was there.
But wherever a given frame looked, nothing was between the eye and what it shows.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.camera import rays, relative_pose, rotate, tangents
from worldsim.model.fill import window_sum
from worldsim.model.references import View

LOOSE = 0.5
"""Grounding below which a thing is a guess: kept sharp rather than drawn as the mean of what it may be, and given up
where something finer is thought of. What was given is one once it is seen four times as large as it was shown."""
_NEWEST = 2  # slots of the newest frames
_NEARER = 0.9  # of the distance, and it stands before what was given
_AHEAD, _CRUMB = 0.05, 9


def given_first(view: View, grounds: Tensor, imagined: Tensor, poses: Tensor, pose: Tensor) -> View:
    """The view with guesses in the newest frames replaced by what was given where both are shown.

    A guess stays before it if the frame that shows what was given did not look there.

    Args:
        grounds: `[B, R, 1, H, W]` in [0, 1], how far each slot is given.
        imagined: `[B, R]` bool, see `Sight`.
        poses: `[B, R, 5]` of the remembered frames; pose: `[B, 5]` of the view.
    """
    warped, depth, known = view.warped.clone(), view.depth.clone(), view.known.clone()
    for given in range(1, warped.shape[1]):
        told = (view.known[:, given] > 0.5) & (grounds[:, given] >= LOOSE) & ~imagined[:, given, None, None, None]
        told &= ~lone(told.float())
        for slot in range(min(_NEWEST, given)):
            guess = told & (grounds[:, slot] < LOOSE) & (known[:, slot] > 0.5)
            before = depth[:, slot] < _NEARER * view.depth[:, given]
            taken = guess & (~before | _looked_at(depth[:, slot], pose, poses[:, given]))
            warped[:, slot] = torch.where(taken, view.warped[:, given], warped[:, slot])
            depth[:, slot] = torch.where(taken, view.depth[:, given], depth[:, slot])
    return replace(view, warped=warped, depth=depth, known=known)


def _looked_at(depth: Tensor, pose: Tensor, other: Tensor) -> Tensor:
    """Bool `[B, 1, H, W]`: whether points at `depth` `[B, 1, H, W]` from `pose` `[B, 5]` lie in the view from `other`."""
    height, width = depth.shape[-2:]
    tan_x, tan_y = extent = tangents(height, width)
    rotation, translation = relative_pose(pose, other)
    points = rotate(rotation, rays(height, width, extent, depth.device) * depth.flatten(1)[:, None])
    x, y, z = (points + translation[..., None]).unbind(1)
    inside = (z > _AHEAD) & (x.abs() < z * tan_x) & (y.abs() < z * tan_y)
    return inside.unflatten(1, (1, height, width))


def lone(known: Tensor) -> Tensor:
    """Bool `[N, 1, H, W]`: most of what is around is not known."""
    return window_sum(known, _CRUMB) / window_sum(torch.ones_like(known[:1]), _CRUMB) < 0.5
