"""The denoiser: one frame from noise, given references warped into its view, the action and the motion.

Convolutional outside and attentive inside. It predicts the clean frame itself as per-pixel copy
weights over the warped references, the unwarped newest frame and the noisy frame, plus a
residual; and beside it the frame's depth, its own expected error and the features that heads read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE
from worldsim.model.composition import EXTRA_CANDIDATES, Sources, compose
from worldsim.model.layers import (
    Merged,
    ReferenceAttention,
    ResBlock,
    add,
    channel_norm,
    enlarge,
    fourier,
    join,
)
from worldsim.model.references import DESCRIPTION_SIZE, Compensation
from worldsim.model.tokenizer import TokenizerConfig

_FOURIER = 64


@dataclass(frozen=True)
class DenoiserConfig:
    """Size and inputs of the denoiser; `channels` is the size dial."""

    height: int = 96
    """Frame height in pixels."""
    width: int = 160
    """Frame width in pixels."""
    channels: int = 128
    """Width of the outermost level; the others are multiples of it."""
    multipliers: tuple[int, ...] = (1, 2, 3)
    """Width of each level as a multiple of `channels`; each level halves the resolution."""
    blocks: int = 2
    """Residual blocks a level, on the way in and on the way out."""
    attention: int = 2
    """Attention layers at the innermost level."""
    head_size: int = 64
    """Channels an attention head."""
    cond: int = 256
    """Width of the conditioning vector."""
    references: int = 4
    """Reference slots; empty ones are allowed."""
    action_history: int = 4
    """Actions given: the one that leads to the frame and those before it."""
    caption_size: int = 384
    """Entries of the caption embedding."""
    signals: int = 7
    """Game signals that a first, linear head predicts: worlds without `heads` have these alone."""
    compensation: Compensation = "full"
    """How references are brought into the current view."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Frames to latents and back."""


@dataclass(frozen=True)
class Inputs(Sources):
    """What the denoiser takes beside the noise, all in latents of the tokenizer; see `world_model`."""

    held: Tensor
    """`[B, C, h, w]` pixels that are given, 0 elsewhere."""
    held_mask: Tensor
    """`[B, P, h, w]` in {0, 1}."""
    references: Tensor
    """`[B, R, C s s, h / s, w / s]` unwarped, in innermost cells."""
    description: Tensor
    """`[B, R, 17]`, see `references.View`."""
    valid: Tensor
    """`[B, R]` bool."""
    actions: Tensor
    """`[B, K, 25]` scaled, newest first: the action that leads to this frame and K - 1 before it."""
    motion: Tensor
    """`[B, 5]`: sine and cosine of the pitch, and the step (right, up, forward) in blocks."""
    caption: Tensor
    """`[B, 384]`, zero for none."""


@dataclass(frozen=True)
class Context:
    """What does not depend on the noise: computed once a frame and not once a step."""

    sources: Inputs
    """What it was made from, and frames are composed of, see `composition`."""
    stem: Tensor
    cond: Tensor
    memory: list[tuple[Tensor, Tensor]]
    memory_mask: Tensor


@dataclass(frozen=True)
class Features:
    """What the network made of a frame, for heads to read."""

    inner: Tensor
    """`[B, D, h, w]` innermost, where every cell has looked at all others and at the references."""
    outer: Tensor
    """`[B, E, h, w]` outermost, before the frame is drawn from it."""
    cond: Tensor
    """`[B, cond]` action, motion, caption and noise level."""


@dataclass(frozen=True)
class Raw:
    """What comes out of the network's last layers."""

    out: Tensor
    """`[B, C + 2 P + (R + 3) G, h, w]`, see `composition.compose`."""
    signals: Tensor
    """`[B, 7]` the first game signals, scaled."""
    features: Features


@dataclass(frozen=True)
class Prediction:
    """The network's outputs."""

    latents: Tensor
    """`[B, C, h, w]` the clean frame."""
    depth: Tensor
    """`[B, P, h, w]` depth codes, see `camera.encode_depth`."""
    spread: Tensor
    """`[B, P, h, w]` expected absolute error of each pixel, in units of [-1, 1]."""
    signals: Tensor
    """`[B, 7]` the first game signals, scaled."""
    features: Features


class Denoiser(nn.Module):
    """See the module's docstring; Perez et al. 2018 for FiLM, Frans et al. 2024 for the step size input."""

    def __init__(self, config: DenoiserConfig, latent_channels: int, factor: int, copy_groups: int) -> None:
        super().__init__()
        self.config, self.channels, self.pixels, self.groups = config, latent_channels, factor**2, copy_groups
        widths = [config.channels * m for m in config.multipliers]
        self.candidate_count = config.references + EXTRA_CANDIDATES
        known = latent_channels * (config.references + 2) + self.pixels * (2 * config.references + 2)
        self.stem = nn.Conv2d(latent_channels, widths[0], 1)
        self.static_stem = nn.Conv2d(known, widths[0], 1)
        self.cond_in = nn.Linear(self._cond_inputs(), config.cond)
        self.step_in = nn.Linear(2 * _FOURIER, config.cond)
        self.cond_out = nn.Sequential(nn.SiLU(), nn.Linear(config.cond, config.cond), nn.SiLU())
        self._build_levels(widths)
        self._merged = Merged()
        self._build_memory(widths[-1], 2 ** (len(widths) - 1), factor)
        out = latent_channels + 2 * self.pixels + self.candidate_count * copy_groups
        self.out = nn.Conv2d(widths[0], out, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias) if self.out.bias is not None else None
        self.signals = nn.Linear(widths[-1], config.signals)

    def _cond_inputs(self) -> int:
        c = self.config
        return c.action_history * ACTION_SIZE + 5 + c.caption_size + c.references * DESCRIPTION_SIZE

    def _build_levels(self, widths: list[int]) -> None:
        c = self.config
        outer = widths[:-1]
        self.enter = nn.ModuleList(
            [nn.ModuleList([ResBlock(w, c.cond) for _ in range(c.blocks)]) for w in outer]
        )
        self.down = nn.ModuleList(
            [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths[:-1], widths[1:])]
        )
        self.inner = nn.ModuleList([ResBlock(widths[-1], c.cond) for _ in range(c.attention + 1)])
        heads = max(1, widths[-1] // c.head_size)
        self.attend = nn.ModuleList(
            [ReferenceAttention(widths[-1], heads, c.cond) for _ in range(c.attention)]
        )
        self.up = nn.ModuleList([nn.Conv2d(b, 4 * a, 1) for a, b in zip(widths[:-1], widths[1:])])
        self.merge = nn.ModuleList([nn.Conv2d(2 * w, w, 1) for w in outer])
        self.leave = nn.ModuleList(
            [nn.ModuleList([ResBlock(w, c.cond) for _ in range(c.blocks)]) for w in outer]
        )

    def _build_memory(self, width: int, shrink: int, factor: int) -> None:
        c = self.config
        self.shrink = shrink
        rows, columns = c.height // factor // shrink, c.width // factor // shrink
        self.position = nn.Parameter(torch.randn(width, rows, columns) * 0.02)
        self.reference_tokens = nn.Conv2d(self.channels * shrink**2, width, 1)
        self.reference_description = nn.Linear(DESCRIPTION_SIZE, width)

    def context(self, inputs: Inputs) -> Context:
        """Everything that stays the same over the sampler's steps."""
        i = inputs
        known = [i.warped, i.known, i.warped_depth]
        static = torch.cat(
            [i.newest, i.held, i.held_mask, i.newest_depth, *(t.flatten(1, 2) for t in known)], 1
        )
        cond = torch.cat([i.actions.flatten(1), i.motion, i.caption, i.description.flatten(1)], 1)
        tokens = self._memory_tokens(i)
        per_reference = tokens.shape[1] // i.valid.shape[1]
        return Context(
            sources=inputs,
            stem=self.static_stem(static.contiguous(memory_format=torch.channels_last)),
            cond=self.cond_in(cond),
            memory=[layer.references(tokens) for layer in self._attention()],
            memory_mask=i.valid.repeat_interleave(per_reference, 1),
        )

    def forward(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float = 0.0
    ) -> Prediction:
        """Predict the clean frame from latents `x` `[B, C, h, w]` at `noise_level` and `step_size` `[B]`.

        Args:
            calm: threshold of the residual, see `composition.compose`.
        """
        return draw(self.outputs(x, noise_level, step_size, context), x, noise_level, context, calm)

    def outputs(self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context) -> Raw:
        """All of `forward` that has weights."""
        steps = torch.cat([fourier(noise_level, _FOURIER), fourier(step_size, _FOURIER)], -1)
        cond = self.cond_out(context.cond + self.step_in(steps))
        h = add(context.stem, self.stem(x.contiguous(memory_format=torch.channels_last)))
        h, inner = self._trunk(h, self._films(cond), context)
        out = self.out(F.silu(channel_norm(h))).float()
        return Raw(out, self.signals(inner.mean((2, 3))).float(), Features(inner, h, cond))

    def _films(self, cond: Tensor) -> Iterator[Tensor]:
        """Scale and shift `[B, 2 W]` of every layer that `cond` modulates, in their order, by one product."""
        films = [layer.film for layer in self._modulated()]
        parts = F.linear(cond, *self._merged.of(films)).split([film.out_features for film in films], 1)
        return iter(parts)

    def _modulated(self) -> list[Any]:
        middle = [self.inner[0], *(m for pair in zip(self.attend, self.inner[1:]) for m in pair)]
        levels: list[Any] = [*self.enter, middle, *reversed(self.leave)]
        return [layer for level in levels for layer in level]

    def _trunk(self, h: Tensor, films: Iterator[Tensor], context: Context) -> tuple[Tensor, Tensor]:
        skips: list[Tensor] = []
        for blocks, down in zip(self.enter, self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, next(films))
            skips.append(h)
            h = down(h)
        h = add(h, self.position.to(h.dtype)[None])
        h = self.inner[0](h, next(films))
        for attend, block, memory in zip(self.attend, self.inner[1:], context.memory):
            h = block(attend(h, next(films), memory, context.memory_mask), next(films))
        inner = h
        for blocks, up, merge, skip in reversed(list(zip(self.leave, self.up, self.merge, skips))):
            h = merge(join(enlarge(h, up), skip))  # type: ignore[arg-type]
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, next(films))
        return h, inner

    def _memory_tokens(self, i: Inputs) -> Tensor:
        batch, slots = i.valid.shape
        tokens = self.reference_tokens(i.references.flatten(0, 1))
        tokens = (tokens + self.position.to(tokens.dtype)).flatten(2).transpose(1, 2)
        tokens = tokens.unflatten(0, (batch, slots)) + self.reference_description(i.description)[:, :, None]
        return tokens.flatten(1, 2)

    def _attention(self) -> list[ReferenceAttention]:
        return [m for m in self.attend if isinstance(m, ReferenceAttention)]


def draw(raw: Raw, x: Tensor, noise_level: Tensor, context: Context, calm: float) -> Prediction:
    """The frame that the network's outputs say, from `x` `[B, C, h, w]` at `noise_level` `[B]`."""
    latents, depth, spread = compose(raw.out, x, noise_level, context.sources, calm)
    return Prediction(latents, depth, spread, raw.signals, raw.features)
