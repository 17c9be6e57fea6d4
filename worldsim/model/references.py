"""What the denoiser is given to look at: frames with their poses, depths, times and noise levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from worldsim.model.camera import relative_pose
from worldsim.model.kernels import has_numbers
from worldsim.model.warp import Warped, warp

Compensation = Literal["full", "rotation", "none"]
"""How references are brought into the current view: by depth and pose, by the turn alone, not at all."""


@dataclass(frozen=True)
class References:
    """R reference frames for each of B worlds; slot 0 is the newest frame."""

    frames: Tensor
    """`[B, R, 3, H, W]` float in [-1, 1]."""
    depth: Tensor
    """`[B, R, 1, H, W]` z-depth in blocks, as rendered or predicted."""
    pose: Tensor
    """`[B, R, 5]`, see `camera`."""
    time: Tensor
    """`[B, R]` signed ticks from now: -1 is the last frame, positive lies in the future."""
    noise_level: Tensor
    """`[B, R]` in [0, 1]: how much noise the frame carries."""
    valid: Tensor
    """`[B, R]` bool: False for an empty slot."""

    def to(self, device: torch.device) -> References:
        """The same references on another device."""
        return replace(self, **{k: v.to(device) for k, v in vars(self).items()})


@dataclass(frozen=True)
class View:
    """References as the network takes them: warped into the current view, with their descriptions."""

    warped: Tensor
    """`[B, R, 3, H, W]`."""
    depth: Tensor
    """`[B, R, 1, H, W]` z-depth in blocks from the current view."""
    known: Tensor
    """`[B, R, 1, H, W]`, 1 where the reference shows something."""
    newest: Tensor
    """`[B, 3, H, W]`: slot 0 unwarped, for what does not move with the camera."""
    frames: Tensor
    """`[B, R, 3, H, W]` unwarped."""
    description: Tensor
    """`[B, R, 17]`: rotation (9), translation (3), time (2), noise level, validity, sign of time."""
    valid: Tensor
    """`[B, R]` bool."""

    @property
    def turned(self) -> Tensor:
        """`[B]` cosine of the angle between the newest frame's look and this view's."""
        return self.description[:, 0, 8]


DESCRIPTION_SIZE = 17


def look(
    references: References,
    pose: Tensor,
    usable: Tensor,
    compensation: Compensation = "full",
    *,
    solid: bool = False,
) -> View:
    """Bring references into the view of `pose` `[B, 5]`.

    Args:
        usable: `[H, W]` bool, False where the picture does not turn with the camera.
        solid: see `warp`.
    """
    batch, slots = references.valid.shape
    rotation, translation = relative_pose(references.pose, pose[:, None])
    seen = _warp_all(references, rotation, translation, usable, compensation, solid)
    valid = references.valid[:, :, None, None, None].to(seen.known.dtype)

    whole = has_numbers(seen.frames) and bool(references.valid.all())  # as a rule, and to ask costs little

    def unflat(x: Tensor) -> Tensor:
        return x.unflatten(0, (batch, slots))

    return View(
        warped=unflat(seen.frames) if whole else unflat(seen.frames) * valid,
        depth=unflat(seen.depth),
        known=unflat(seen.known) if whole else unflat(seen.known) * valid,
        newest=references.frames[:, 0],
        frames=references.frames,
        description=_describe(references, rotation, translation),
        valid=references.valid,
    )


def _warp_all(
    references: References, rotation: Tensor, translation: Tensor, usable: Tensor, compensation: Compensation,
    solid: bool,
) -> Warped:  # fmt: skip
    frames, depth = references.frames.flatten(0, 1), references.depth.flatten(0, 1)
    rotation, translation = rotation.flatten(0, 1), translation.flatten(0, 1)
    if compensation == "rotation":
        translation = torch.zeros_like(translation)
    if compensation == "none":
        return Warped(frames, depth, torch.ones_like(depth))
    return warp(frames, depth, rotation, translation, usable, solid=solid)


def _describe(references: References, rotation: Tensor, translation: Tensor) -> Tensor:
    time = references.time.float()
    scalars = [
        torch.log1p(time.abs()) / 5,
        torch.exp(-time.abs() / 4),
        time.sign(),
        references.noise_level.float(),
        references.valid.float(),
    ]
    moved = translation.sign() * torch.log1p(translation.abs())
    described = torch.cat([rotation.flatten(-2), moved, torch.stack(scalars, -1)], -1)
    return described * references.valid.unsqueeze(-1)


def corrupt(
    references: References, noise_level: Tensor, generator: torch.Generator | None = None
) -> References:
    """Add noise of `noise_level` `[B, R]` to the frames and say so, against drift on own predictions."""
    level = noise_level[:, :, None, None, None]
    noise = torch.randn(references.frames.shape, generator=generator, device=references.frames.device)
    return replace(references, frames=references.frames + level * noise, noise_level=noise_level)
