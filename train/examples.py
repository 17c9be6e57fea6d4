"""Training examples: from a batch of clips to what the denoiser is shown when it draws frame `t`.

References are the two newest frames and older ones retrieved as the simulator retrieves them.
Some rows see the future, some only one picture, some nothing, some are given part of the frame:
from these the one set of weights learns to continue, to go backward, to fill in and to begin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worldsim.model.grounding import grounding
from worldsim.model.references import References
from worldsim.model.retrieval import coverage, retrieve
from worldsim.model.tokenizer import frames_to_float
from worldsim.model.world_model import Held

from .clips import ClipTensors


@dataclass(frozen=True)
class ExampleConfig:
    """How often which inputs are shown."""

    future: float = 0.08
    """Share of rows whose retrieved references lie in the future."""
    single: float = 0.06
    """Share of rows that see the newest frame alone."""
    none: float = 0.03
    """Share of rows that see no reference."""
    older: float = 0.06
    """Share of rows that see retrieved references and not the newest ones."""
    held: float = 0.06
    """Share of rows that are given part of the frame (half of them without references)."""
    caption: float = 0.5
    """Share of rows that are given the caption."""
    retrieval_jitter: float = 30.0
    """Random cells added to retrieval scores, for variety."""


def continuing(config: ExampleConfig) -> ExampleConfig:
    """The inputs of a frame that the next one will look back on: references always, and nothing given."""
    return replace(config, future=0.0, single=0.0, none=0.0, older=0.0, held=0.0)


@dataclass(frozen=True)
class Example:
    """One frame to draw for each world."""

    references: References
    pose: Tensor
    """`[B, 5]`."""
    step: Tensor
    """`[B, 3]` the true step that led here, in the level frame of the yaw."""
    actions: Tensor
    """`[B, K, 25]` newest first."""
    caption: Tensor
    """`[B, 384]`."""
    held: Held
    target: Tensor
    """`[B, 3, H, W]`."""
    depth: Tensor
    """`[B, 1, H, W]` in blocks."""
    signals: Tensor
    """`[B, S]` scaled, see `worldsim.signals`."""
    told: Tensor
    """`[B, S]`, 1 where a signal is known."""
    deep: Tensor
    """`[B]`, 1 where depth is known."""
    grounding: Tensor
    """`[B, 1, H, W]` in [0, 1]: how far each pixel follows from what the references truly show."""


def build_example(
    clips: ClipTensors,
    t: Tensor,
    config: ExampleConfig,
    *,
    usable: Tensor,
    slots: int,
    history: int,
    generator: torch.Generator,
) -> Example:
    """Everything needed to draw the frames `t` `[B]` of the clips; `t` is at least 3.

    `usable` `[H, W]` is False over the HUD.

    Randomness comes from the CPU `generator`, which is advanced.
    """
    index = _reference_indices(clips, t, config, slots, generator)
    references = _references(clips, t, index)
    references, held = _drop_and_hold(clips, references, t, config, generator)
    target = frames_to_float(clips.true_frames[clips.rows, t])
    steps = clips.steps(t)
    pose = clips.pose[clips.rows, t]
    ground = grounding(references, clips.grounding(index.clamp(0)), pose, usable)
    keep = _rand(clips, generator) < config.caption
    return Example(
        references=references,
        pose=pose,
        step=steps[:, 0],
        actions=clips.led_to(t, history),
        caption=clips.captions * keep[:, None],
        held=held,
        target=target,
        depth=clips.true_depth[clips.rows, t].float().unsqueeze(1),
        signals=clips.signals[clips.rows, t],
        told=clips.told[clips.rows, t].float(),
        deep=clips.deep[clips.rows].float(),
        grounding=torch.maximum(ground, held.mask),
    )


def _reference_indices(
    clips: ClipTensors, t: Tensor, config: ExampleConfig, slots: int, generator: torch.Generator
) -> Tensor:
    """Frame indices `[B, slots]`: t-1, t-2, then the retrieved ones; -1 for none."""
    newest = torch.stack([t - 1, t - 2], 1)[:, :slots]
    if slots <= 2:
        return newest
    everything = torch.arange(clips.length, device=t.device).expand(len(t), -1)
    future = _rand(clips, generator) < config.future
    valid = torch.where(future[:, None], everything > t[:, None], everything < t[:, None] - 2)
    height, width = clips.frames.shape[2:4]
    target = clips.pose[clips.rows, t]
    seen = coverage(clips.coarse, clips.pose, target, width / height)
    already = seen[clips.rows, t - 1]
    jitter = torch.rand(valid.shape, generator=generator).to(t.device) * config.retrieval_jitter
    return torch.cat([newest, retrieve(seen, already, valid, slots - 2, jitter)], 1)


def _references(clips: ClipTensors, t: Tensor, index: Tensor) -> References:
    valid, safe = index >= 0, index.clamp(0)
    return References(
        frames=clips.frame(safe),
        depth=clips.depth(safe),
        pose=clips.pose[clips.rows[:, None], safe],
        time=(safe - t[:, None]).float(),
        noise_level=torch.zeros(valid.shape, device=t.device),
        valid=valid,
    )


def _drop_and_hold(
    clips: ClipTensors, references: References, t: Tensor, config: ExampleConfig, generator: torch.Generator
) -> tuple[References, Held]:
    draw, held = _rand(clips, generator), _rand(clips, generator) < config.held
    nothing = (draw < config.none) | (held & (_rand(clips, generator) < 0.5))
    single = (draw >= config.none) & (draw < config.none + config.single)
    older = (draw > 1 - config.older)[:, None] & (
        torch.arange(references.valid.shape[1], device=draw.device) < 2
    )
    valid = references.valid & ~nothing[:, None] & ~older
    valid = valid & ~(single[:, None] & (torch.arange(valid.shape[1], device=valid.device) > 0))
    mask = _held_mask(clips, held, generator)
    given = Held(frames_to_float(clips.true_frames[clips.rows, t]), mask)
    return replace(references, valid=valid), given


def _held_mask(clips: ClipTensors, held: Tensor, generator: torch.Generator) -> Tensor:
    """A random box for the rows of `held`, the whole frame for a third of them: `[B, 1, H, W]`."""
    batch, (height, width) = len(held), clips.frames.shape[2:4]
    corners = torch.rand(batch, 4, generator=generator).to(held.device)
    whole = (_rand(clips, generator) < 0.34)[:, None]
    low = torch.where(whole, torch.zeros_like(corners[:, :2]), torch.minimum(corners[:, :2], corners[:, 2:]))
    high = torch.where(whole, torch.ones_like(corners[:, :2]), torch.maximum(corners[:, :2], corners[:, 2:]))
    y = (torch.arange(height, device=held.device) + 0.5) / height
    x = (torch.arange(width, device=held.device) + 0.5) / width
    rows = (y > low[:, :1]) & (y < high[:, :1])
    columns = (x > low[:, 1:]) & (x < high[:, 1:])
    return (rows[:, :, None] & columns[:, None] & held[:, None, None]).float().unsqueeze(1)


def _rand(clips: ClipTensors, generator: torch.Generator) -> Tensor:
    return torch.rand(len(clips.rows), generator=generator).to(clips.device)
