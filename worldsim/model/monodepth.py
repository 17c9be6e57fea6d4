"""Monocular depth: how far away what a single picture shows is, where nothing else tells.

For footage without depth: a picture that a dream begins from, recordings of another game. The
denoiser draws depth, too, but goes by what it remembers; this network looks at nothing but the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.model.camera import decode_depth, tangents
from worldsim.model.layers import channel_norm

_CELL = 4
"""Pixels of a cell of the outermost level; each of the two others halves the resolution."""
_PICTURE, _KNOWN, _LEVEL = 3, 1, 2
_CHUNK = 16


@dataclass(frozen=True)
class MonoDepthConfig:
    """Size of the network for monocular depth."""

    width: int = 0
    """Channels of the outermost level; 0: the world has none."""
    blocks: int = 2
    """Residual blocks a level, on the way in and on the way out."""


class MonoDepth(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) from a picture and the camera's pitch to depth.

    Each pixel is told the elevation of its ray: ground that is seen from a known height is as far as
    its ray points down. Training leaves it out now and then, so that pictures of unknown pitch do as well.
    """

    def __init__(self, config: MonoDepthConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        widths = [width, 2 * width, 3 * width]
        inputs = (_PICTURE + _KNOWN + _LEVEL) * _CELL**2
        self.stem = nn.Conv2d(inputs, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(widths, widths[1:]))
        self.enter = nn.ModuleList(_blocks(w, config.blocks) for w in widths)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.leave = nn.ModuleList(_blocks(w, config.blocks) for w in widths[:-1])
        self.out = nn.Conv2d(width, _CELL**2, 3, padding=1)

    def forward(self, frames: Tensor, pitch: Tensor, usable: Tensor) -> Tensor:
        """Depth codes `[B, 1, H, W]`, see `camera.encode_depth`; not clamped.

        Args:
            frames: `[B, 3, H, W]` in [-1, 1].
            pitch: `[B]` degrees, nan where it isn't known.
            usable: bool `[B, 1, H, W]` or broadcastable, False where something lies over the picture.
        """
        height, width = frames.shape[2:]
        spare = (-width % (4 * _CELL), -height % (4 * _CELL))
        x = torch.cat([frames * usable, usable.expand_as(frames[:, :1]), _elevation(frames, pitch)], 1)
        x = F.pixel_unshuffle(F.pad(x, (0, spare[0], 0, spare[1])), _CELL)
        x, kept = self.stem(x), []
        for level, blocks in enumerate(self.enter):
            x = blocks(x if level == 0 else self.down[level - 1](x))
            kept.append(x)
        for level in reversed(range(len(self.leave))):
            x = kept[level] + F.interpolate(self.up[level](x), scale_factor=2, mode="nearest")
            x = self.leave[level](x)
        code: Tensor = F.pixel_shuffle(self.out(F.silu(channel_norm(x))), _CELL)
        return code[..., :height, :width]

    @torch.no_grad()
    def depth(self, frames: Tensor, pitch: Tensor, usable: Tensor) -> Tensor:
        """z-depth `[B, H, W]` in blocks, sixteen frames at a time; arguments as of `forward`, `usable` `[H, W]`."""
        parts = zip(frames.split(_CHUNK), pitch.split(_CHUNK))
        return torch.cat([decode_depth(self(some, p, usable[None, None]))[:, 0] for some, p in parts])


class _Block(nn.Module):
    """norm, 3x3 convolution, SiLU, 3x3 convolution, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_out(F.silu(self.conv_in(channel_norm(x))))  # type: ignore[no-any-return]


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(count)))


def _elevation(frames: Tensor, pitch: Tensor) -> Tensor:
    """`[B, 2, H, W]`: the sine of how far each pixel's ray points up, and 1 where the pitch is known."""
    height, width = frames.shape[2:]
    across, up = tangents(height, width)
    x = ((torch.arange(width, device=frames.device) + 0.5) / width * 2 - 1) * across
    y = ((torch.arange(height, device=frames.device) + 0.5) / height * 2 - 1) * up
    known = pitch.isfinite()[:, None, None].expand(-1, height, width)
    angle = (pitch.nan_to_num(0.0) * (math.pi / 180))[:, None, None]
    rise = -(y[None, :, None] * angle.cos() + angle.sin()) / (1 + x**2 + y[:, None] ** 2).sqrt()
    return torch.stack([torch.where(known, rise, 0.0), known.to(rise.dtype)], 1)
