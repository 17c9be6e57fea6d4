"""Pixels to latents and back: a training-free rearrangement, and a small learned autoencoder.

Frames are uint8 `[..., H, W, 3]` everywhere; floats in [-1, 1] exist only between
`frames_to_float` and `float_to_frames`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worldsim.errors import ConfigError
from worldsim.model.kernels import has_numbers, kernel


def frames_to_float(frames: Tensor) -> Tensor:
    """Turn frames uint8 `[..., H, W, 3]` into float32 `[..., 3, H, W]` in [-1, 1]."""
    if frames.dtype != torch.uint8 or frames.shape[-1] != 3:
        raise ConfigError(f"frames: got {frames.dtype} {list(frames.shape)}, expected uint8 [..., H, W, 3]")
    return frames.movedim(-1, -3).float() / 127.5 - 1.0


def frames_to_planes(frames: Tensor) -> Tensor:
    """`frames_to_float`, on a CPU channel after channel in memory: what reprojection takes, in a third of the time.

    Args:
        frames: uint8 `[N, H, W, 3]`.
    """
    if type(frames) is not Tensor or frames.device.type != "cpu" or frames.dtype != torch.uint8:
        return frames_to_float(frames)
    count, height, width, channels = frames.shape
    planes = torch.empty(count, channels, height, width)
    bytes_ = frames.contiguous().view(count, -1, channels).numpy()
    kernel("layers", "look_up")(bytes_, _values(), planes.flatten(2).numpy())
    return planes


@functools.cache
def _values() -> NDArray[np.float32]:
    """What `frames_to_float` makes of each byte: `[256]`."""
    every = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1).expand(-1, -1, 3)
    found: NDArray[np.float32] = frames_to_float(every)[0, :, 0].numpy().copy()
    return found


def float_to_frames(images: Tensor) -> Tensor:
    """Turn floats `[..., 3, H, W]` into frames uint8 `[..., H, W, 3]`, clamped; undoes `frames_to_float` exactly."""
    if has_numbers(images) and images.is_contiguous() and images.shape[-3] == 3:
        return _float_to_frames_compiled(images)
    return float_to_frames_torch(images)


def _float_to_frames_compiled(images: Tensor) -> Tensor:
    *many, _, height, width = images.shape
    frames = torch.empty(*many, height, width, 3, dtype=torch.uint8)
    kernel("layers", "to_bytes")(
        images.view(-1, 3, height * width).numpy(), frames.view(-1, height * width, 3).numpy()
    )
    return frames


def float_to_frames_torch(images: Tensor) -> Tensor:
    """`float_to_frames` in plain torch, on any device."""
    scaled = (images.detach().float() + 1.0) * 127.5
    return scaled.round().clamp(0, 255).to(torch.uint8).movedim(-3, -1).contiguous()


@dataclass(frozen=True)
class TokenizerConfig:
    """Which tokenizer, and its size.

    `factor` is the number of pixels along each side of a latent cell. `channels` counts latent
    channels and `width` the hidden ones; space-to-depth has 3 * factor**2 channels and ignores both.
    """

    kind: Literal["space_to_depth", "autoencoder"] = "space_to_depth"
    factor: int = 4
    channels: int = 16
    width: int = 32

    def __post_init__(self) -> None:
        if self.kind not in ("space_to_depth", "autoencoder"):
            raise ConfigError(
                f"tokenizer.kind: got {self.kind!r}, expected 'space_to_depth' or 'autoencoder'"
            )
        if self.factor not in (1, 2, 4, 8, 16) or (self.kind == "autoencoder" and self.factor == 1):
            raise ConfigError(
                f"tokenizer.factor: got {self.factor}, expected 2, 4, 8 or 16 (1 for space_to_depth)"
            )
        for name, value, limit in (("channels", self.channels, 256), ("width", self.width, 512)):
            if not 1 <= value <= limit:
                raise ConfigError(f"tokenizer.{name}: got {value}, expected 1 to {limit}")
        if self.width % 8:
            raise ConfigError(f"tokenizer.width: got {self.width}, expected a multiple of 8")


class Tokenizer(Protocol):
    """Images float `[B, 3, H, W]` in [-1, 1] to latents `[B, latent_channels, H/factor, W/factor]` and back."""

    @property
    def latent_channels(self) -> int: ...
    @property
    def factor(self) -> int: ...
    def encode(self, images: Tensor) -> Tensor: ...
    def decode(self, latents: Tensor) -> Tensor: ...


class SpaceToDepth(nn.Module):
    """Moves each p x p block of pixels into channels: no weights, no loss, exactly invertible."""

    def __init__(self, factor: int = 4) -> None:
        super().__init__()
        self.factor = factor
        self.latent_channels = 3 * factor * factor

    def encode(self, images: Tensor) -> Tensor:
        return to_cells(images, self.factor)

    def decode(self, latents: Tensor) -> Tensor:
        return to_pixels(latents, self.factor)


class Autoencoder(nn.Module):
    """A small convolutional autoencoder whose latents are bounded and have about unit variance.

    The encoder may be wide; the decoder, which every played frame passes, works at a quarter of
    the frame's resolution and below, and ends in one pixel shuffle.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.factor = config.factor
        self.latent_channels = config.channels
        inner, levels = _plan(config.factor)
        widths = [config.width * min(2**i, 4) for i in range(levels + 1)]
        encoder: list[nn.Module] = [
            nn.PixelUnshuffle(inner),
            nn.Conv2d(3 * inner**2, widths[0], 3, padding=1),
        ]
        for narrow, wide in pairwise(widths):
            encoder += [_Residual(narrow), nn.Conv2d(narrow, wide, 4, stride=2, padding=1)]
        encoder += [_Residual(widths[-1]), _Residual(widths[-1])]
        self.encoder = nn.Sequential(
            *encoder, _norm(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], config.channels, 1)
        )
        decoder: list[nn.Module] = [nn.Conv2d(config.channels, widths[-1], 3, padding=1)]
        decoder += [_Residual(widths[-1]), _Residual(widths[-1])]
        for wide, narrow in zip(widths[::-1], widths[-2::-1]):
            decoder += [nn.Conv2d(wide, 4 * narrow, 1), nn.PixelShuffle(2), _Residual(narrow)]
        head = nn.Conv2d(widths[0], 3 * inner**2, 3, padding=1)
        self.decoder = nn.Sequential(*decoder, _norm(widths[0]), nn.SiLU(), head, nn.PixelShuffle(inner))

    def encode(self, images: Tensor) -> Tensor:
        """Images to latents within ±3: a soft limit that training keeps mostly in its linear part."""
        return 3.0 * torch.tanh(self.encoder(images) / 3.0)

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents)  # type: ignore[no-any-return]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            _norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip
        nn.init.zeros_(self.body[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.body[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


def build_tokenizer(config: TokenizerConfig) -> SpaceToDepth | Autoencoder:
    """Build the tokenizer that `config` describes, with fresh weights if it has any."""
    return SpaceToDepth(config.factor) if config.kind == "space_to_depth" else Autoencoder(config)


def _plan(factor: int) -> tuple[int, int]:
    """Split the factor into a pixel shuffle (cheap) and strided levels (learned)."""
    inner = {2: 2, 4: 2, 8: 4, 16: 4}[factor]
    return inner, (factor // inner).bit_length() - 1


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(width // 8, width)


def to_cells(pixels: Tensor, factor: int) -> Tensor:
    """Pixels `[B, C, H, W]` as the channels of cells: `F.pixel_unshuffle`, in a tenth of its time on a CPU."""
    if factor != 4 or not has_numbers(pixels):
        return to_cells_torch(pixels, factor)
    batch, channels, height, width = pixels.shape
    cells = torch.empty(batch, channels * factor**2, height // factor, width // factor)
    places = cells.view(-1, factor, factor, *cells.shape[2:])
    kernel("cells", "gather_four")(pixels.contiguous().flatten(0, 1).numpy(), places.numpy())
    return cells


def to_cells_torch(pixels: Tensor, factor: int) -> Tensor:
    """`to_cells` in plain torch, on any device."""
    cells = pixels.unflatten(3, (-1, factor)).unflatten(2, (-1, factor))
    return cells.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def to_pixels(cells: Tensor, factor: int) -> Tensor:
    """Undo `to_cells`: `F.pixel_shuffle`, likewise."""
    if factor != 4 or not has_numbers(cells):
        return to_pixels_torch(cells, factor)
    batch, channels, rows, columns = cells.shape
    pixels = torch.empty(batch, channels // factor**2, rows * factor, columns * factor)
    places = cells.contiguous().view(-1, factor, factor, rows, columns)
    kernel("cells", "scatter_four")(places.numpy(), pixels.view(-1, *pixels.shape[2:]).numpy())
    return pixels


def to_pixels_torch(cells: Tensor, factor: int) -> Tensor:
    """`to_pixels` in plain torch, on any device."""
    pixels = cells.unflatten(1, (-1, factor, factor))
    return pixels.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
