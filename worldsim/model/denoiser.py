"""The denoiser: one frame from noise, given references warped into its view, the action and the motion.

Convolutional outside and attentive inside. It predicts the clean frame itself as per-pixel copy
weights over the warped references, the unwarped newest frame and the noisy frame, plus a
residual; and beside it the frame's depth, its own expected error and the features that heads read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE
from worldsim.model.layers import ReferenceAttention, ResBlock, channel_norm, fourier
from worldsim.model.references import DESCRIPTION_SIZE, Compensation
from worldsim.model.tokenizer import TokenizerConfig

_FOURIER = 64
_FIRM = 0.3  # units of [-1, 1] that the residual has to go farther at a temperature of 0
_EXTRA_CANDIDATES = 3  # the unwarped newest frame, the noisy frame, and nothing


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
class Inputs:
    """What the denoiser takes beside the noise, all in latents of the tokenizer; see `world_model`."""

    warped: Tensor
    """`[B, R, C, h, w]` references in the current view."""
    warped_depth: Tensor
    """`[B, R, P, h, w]` their depth codes, P pixels a cell."""
    known: Tensor
    """`[B, R, P, h, w]` in {0, 1}."""
    begun: Tensor
    """`[B, P, h, w]`, 1 where the first of `warped` shows in a gap what is seen elsewhere, see `fill.go_on`."""
    newest: Tensor
    """`[B, C, h, w]` newest frame as it stood."""
    newest_depth: Tensor
    """`[B, P, h, w]`."""
    held: Tensor
    """`[B, C, h, w]` pixels that are given, 0 elsewhere."""
    held_mask: Tensor
    """`[B, P, h, w]` in {0, 1}."""
    fixed: Tensor
    """`[P, h, w]`, 1 where the picture does not turn with the camera (HUD)."""
    references: Tensor
    """`[B, R, C, h, w]` unwarped."""
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
    temperature: Tensor
    """`[B, P, h, w]` in (0, 1]: 1 copies as it was trained to; less is decisive, for what is a guess anyway."""


@dataclass(frozen=True)
class Context:
    """What does not depend on the noise: computed once a frame and not once a step."""

    stem: Tensor
    cond: Tensor
    memory: list[tuple[Tensor, Tensor]]
    memory_mask: Tensor
    candidates: Tensor
    candidate_depth: Tensor
    bias: Tensor
    unknown: Tensor
    """`[B, P, h, w]`, 1 where no reference shows anything: there the network has to invent."""
    begun: Tensor
    """`[B, P, h, w]`, 1 where it is given a beginning of that, with detail, in the first candidate."""
    temperature: Tensor
    """`[B, P, h, w]`, see `Inputs`."""


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
        self.candidate_count = config.references + _EXTRA_CANDIDATES
        known = latent_channels * (config.references + 2) + self.pixels * (2 * config.references + 2)
        self.stem = nn.Conv2d(latent_channels, widths[0], 1)
        self.static_stem = nn.Conv2d(known, widths[0], 1)
        self.cond_in = nn.Linear(self._cond_inputs(), config.cond)
        self.step_in = nn.Linear(2 * _FOURIER, config.cond)
        self.cond_out = nn.Sequential(nn.SiLU(), nn.Linear(config.cond, config.cond), nn.SiLU())
        self._build_levels(widths)
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
            stem=self.static_stem(static.contiguous(memory_format=torch.channels_last)),
            cond=self.cond_in(cond),
            memory=[layer.references(tokens) for layer in self._attention()],
            memory_mask=i.valid.repeat_interleave(per_reference, 1),
            candidates=torch.cat([i.warped, i.newest[:, None]], 1),
            candidate_depth=torch.cat([i.warped_depth, i.newest_depth[:, None]], 1),
            bias=self._copy_bias(i),
            unknown=(1 - i.known.amax(1)) * (1 - i.fixed),
            begun=i.begun * (1 - i.fixed),
            temperature=torch.lerp(i.temperature, torch.ones_like(i.temperature), i.fixed),
        )

    def forward(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float = 0.0
    ) -> Prediction:
        """Predict the clean frame from latents `x` `[B, C, h, w]` at `noise_level` and `step_size` `[B]`.

        `calm` is how far, in units of [-1, 1], the residual has to go before it changes what the
        references show (soft threshold): a world that eats its own output must not pay for small
        biases at every frame. Where the temperature is low it has to go farther, and one reference is copied
        instead of a mean of several: what was a guess is to stay the same guess.
        """
        steps = torch.cat([fourier(noise_level, _FOURIER), fourier(step_size, _FOURIER)], -1)
        cond = self.cond_out(context.cond + self.step_in(steps))
        h = context.stem + self.stem(x.contiguous(memory_format=torch.channels_last))
        h, inner = self._trunk(h, cond, context)
        out = self.out(F.silu(channel_norm(h))).float()
        if calm > 0:
            out = torch.cat(
                [self._calmed(out[:, : self.channels], context, calm), out[:, self.channels :]], 1
            )
        signals = self.signals(inner.mean((2, 3))).float()
        return self._predict(out, x, noise_level, context, signals, Features(inner, h, cond))

    def _trunk(self, h: Tensor, cond: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        skips: list[Tensor] = []
        for blocks, down in zip(self.enter, self.down):
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, cond)
            skips.append(h)
            h = down(h)
        h = h + self.position.to(h.dtype)
        h = self.inner[0](h, cond)
        for attend, block, memory in zip(self.attend, self.inner[1:], context.memory):
            h = block(attend(h, cond, memory, context.memory_mask), cond)
        inner = h
        for blocks, up, merge, skip in reversed(list(zip(self.leave, self.up, self.merge, skips))):
            h = merge(torch.cat([F.pixel_shuffle(up(h), 2), skip], 1))
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, cond)
        return h, inner

    def _predict(
        self,
        out: Tensor,
        x: Tensor,
        noise_level: Tensor,
        context: Context,
        signals: Tensor,
        features: Features,
    ) -> Prediction:
        c, p, g = self.channels, self.pixels, self.groups
        residual, depth, spread, logits = out.split([c, p, p, self.candidate_count * g], 1)
        bias = context.bias.clone()
        # The noisy frame is worth copying in so far as it is not noise.
        odds = torch.log((1 - noise_level + 1e-4) / (noise_level + 1e-4))
        bias[:, -2] = 3 * odds[:, None, None, None] - 6
        temperature = _by_group(context.temperature, g)
        weights = torch.softmax((logits.unflatten(1, (self.candidate_count, g)) + bias) / temperature, 1)
        seen = context.candidate_depth.shape[1]
        # Nothing, the last candidate, adds nothing to the sum.
        latents = _mix(weights[:, :seen], context.candidates) + _mix(weights[:, -2:-1], x[:, None]) + residual
        copied = _mix(weights[:, :seen], context.candidate_depth)
        return Prediction(latents, copied + depth, F.softplus(spread - 3), signals, features)

    def _calmed(self, residual: Tensor, context: Context, calm: float) -> Tensor:
        colours, rest = divmod(self.channels, self.pixels)
        if rest or colours < 1:  # learned latents have no pixels to threshold
            return residual
        given = torch.maximum(1 - context.unknown, context.begun)
        threshold = ((calm + _FIRM * (1 - context.temperature)) * given).repeat(1, colours, 1, 1)
        return residual.sign() * (residual.abs() - threshold).clamp(min=0)

    def _copy_bias(self, i: Inputs) -> Tensor:
        """Prefer what is known, the newer first; inside the HUD the newest frame as it stood."""
        order = torch.arange(i.known.shape[1], device=i.known.device).view(1, -1, 1, 1, 1)
        moving = (1 - i.fixed) * i.known
        warped = torch.where(moving > 0.5, 4.0 - 1.5 * order, -8.0)
        # Slot 0 has no holes: where nothing is known it holds a smooth continuation to start from.
        warped[:, 0] = torch.where(i.fixed > 0.5, warped[:, 0], warped[:, 0].clamp(min=-1.0))
        newest = torch.where(i.fixed > 0.5, 4.0, -6.0).expand_as(warped[:, :1])
        bias = torch.cat([warped, newest, torch.zeros_like(newest), torch.full_like(newest, -6.0)], 1)
        return bias if self.groups == self.pixels else bias.mean(2, keepdim=True)

    def _memory_tokens(self, i: Inputs) -> Tensor:
        batch, slots = i.valid.shape
        tokens = self.reference_tokens(F.pixel_unshuffle(i.references.flatten(0, 1), self.shrink))
        tokens = (tokens + self.position.to(tokens.dtype)).flatten(2).transpose(1, 2)
        tokens = tokens.unflatten(0, (batch, slots)) + self.reference_description(i.description)[:, :, None]
        return tokens.flatten(1, 2)

    def _attention(self) -> list[ReferenceAttention]:
        return [m for m in self.attend if isinstance(m, ReferenceAttention)]


def _by_group(temperature: Tensor, groups: int) -> Tensor:
    """Of each cell's G copy weights: `[B, 1, G, h, w]`."""
    if groups != temperature.shape[1]:
        temperature = temperature.mean(1, keepdim=True)
    return temperature[:, None]


def _mix(weights: Tensor, candidates: Tensor) -> Tensor:
    """Sum candidates `[B, n, C, h, w]` by the weights `[B, n, G, h, w]` of each cell's G pixels.

    Channels are colours x pixels; with fewer weights than pixels one weight serves all.
    """
    groups, channels = weights.shape[2], candidates.shape[2]
    mixed = (weights[:, :, None] * candidates.unflatten(2, (channels // groups, groups))).sum(1)
    return mixed.flatten(1, 2)
