"""Noise levels and noise: the flow `x_s = (1 - s) x + s e`, its schedules, and one stream a world.

`noise_level` s is 0 for a clean frame and 1 for pure noise (rectified flow, Liu et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def add_noise(clean: Tensor, noise: Tensor, noise_level: Tensor) -> Tensor:
    """The flow's point between `clean` and `noise` `[B, ...]` at `noise_level` `[B]`."""
    level = noise_level.view(-1, *[1] * (clean.ndim - 1)).to(clean.dtype)
    return (1 - level) * clean + level * noise


def sample_noise(shape: Sequence[int], device: torch.device, generator: torch.Generator) -> Tensor:
    """Standard normal noise for training: from `generator`, or on a GPU from its own stream.

    A processor takes longer to draw a large batch's than a GPU to learn from it.
    """
    if device.type == "cpu":
        return torch.randn(*shape, generator=generator)
    return torch.randn(*shape, device=device)


def sample_levels(count: int, pure: float, generator: torch.Generator | None = None) -> Tensor:
    """Training noise levels `[count]`: a share `pure` of 1, else logit-normal towards the hard end."""
    levels = torch.sigmoid(torch.randn(count, generator=generator) * 1.2 + 1.0)
    return torch.where(torch.rand(count, generator=generator) < pure, torch.ones(count), levels)


def schedule(steps: int) -> list[float]:
    """Noise levels `[steps + 1]` from 1 to 0 in equal steps."""
    return [1 - i / steps for i in range(steps + 1)]


def loss_weight(noise_level: Tensor) -> Tensor:
    """Weight of the x-prediction error at each level: velocity weighting, bounded near clean frames."""
    return 1 / noise_level.clamp(min=0.4)


def frame_noise(seed: int, episode: int, frame: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise keyed by (seed, episode, frame): the same whoever else is in the batch.

    Philox is counter-based (Salmon et al. 2011): nothing is advanced and nothing has to be stored.
    """
    key = [seed & 0xFFFFFFFFFFFFFFFF, ((episode & 0xFFFFFFFF) << 32) | (frame & 0xFFFFFFFF)]
    generator = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
