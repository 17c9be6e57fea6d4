"""The motion head: how far the player will move this tick, from the last frame, its depth and the action.

It runs before the frame is denoised, so that references can be reprojected whole; walls, gravity
and water act in the dream through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE
from worldsim.model.layers import ResBlock, channel_norm
from worldsim.model.surroundings import SENSED

_SCALE = 0.25  # blocks a tick of a brisk walk: brings targets to the order of one


@dataclass(frozen=True)
class MotionConfig:
    """Size of the motion head."""

    channels: int = 64
    """Width of its outer level."""
    cond: int = 128
    """Width of its conditioning vector."""
    history: int = 2
    """Past steps given."""
    sense: int = 0
    """Width of the layer that reads the space around the player (`surroundings`); 0: there is none."""


class MotionHead(nn.Module):
    """Predicts the eye's step (right, up, forward) in blocks, in the level frame of the new yaw."""

    def __init__(
        self, config: MotionConfig, latent_channels: int, pixels: int, grid: tuple[int, int], actions: int
    ) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.stem = nn.Conv2d(latent_channels + pixels, c, 1)
        self.cond = nn.Sequential(
            nn.Linear(actions * ACTION_SIZE + 2 + 3 * config.history, config.cond), nn.SiLU(),
            nn.Linear(config.cond, config.cond), nn.SiLU(),
        )  # fmt: skip
        self.sense = _sense(config)
        self.down = nn.ModuleList(
            [nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), nn.Conv2d(2 * c, 2 * c, 3, stride=2, padding=1)]
        )
        self.blocks = nn.ModuleList([ResBlock(2 * c, config.cond) for _ in range(2)])
        self.squeeze = nn.Conv2d(2 * c, c // 2, 1)
        cells = -(-grid[0] // 4) * -(-grid[1] // 4)
        self.out = nn.Sequential(nn.Linear(cells * (c // 2) + config.cond, 256), nn.SiLU(), nn.Linear(256, 3))

    def forward(
        self, newest: Tensor, depth: Tensor, actions: Tensor, pitch: Tensor, past: Tensor, space: Tensor
    ) -> Tensor:
        """Predict the step `[B, 3]`.

        Args:
            newest: `[B, C, h, w]` latents of the last frame.
            depth: `[B, P, h, w]` its depth codes.
            actions: `[B, K, 25]` scaled, newest first.
            pitch: `[B, 2]` sine and cosine of the last frame's pitch.
            past: `[B, history, 3]` the steps before, newest first, in blocks in the new yaw's frame.
            space: `[B, 980]` of `surroundings.sense`, in the new yaw's frame; not read if `config.sense` is 0.
        """
        cond = self.cond(torch.cat([actions.flatten(1), pitch, past.flatten(1) / _SCALE], 1))
        if self.sense is not None:
            cond = cond + self.sense(space)
        h = self.stem(torch.cat([newest, depth], 1).contiguous(memory_format=torch.channels_last))
        for down, block in zip(self.down, self.blocks):
            h = block(down(F.silu(h)), cond)
        cells = self.squeeze(F.silu(channel_norm(h))).flatten(1)
        step: Tensor = self.out(torch.cat([cells, cond], 1)).float()
        return step * _SCALE


def _sense(config: MotionConfig) -> nn.Sequential | None:
    """From the space around to the conditioning vector; adds nothing at first: a trained head can be given it."""
    if config.sense == 0:
        return None
    last = nn.Linear(config.sense, config.cond)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(SENSED, config.sense), nn.SiLU(), last)


def motion_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Huber loss of steps `[B, 3]` in units of a brisk walk's."""
    return F.smooth_l1_loss(predicted / _SCALE, true / _SCALE, beta=0.2)
