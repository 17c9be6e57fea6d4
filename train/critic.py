"""The critic: a small patch discriminator that tells dreamt frames from the game's, by picture and depth.

Squared error alone asks for the mean of all that could lie behind a corner, and the mean is fog.
The critic asks that it look like something (adversarial diffusion distillation, Sauer et al. 2023;
patches after Isola et al. 2017, hinge loss after Lim and Ye 2017, spectral norm after Miyato et
al. 2018). It is part of training alone: a world's checkpoint holds none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class CriticConfig:
    """Size and weight of the critic."""

    pull: float = 0.0
    """How hard it pulls on invented pixels, as the colour error whose squared loss would pull as hard; 0: none."""
    widths: tuple[int, ...] = (48, 96, 160, 256)
    """Channels at a half, a quarter, ... of the frame's resolution."""
    learning_rate: float = 3e-4
    """AdamW's."""
    warmup: int = 60
    """Steps that it learns alone before it pulls."""


class Critic(nn.Module):
    """Logits of patches at a quarter of the resolution and below; positive for the game."""

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        widths = config.widths
        self.enter = spectral_norm(nn.Conv2d(4 * 4 + 2, widths[0], 3, padding=1))
        self.down = nn.ModuleList(
            [spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in zip(widths[:-1], widths[1:])]
        )
        self.heads = nn.ModuleList([spectral_norm(nn.Conv2d(w, 1, 3, padding=1)) for w in widths[1:]])

    def forward(self, frame: Tensor, depth: Tensor, pitch: Tensor) -> list[Tensor]:
        """Judge frames `[B, 3, H, W]` in [-1, 1] with depth codes `[B, 1, H, W]`, seen at `pitch` `[B]` degrees.

        The pitch is given since a player who looks at his feet sees no sky, and that is no fault.
        """
        pixels = F.pixel_unshuffle(torch.cat([frame, depth], 1), 2)
        angle = torch.deg2rad(pitch)
        angle = torch.stack([angle.sin(), angle.cos()], 1)[:, :, None, None]
        h = torch.cat([pixels, angle.expand(-1, -1, *pixels.shape[2:])], 1)
        h = F.leaky_relu(self.enter(h.contiguous(memory_format=torch.channels_last)), 0.2)
        logits = []
        for down, head in zip(self.down, self.heads):
            h = F.leaky_relu(down(h), 0.2)
            logits.append(head(h))
        return logits


def critic_loss(real: Sequence[Tensor], fake: Sequence[Tensor], invented: Tensor) -> Tensor:
    """Hinge loss; a dreamt patch counts by its share of invented pixels `[B, 1, H, W]`."""
    total = real[0].new_zeros((), dtype=torch.float32)
    for r, f in zip(real, fake):
        share = F.adaptive_avg_pool2d(invented, f.shape[2:])
        accused = (share * F.relu(1 + f.float())).sum() / share.sum().clamp(min=1.0)
        total = total + F.relu(1 - r.float()).mean() + accused
    return total / len(real)


def dreamer_loss(fake: Sequence[Tensor]) -> Tensor:
    """What the world model descends: look like the game."""
    return -torch.stack([f.float().mean() for f in fake]).mean()
