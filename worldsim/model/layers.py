"""Network parts: Fourier features, a FiLM-modulated residual block and attention over references."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fourier(values: Tensor, size: int, max_frequency: float = 1000.0) -> Tensor:
    """Sines and cosines `[..., size]` of scalars `[...]` in [0, 1] at geometric frequencies."""
    steps = torch.arange(size // 2, device=values.device, dtype=torch.float32) / max(size // 2 - 1, 1)
    angles = values.float().unsqueeze(-1) * torch.exp(steps * math.log(max_frequency))
    return torch.cat([angles.cos(), angles.sin()], -1)


def channel_norm(x: Tensor) -> Tensor:
    """Layer normalisation of `[B, D, h, w]` over D, without parameters (the modulation has them)."""
    return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)


class Merged:
    """Weights of several linear layers with the same input, one below the other: one product in place of many.

    While nothing is learned they are kept; `_version` tells when one of them was written to.
    """

    def __init__(self) -> None:
        self._of: tuple[int, Tensor, Tensor] | None = None

    def of(self, layers: Sequence[nn.Linear]) -> tuple[Tensor, Tensor]:
        """Weight `[sum of outputs, inputs]` and bias."""
        parts = [p for layer in layers for p in (layer.weight, _bias(layer))]
        if torch.compiler.is_compiling() or any(map(_changes_unseen, parts)):
            return _stacked(layers)
        key = hash(tuple((p.data_ptr(), p._version) for p in parts))
        if self._of is None or self._of[0] != key:
            self._of = key, *_stacked(layers)
        return self._of[1:]


def _changes_unseen(parameter: Tensor) -> bool:
    """Whether its version does not tell when it is written to, or it has no data to keep."""
    return parameter.requires_grad or parameter.is_inference() or parameter.device.type == "meta"


def _stacked(layers: Sequence[nn.Linear]) -> tuple[Tensor, Tensor]:
    return torch.cat([layer.weight for layer in layers]), torch.cat([_bias(layer) for layer in layers])


class ResBlock(nn.Module):
    """norm, FiLM, 3x3 convolution, SiLU, 3x3 convolution, added to the input (Perez et al. 2018)."""

    def __init__(self, width: int, cond: int, dilation: int = 1) -> None:
        super().__init__()
        self.film = nn.Linear(cond, 2 * width)
        self.conv_in = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(_bias(self.conv_out))

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """x `[B, width, h, w]`; `film` `[B, 2 width]` scale and shift, `self.film` of the conditioning."""
        scale, shift = film[:, :, None, None].chunk(2, 1)
        h = torch.addcmul(shift, channel_norm(x), 1 + scale)
        return x + self.conv_out(F.silu(self.conv_in(h)))


class ReferenceAttention(nn.Module):
    """Self-attention of the current frame's tokens that also look at the references' tokens."""

    def __init__(self, width: int, heads: int, cond: int) -> None:
        super().__init__()
        self.heads = heads
        self.film = nn.Linear(cond, 2 * width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.reference_key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def references(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `[B, heads, M, D]` of reference tokens `[B, M, width]`: the same at every step."""
        key, value = self.reference_key_value(tokens).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, film: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """x and `film` as of `ResBlock`; mask `[B, M]`, True where a reference token may be looked at."""
        batch, width, height, columns = x.shape
        scale, shift = film[:, None].chunk(2, -1)
        tokens = F.layer_norm(x.flatten(2).transpose(1, 2), (width,)) * (1 + scale) + shift
        key, value = (self._split(t) for t in self.key_value(tokens).chunk(2, -1))
        own = mask.new_ones(batch, tokens.shape[1])
        attended = F.scaled_dot_product_attention(
            self._split(self.query(tokens)),
            torch.cat([key, memory[0].to(key.dtype)], 2),
            torch.cat([value, memory[1].to(value.dtype)], 2),
            attn_mask=torch.cat([own, mask], 1)[:, None, None],
        )
        out = self.out(attended.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).reshape(batch, width, height, columns)

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    assert layer.bias is not None
    return layer.bias
