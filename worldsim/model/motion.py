"""The motion head: how far the player will move this tick, from the action, the steps before and the space around.

It runs before the frame is denoised, so that references can be reprojected whole; walls, gravity
and water act in the dream through it. It sees no picture: what stands where is read off remembered
depth (`surroundings`), which knows of the ground under the feet and of walls out of view.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE
from worldsim.model.surroundings import SENSED

_SCALE = 0.25  # blocks a tick of a brisk walk: brings targets to the order of one
_FINE = (2.0, 8.0, 32.0)  # per block: a step of 0.02 and one of 0 are different things, on the ground or not


@dataclass(frozen=True)
class MotionConfig:
    """Size of the motion head."""

    width: int = 512
    """Units of its first layer; the second has half as many."""
    history: int = 2
    """Past steps given."""


class MotionHead(nn.Module):
    """Predicts the eye's step (right, up, forward) in blocks, in the level frame of the new yaw."""

    def __init__(self, config: MotionConfig, actions: int) -> None:
        super().__init__()
        self.config, self.actions = config, actions
        past = 3 * config.history * (1 + len(_FINE))
        self.net = nn.Sequential(
            nn.Linear(actions * ACTION_SIZE + 2 + past + SENSED, config.width), nn.SiLU(),
            nn.Linear(config.width, config.width // 2), nn.SiLU(),
            nn.Linear(config.width // 2, 3),
        )  # fmt: skip

    def forward(self, actions: Tensor, pitch: Tensor, past: Tensor, space: Tensor) -> Tensor:
        """Predict the step `[B, 3]`.

        Args:
            actions: `[B, K, 25]` scaled, newest first.
            pitch: `[B, 2]` sine and cosine of the last frame's pitch.
            past: `[B, history, 3]` the steps before, newest first, in blocks in the new yaw's frame.
            space: `[B, 980]` of `surroundings.sense`, in the same frame.
        """
        flat = past.flatten(1)
        fine = [torch.tanh(flat * scale) for scale in _FINE]
        step: Tensor = self.net(
            torch.cat([actions.flatten(1), pitch, flat / _SCALE, *fine, space], 1)
        ).float()
        return step * _SCALE


def motion_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Huber loss of steps `[B, 3]` in units of a brisk walk's."""
    return F.smooth_l1_loss(predicted / _SCALE, true / _SCALE, beta=0.2)
