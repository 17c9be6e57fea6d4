"""A frame from what the network says of it: copies of what is seen from here, mixed pixel by pixel, and a residual.

Two implementations with the same results: compiled for playing on a CPU, and plain torch for training
and other devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.kernels import arrays, has_numbers, kernel

EXTRA_CANDIDATES = 3
"""Beside the references: the unwarped newest frame, the noisy frame, and nothing."""
FIRM = 0.3
"""Units of [-1, 1] that the residual has to go farther at a temperature of 0."""
ALIKE = 0.04
"""Depth codes that differ by less may be of one surface."""


@dataclass(frozen=True)
class Sources:
    """What there is to copy from for B worlds with R references, in latents of P pixels a cell."""

    warped: Tensor
    """`[B, R, C, h, w]` references in the current view, the first without holes."""
    warped_depth: Tensor
    """`[B, R, P, h, w]` their depth codes."""
    known: Tensor
    """`[B, R, P, h, w]` in {0, 1}."""
    begun: Tensor
    """`[B, P, h, w]`, 1 where the first of `warped` shows in a gap what is seen elsewhere, see `fill.go_on`."""
    newest: Tensor
    """`[B, C, h, w]` newest frame as it stood."""
    newest_depth: Tensor
    """`[B, P, h, w]`."""
    fixed: Tensor
    """`[P, h, w]`, 1 where the picture does not turn with the camera (HUD)."""
    temperature: Tensor
    """`[B, P, h, w]` in (0, 1]: 1 copies as it was trained to; less is decisive, for what is a guess anyway."""

    @cached_property
    def unknown(self) -> Tensor:
        """`[B, P, h, w]`, 1 where no reference shows anything: there the network has to invent."""
        return (1 - self.known.amax(1)) * (1 - self.fixed)

    @cached_property
    def started(self) -> Tensor:
        """`[B, P, h, w]`, 1 where it is given a beginning of that, with detail, in the first candidate."""
        return self.begun * (1 - self.fixed)

    @cached_property
    def heat(self) -> Tensor:
        """`[B, P, h, w]` the temperature, 1 over the HUD."""
        return torch.lerp(self.temperature, torch.ones_like(self.temperature), self.fixed)

    @cached_property
    def candidates(self) -> Tensor:
        """`[B, R + 1, C, h, w]` all pictures that are there to copy from."""
        return torch.cat([self.warped, self.newest[:, None]], 1)

    @cached_property
    def candidate_depth(self) -> Tensor:
        """`[B, R + 1, P, h, w]` their depth codes."""
        return torch.cat([self.warped_depth, self.newest_depth[:, None]], 1)


class Told(NamedTuple):
    """What the network says of a frame."""

    weights: Tensor
    """`[B, R + 3, G, h, w]` of the candidates; they sum to one."""
    residual: Tensor
    """`[B, C, h, w]`."""
    depth: Tensor
    """`[B, P, h, w]` to be added to the depth codes of what is copied."""
    threshold: Tensor
    """`[B, P, h, w]` that the residual has to pass."""


def compose(
    raw: Tensor, x: Tensor, noise_level: Tensor, sources: Sources, calm: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents `[B, C, h, w]`, depth codes and expected errors `[B, P, h, w]` of a frame.

    `calm` is how far, in units of [-1, 1], the residual has to go before it changes what the
    references show (soft threshold): a world that eats its own output must not pay for small
    biases at every frame. Where the temperature is low it has to go farther, and one reference is copied
    instead of a mean of several: what was a guess is to stay the same guess. And a pixel shows one surface: where it
    is above 0, depth is not the mean of all that is copied, which lies in the air between two of them, but that of the
    surface with most of the weight. While the world learns, it is the mean, which tells the weights where to go.

    Args:
        raw: `[B, C + 2 P + (R + 3) G, h, w]` residual, depth, spread, and copy weights before the softmax, for
            each pixel of a cell (G is P) or for the cell (G is 1).
        x: `[B, C, h, w]` the noisy frame, at `noise_level` `[B]`.
    """
    channels, pixels, count = x.shape[1], len(sources.fixed), sources.known.shape[1] + EXTRA_CANDIDATES
    groups = (raw.shape[1] - channels - 2 * pixels) // count
    raw = raw.float().contiguous()
    residual, depth, spread, logits = raw.split([channels, pixels, pixels, count * groups], 1)
    logits = logits.unflatten(1, (count, groups))
    by_pixel = groups == pixels and channels % pixels == 0
    compiled = by_pixel and has_numbers(raw)
    weights, threshold = (_weigh_compiled if compiled else weigh_torch)(logits, noise_level, sources, calm)
    mix = _mix_compiled if compiled else mix_torch
    told = Told(weights, residual, depth, threshold)
    return *mix(told, x, sources, calm > 0), F.softplus(spread - 3)


def weigh_torch(logits: Tensor, noise_level: Tensor, sources: Sources, calm: float) -> tuple[Tensor, Tensor]:
    """Copy weights `[B, R + 3, G, h, w]` of logits of that shape, and the threshold of the residual `[B, P, h, w]`.

    In plain torch, on any device.
    """
    weights = _weigh(logits, noise_level, sources)
    return weights, _threshold(sources, calm) if calm > 0 else torch.zeros_like(sources.begun)


def _weigh_compiled(
    logits: Tensor, noise_level: Tensor, sources: Sources, calm: float
) -> tuple[Tensor, Tensor]:
    scaled, threshold = torch.empty(logits.shape), torch.empty(sources.begun.shape)
    seen = (logits, sources.known, sources.fixed, sources.temperature, sources.begun)
    given = arrays(*(t.flatten(-2) for t in seen), _odds(noise_level))
    kernel("composition", "prefer")(*given, calm, scaled.flatten(-2).numpy(), threshold.flatten(-2).numpy())
    return torch.softmax(scaled, 1), threshold if calm > 0 else threshold.zero_()


def _weigh(logits: Tensor, noise_level: Tensor, sources: Sources) -> Tensor:
    """Copy weights `[B, R + 3, G, h, w]` that sum to one, of `logits` of that shape."""
    groups = logits.shape[2]
    heat = sources.heat if groups == len(sources.fixed) else sources.heat.mean(1, keepdim=True)
    return torch.softmax((logits + _bias(sources, _odds(noise_level), groups)) / heat[:, None], 1)


def _odds(noise_level: Tensor) -> Tensor:
    """The noisy frame is worth copying in so far as it is not noise: `[B]`."""
    return 3 * torch.log((1 - noise_level + 1e-4) / (noise_level + 1e-4)) - 6


def _bias(sources: Sources, odds: Tensor, groups: int) -> Tensor:
    """Prefer what is known, the newer first; inside the HUD the newest frame as it stood."""
    slots = sources.known.shape[1]
    order = torch.arange(slots, device=sources.known.device).view(1, -1, 1, 1, 1)
    moving = (1 - sources.fixed) * sources.known > 0.5
    bias = sources.known.new_full((len(odds), slots + EXTRA_CANDIDATES, *sources.known.shape[2:]), -6.0)
    bias[:, :slots] = torch.where(moving, 4.0 - 1.5 * order, -8.0)
    # Slot 0 has no holes: where nothing is known it holds a continuation to start from.
    bias[:, 0] = torch.where(sources.fixed > 0.5, bias[:, 0], bias[:, 0].clamp(min=-1.0))
    bias[:, slots] = torch.where(sources.fixed > 0.5, 4.0, -6.0)
    bias[:, slots + 1] = odds[:, None, None, None]
    return bias if groups == bias.shape[2] else bias.mean(2, keepdim=True)


def _threshold(sources: Sources, calm: float) -> Tensor:
    """`[B, P, h, w]`, see `compose`: 0 where the network has to invent."""
    given = torch.maximum(1 - sources.unknown, sources.started)
    return (calm + FIRM * (1 - sources.heat)) * given


def mix_torch(told: Told, x: Tensor, sources: Sources, single: bool) -> tuple[Tensor, Tensor]:
    """Latents and depth codes of what the network told, in plain torch on any device.

    Args:
        single: depth is that of a single surface.
    """
    weights, residual, depth, threshold = told
    colours, rest = divmod(residual.shape[1], threshold.shape[1])
    if not rest and colours:  # learned latents have no pixels to threshold
        over = residual.abs() - threshold.repeat(1, colours, 1, 1)
        residual = residual.sign() * over.clamp(min=0)
    # Nothing, the last candidate, adds nothing to the sum.
    seen, noisy = weights[:, :-2], weights[:, -2:-1]
    latents = _sum(seen, sources.candidates) + _sum(noisy, x[:, None]) + residual
    codes = sources.candidate_depth
    return latents, (_single(seen, codes) if single else _sum(seen, codes)) + depth


def _single(weights: Tensor, codes: Tensor) -> Tensor:
    """Of depth codes `[B, n, P, h, w]` those of the surface with most weight `[B, n, G, h, w]`: `[B, P, h, w]`."""
    weights = weights.expand_as(codes)
    alike = [(codes - codes[:, k : k + 1]).abs() < ALIKE for k in range(codes.shape[1])]
    mass = torch.stack([(weights * same).sum(1) for same in alike], 1)
    most, best = mass.max(1, keepdim=True)
    shown = weights * ((codes - codes.gather(1, best)).abs() < ALIKE)
    return (shown * codes).sum(1) / most[:, 0].clamp(min=1e-6) * weights.sum(1)


def _sum(weights: Tensor, candidates: Tensor) -> Tensor:
    """Sum candidates `[B, n, C, h, w]` by the weights `[B, n, G, h, w]` of each cell's G pixels.

    Channels are colours x pixels; with fewer weights than pixels one weight serves all.
    """
    groups, channels = weights.shape[2], candidates.shape[2]
    mixed = (weights[:, :, None] * candidates.unflatten(2, (channels // groups, groups))).sum(1)
    return mixed.flatten(1, 2)


def _mix_compiled(told: Told, x: Tensor, sources: Sources, single: bool) -> tuple[Tensor, Tensor]:
    latents, codes = torch.empty(x.shape), torch.empty(told.depth.shape)
    shown = (sources.warped, sources.newest, x, sources.warped_depth, sources.newest_depth)
    given = arrays(*(t.flatten(-2) for t in (*told, *shown)))
    kernel("composition", "mix")(*given, single, latents.flatten(-2).numpy(), codes.flatten(-2).numpy())
    return latents, codes
