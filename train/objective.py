"""The training objective of the world model: what is asked of one forward pass, and its losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import encode_depth
from worldsim.model.denoiser import Context, Prediction
from worldsim.model.heads import heads_loss
from worldsim.model.noise import add_noise, loss_weight, sample_levels, sample_noise
from worldsim.model.references import corrupt
from worldsim.model.world_model import WorldModel

from .examples import Example
from .moments import BlurConfig

_SMALLEST = 0.25
_SAME, _OTHER = 0.1, 0.35


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights and distributions of the losses."""

    pure_noise: float = 0.35
    """Share of rows at noise level 1."""
    shortcut: float = 0.0
    """Share of passes that learn one step from two half steps (Frans et al. 2024)."""
    shortcut_after: int = 500
    """Optimiser steps before the shortcut objective begins."""
    corruption: float = 0.3
    """Largest noise level of the references; half of the rows have none."""
    unknown: float = 3.0
    """Additional weight of pixels that no reference shows: few, and the hardest."""
    changed: float = 3.0
    """Additional weight of pixels that differ from all that the references show: blocks broken and placed,
    cracks, counts and animals are few pixels, and what is asked of the world most."""
    invented: float = 0.02
    """Weight, as a share of the others', of pixels that nothing true determines: the game's frame is one of
    many right answers there."""
    steady: float = 0.3
    """Weight of keeping to what was invented before, and to beginnings of it (`fill.go_on`)."""
    steady_detail: float = 1.0
    """Share of that weight that asks for every pixel; the rest asks for each cell's mean alone, so that detail
    may be added to what was invented (by the critic, as nothing else asks for any)."""
    l1: float = 0.1
    """Weight of the absolute error beside the squared one."""
    depth: float = 0.5
    """Weight of the depth error."""
    spread: float = 0.05
    """Weight of the expected-error head."""
    signals: float = 0.1
    """Weight of the first game signals, see `DenoiserConfig.signals`."""
    heads: float = 1.0
    """Weight of the heads: they read the network and don't pull at it, so it decides their pace alone."""
    motion: float = 0.5
    """Weight of the motion head."""
    motion_noise: float = 0.02
    """Standard deviation of noise on the step that conditions the frame, in blocks."""
    blur: BlurConfig = field(default_factory=BlurConfig)
    """How far what the motion head is told is made worse than the game's."""


@dataclass(frozen=True)
class Outcome:
    """One pass: the loss to descend, its parts, and the frame that was predicted."""

    loss: Tensor
    parts: dict[str, Tensor]
    latents: Tensor
    prediction: Prediction
    unknown: Tensor
    """`[B, P, h, w]`, 1 where no reference shows anything."""


def world_loss(
    model: WorldModel,
    example: Example,
    config: ObjectiveConfig,
    *,
    generator: torch.Generator,
    hard: bool = False,
    shortcut: bool = False,
) -> Outcome:
    """Denoise the example's target once and compare.

    Args:
        generator: the CPU generator that is advanced.
        hard: draw only noise levels near 1, as a frame that will be fed back is drawn.
        shortcut: learn a large step from two half steps.
    """
    device, batch = example.target.device, len(example.target)
    context, clean = build_context(model, example, config, generator)
    target = model.tokenizer.encode(example.target)
    noise = sample_noise(target.shape, device, generator)
    if shortcut:
        level, size, target = _shortcut_target(model, context, target, noise, generator)
    else:
        level = sample_levels(batch, 1.0 if hard else config.pure_noise, generator).to(device)
        size = torch.zeros_like(level)
    x = add_noise(model.tokenizer.encode(example.target), noise, level)
    prediction = model.denoise(x, level, size, context)
    parts = _losses(model, example, prediction, target, level, context, config)
    parts["steady"] = config.steady * _steady(
        model, example, prediction, context, clean, config.steady_detail
    )
    return Outcome(
        torch.stack(list(parts.values())).sum(),
        parts,
        prediction.latents,
        prediction,
        context.sources.unknown,
    )


def build_context(
    model: WorldModel, example: Example, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Context, Tensor]:
    """The context with noise on the references, and for which worlds `[B]` the newest one has none."""
    device, shape = example.target.device, example.references.valid.shape
    level = torch.rand(shape, generator=generator) * config.corruption
    level = level * (torch.rand(shape[0], 1, generator=generator) < 0.5)
    step = example.step + config.motion_noise * torch.randn(example.step.shape, generator=generator).to(
        device
    )
    references = corrupt(example.references, level.to(device), None if device.type != "cpu" else generator)
    context = model.context(references, example.pose, step, example.actions, example.caption, example.held)
    return context, (level[:, 0] == 0).to(device)


def _shortcut_target(
    model: WorldModel, context: Context, clean: Tensor, noise: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Level, step size and the x-target that two half steps of the model itself lead to."""
    batch, device = len(clean), clean.device
    size = 0.5 ** torch.randint(0, 3, (batch,), generator=generator).float().to(device)
    # Start at a level from which a whole step of this size still fits.
    places = torch.rand(batch, generator=generator).to(device)
    level = size * (1 + torch.floor(places / size))
    # The smallest steps rest on the plain flow objective, which is told size 0: without that
    # anchor the bootstrap has nothing true to stand on and runs away.
    half = torch.where(size > _SMALLEST, size / 2, 0.0)
    with torch.no_grad():
        x = add_noise(clean, noise, level)
        first = model.denoise(x, level, half, context).latents
        middle = level - size / 2
        ratio = (middle / level).view(-1, 1, 1, 1)
        x_middle = first + (x - first) * ratio
        second = model.denoise(x_middle, middle, half, context).latents
        end_ratio = ((level - size) / middle).view(-1, 1, 1, 1)
        x_end = second + (x_middle - second) * end_ratio
        # One step from x at `level` lands on x_end if it predicts this clean frame.
        kept = ((level - size) / level).view(-1, 1, 1, 1)
        target = (x_end - kept * x) / (1 - kept)
    return level, size, target.clamp(-1.5, 1.5)


def _losses(
    model: WorldModel,
    example: Example,
    prediction: Prediction,
    target: Tensor,
    level: Tensor,
    context: Context,
    config: ObjectiveConfig,
) -> dict[str, Tensor]:
    error = prediction.latents - target
    ground = F.pixel_unshuffle(example.grounding, model.factor)
    # What is left of the target in the noisy frame determines it, too.
    trusted = torch.maximum(ground, 1 - level[:, None, None, None])
    trusted = config.invented + (1 - config.invented) * trusted
    weight = loss_weight(level)[:, None, None, None] * _per_latent(
        trusted * (1 + config.unknown * context.sources.unknown + config.changed * _changed(context, target)),
        error,
    )
    true_depth, deep = (
        F.pixel_unshuffle(encode_depth(example.depth), model.factor),
        example.deep[:, None, None, None],
    )
    with torch.no_grad():
        off = (model.frame(prediction.latents) - example.target).abs().mean(1, keepdim=True)
        off = F.pixel_unshuffle(off, model.factor)
    return {
        "frame": (weight * (error.pow(2) + config.l1 * error.abs())).mean(),
        "depth": config.depth * (deep * trusted * (prediction.depth - true_depth).abs()).mean(),
        "spread": config.spread * (prediction.spread - off).abs().mean(),
        "signals": config.signals * _first_signals(prediction, example),
        **_heads(model, example, prediction, config),
    }


def _first_signals(prediction: Prediction, example: Example) -> Tensor:
    count = prediction.signals.shape[1]
    off = (prediction.signals - example.signals[:, :count]).pow(2)
    return (off * example.told[:, :count]).mean()


def _heads(
    model: WorldModel, example: Example, prediction: Prediction, config: ObjectiveConfig
) -> dict[str, Tensor]:
    """The heads' loss, where the model has them."""
    if model.heads is None:
        return {}
    told = model.heads(prediction.features)
    return {"heads": config.heads * heads_loss(told, example.signals, example.told)}


def _changed(context: Context, target: Tensor) -> Tensor:
    """`[B, P, h, w]` in [0, 1]: how surely the target shows something else than every reference."""
    with torch.no_grad():
        pixels = context.sources.unknown.shape[1]
        off = (context.sources.candidates - target[:, None]).abs()
        cells = off.shape[2] // pixels if off.shape[2] % pixels == 0 else 0
        if cells == 0:  # learned latents have no pixels
            return torch.zeros_like(context.sources.unknown)
        least = off.unflatten(2, (cells, pixels)).mean(2).amin(1)
        return ((least - _SAME) / (_OTHER - _SAME)).clamp(0, 1) * (1 - context.sources.unknown)


def _steady(
    model: WorldModel,
    example: Example,
    prediction: Prediction,
    context: Context,
    clean: Tensor,
    detail: float,
) -> Tensor:
    """Departure from what was invented before, or begun from what is seen elsewhere."""
    ground = F.pixel_unshuffle(example.grounding, model.factor)
    shown = (
        torch.maximum(1 - context.sources.unknown, context.sources.started)
        * (1 - ground) ** 2
        * clean[:, None, None, None]
    )
    # The HUD does not turn with the camera: it stays as the newest frame has it, the last candidate.
    fixed = F.pixel_unshuffle((~model.usable).float()[None, None], model.factor)
    stays = _per_latent(fixed, context.sources.candidates[:, 0])
    kept = torch.lerp(
        context.sources.candidates[:, 0].float(), context.sources.candidates[:, -1].float(), stays
    )
    frame = prediction.latents - kept
    depth = (prediction.depth - context.sources.candidate_depth[:, 0]) * example.deep[:, None, None, None]
    return _departure(frame, shown, detail) + _departure(depth, shown, detail)


def _departure(off: Tensor, shown: Tensor, detail: float) -> Tensor:
    """Mean absolute difference `[B, C, h, w]` where `shown` `[B, P, h, w]`, of pixels and of cells' means."""
    pixels = (_per_latent(shown, off) * off.abs()).mean()
    if detail == 1.0 or off.shape[1] % shown.shape[1]:
        return pixels
    weighted = (_per_latent(shown, off) * off).unflatten(1, (-1, shown.shape[1]))
    return detail * pixels + (1 - detail) * weighted.mean(2).abs().mean()


def _per_latent(pixels: Tensor, latents: Tensor) -> Tensor:
    """Weights `[B, P, h, w]` of pixels as weights of latents: colours x pixels, or one a cell."""
    colours, rest = divmod(latents.shape[1], pixels.shape[1])
    return pixels.mean(1, keepdim=True) if rest or colours < 1 else pixels.repeat(1, colours, 1, 1)
