"""A yardstick: a pixel-space diffusion world model of the size and manner of DIAMOND (Alonso et al. 2024).

Written from the paper's description, with random weights, for its cost alone: a U-Net of about 4.4 million parameters
on 64x64 pixels, conditioned on four past frames (as channels) and their actions (by adaptive group normalisation),
sampled in three Euler steps of EDM (Karras et al. 2022). Nothing of it is used anywhere else.
"""

from __future__ import annotations

import math
import time
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAST, STEPS = 4, 3
WIDTH, LEVELS, BLOCKS, COND = 64, 4, 2, 256
_SIGMA_DATA, _SIGMA_MIN, _SIGMA_MAX, _RHO = 0.5, 2e-3, 5.0, 7


class _Block(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            [nn.GroupNorm(inputs // 32, inputs, affine=False), nn.GroupNorm(2, width, affine=False)]
        )
        self.films = nn.ModuleList([nn.Linear(COND, 2 * inputs), nn.Linear(COND, 2 * width)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)]
        )
        self.skip = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        h = x
        for norm, film, conv in zip(self.norms, self.films, self.convs):
            scale, shift = film(cond)[:, :, None, None].chunk(2, 1)
            h = conv(F.silu(norm(h) * (1 + scale) + shift))
        return h + self.skip(x)  # type: ignore[no-any-return]


class PixelUNet(nn.Module):
    """Predicts a frame `[B, 3, H, W]` from a noisy one, four past frames and actions; H and W divide by eight."""

    def __init__(self, actions: int = 18) -> None:
        super().__init__()
        self.actions = nn.Embedding(actions, COND // PAST)
        self.cond = nn.Sequential(nn.Linear(COND, COND), nn.SiLU(), nn.Linear(COND, COND))
        self.register_buffer("frequencies", torch.randn(COND // 2))
        self.enter = nn.Conv2d(3 * (PAST + 1), WIDTH, 3, padding=1)
        self.down = nn.ModuleList([_stack([WIDTH] * BLOCKS) for _ in range(LEVELS)])
        self.shrink = nn.ModuleList(
            [nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1) for _ in range(LEVELS - 1)]
        )
        self.middle = _stack([WIDTH] * 2)
        self.grow = nn.ModuleList([nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(LEVELS - 1)])
        self.up = nn.ModuleList([_stack([2 * WIDTH] * (BLOCKS + 1)) for _ in range(LEVELS)])
        self.leave = nn.Conv2d(WIDTH, 3, 3, padding=1)

    def forward(self, noisy: Tensor, sigma: Tensor, past: Tensor, actions: Tensor) -> Tensor:
        """EDM's preconditioned prediction; past `[B, 12, H, W]`, actions `[B, 4]`, sigma a scalar."""
        skip = _SIGMA_DATA**2 / (sigma**2 + _SIGMA_DATA**2)
        out = sigma * _SIGMA_DATA / (sigma**2 + _SIGMA_DATA**2).sqrt()
        angle = 2 * math.pi * (sigma.log() / 4) * self.frequencies  # type: ignore[operator]
        cond = self.cond(torch.cat([angle.cos(), angle.sin()]) + self.actions(actions).flatten(1))
        h = self.enter(torch.cat([noisy / (sigma**2 + _SIGMA_DATA**2).sqrt(), past], 1))
        return skip * noisy + out * self.leave(F.silu(self._trunk(h, cond)))  # type: ignore[no-any-return]

    def _trunk(self, h: Tensor, cond: Tensor) -> Tensor:
        kept = []
        for level, blocks in enumerate(self.down):
            kept.append(h)
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, cond)
                kept.append(h)
            h = self.shrink[level](h) if level < LEVELS - 1 else h
        for block in self.middle:
            h = block(h, cond)
        for level, blocks in enumerate(self.up):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(torch.cat([h, kept.pop()], 1), cond)
            if level < LEVELS - 1:
                h = self.grow[level](F.interpolate(h, scale_factor=2.0))
        return h


def _stack(inputs: list[int]) -> nn.ModuleList:
    return nn.ModuleList([_Block(width, WIDTH) for width in inputs])


def sigmas() -> list[float]:
    """EDM's noise levels of `STEPS` steps, and 0."""
    high, low = _SIGMA_MAX ** (1 / _RHO), _SIGMA_MIN ** (1 / _RHO)
    return [(high + i / (STEPS - 1) * (low - high)) ** _RHO for i in range(STEPS)] + [0.0]


@torch.inference_mode()
def next_frame(model: PixelUNet, past: Tensor, actions: Tensor) -> Tensor:
    """One frame in Euler steps."""
    levels = sigmas()
    x = torch.randn_like(past[:, :3]) * levels[0]
    for now, then in zip(levels, levels[1:]):
        clean = model(x, torch.tensor(now), past, actions)
        x = x + (then - now) * (x - clean) / now
    return x


def reference(width: int, height: int, frames: int) -> dict[str, Any]:
    """Median milliseconds a frame of the yardstick on the CPU, playing on from its own frames."""
    torch.manual_seed(0)
    model: Any = PixelUNet().eval()
    model.to(memory_format=torch.channels_last)
    past, actions = torch.rand(1, 3 * PAST, height, width) * 2 - 1, torch.zeros(1, PAST, dtype=torch.long)
    spent = []
    for _ in range(frames + 1):
        begin = time.perf_counter()
        frame = next_frame(model, past, actions)
        past = torch.cat([past[:, 3:], frame.clamp(-1, 1)], 1)
        spent.append((time.perf_counter() - begin) * 1e3)
    return {"ms_p50": median(spent[1:]), "parameters": sum(p.numel() for p in model.parameters())}
