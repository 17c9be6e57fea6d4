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


def exporting() -> bool:
    """Whether a graph of one world is written, for a runtime that has its own opinion of what is fast."""
    return torch.onnx.is_in_onnx_export()


def modulated(x: Tensor, film: Tensor) -> Tensor:
    """`channel_norm` of `[B, D, h, w]`, scaled and shifted by `film` `[B, 2 D]`."""
    if exporting():  # with them as its own weights it is one operator instead of three
        scale, shift = film[0].chunk(2)
        return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), 1 + scale, shift).permute(0, 3, 1, 2)
    scale, shift = film[:, :, None, None].chunk(2, 1)
    return torch.addcmul(shift, channel_norm(x), 1 + scale)


def add(x: Tensor, y: Tensor) -> Tensor:
    """The sum of two `[B, D, h, w]`. What is exported adds pixel by pixel, as it normalises and convolves: otherwise it
    would be turned to and fro for every sum."""
    if exporting():
        return (x.permute(0, 2, 3, 1) + y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return x + y


def enlarge(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """`F.pixel_shuffle` of what a 1x1 convolution makes of `[B, D, h, w]`: `[B, E, 2 h, 2 w]` of its `4 E` channels."""
    if not exporting():
        return F.pixel_shuffle(layer(x), 2)
    # With its channels in another order, whole rows of them are moved instead of single numbers.
    order = torch.arange(layer.out_channels).view(-1, 4).t().flatten()
    rows = F.conv2d(x, layer.weight[order], _bias(layer)[order]).permute(0, 2, 3, 1)
    batch, height, width, channels = rows.shape
    split = rows.reshape(batch, height, width, 2, channels // 2).transpose(2, 3)
    return split.reshape(batch, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


def join(x: Tensor, y: Tensor) -> Tensor:
    """The channels of two `[B, D, h, w]`, see `add`."""
    if exporting():
        return torch.cat([x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)], 3).permute(0, 3, 1, 2)
    return torch.cat([x, y], 1)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """`F.scaled_dot_product_attention`; bool `mask` has something True for all."""
    if not exporting():
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    # As it is exported it looks for rows of nothing, which there are none of.
    score = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return (score + torch.where(mask, 0.0, -1e9)).softmax(-1) @ value


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
        return add(x, self.conv_out(F.silu(self.conv_in(modulated(x, film)))))


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
        height, columns = x.shape[2:]
        tokens = self._tokens(x, film)
        key, value = (self._split(t) for t in self.key_value(tokens).chunk(2, -1))
        own = mask.new_ones(tokens.shape[:2])
        attended = attention(
            self._split(self.query(tokens)),
            torch.cat([key, memory[0].to(key.dtype)], 2),
            torch.cat([value, memory[1].to(value.dtype)], 2),
            torch.cat([own, mask], 1)[:, None, None],
        )
        out = self.out(attended.transpose(1, 2).flatten(2))
        return add(x, out.unflatten(1, (height, columns)).permute(0, 3, 1, 2))

    def _tokens(self, x: Tensor, film: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        scale, shift = film[:, None].chunk(2, -1)
        if exporting():
            return F.layer_norm(rows, (x.shape[1],), 1 + scale[0, 0], shift[0, 0])
        return F.layer_norm(rows, (x.shape[1],)) * (1 + scale) + shift

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    assert layer.bias is not None
    return layer.bias
