"""Moments of play that the motion head learns from: the action, what is remembered, and the step that followed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.model.motion import motion_loss
from worldsim.model.surroundings import ACROSS, HEIGHTS, OLDER, POINTS, Remembered, sense
from worldsim.model.world_model import WorldModel
from worldsim.signals import PLACE

from .clips import ClipTensors

_SPACING = 3
"""Ticks between the older frames that are remembered: about as far as a dream's key frames lie apart."""
RISES = 0.01
"""Blocks up or down that a step has to go to rise or fall."""
_SWAPPED = [
    {INDEX["left"]: INDEX["right"], INDEX["right"]: INDEX["left"]}.get(i, i) for i in range(ACTION_SIZE)
]
_JUMPY, _TOUCHED = 6.0, 3.0
"""How much more often ticks of rising or falling, and of touching a wall, are drawn than others."""
_CONTACT = 2  # place in `episode.SIGNALS`
_EDITS = [PLACE["broke"], PLACE["placed"]]


@dataclass(frozen=True)
class BlurConfig:
    """How far moments are made worse than the game's, against learning a few worlds by heart."""

    past: float = 0.003
    """Standard deviation in blocks of noise on the steps before."""
    distance: float = 0.05
    """The same on the distances of the space around."""
    hidden: float = 0.1
    """Mean share of that space that is hidden."""


@dataclass(frozen=True)
class Moment:
    """One tick for each of B worlds, as the motion head meets it; no picture is needed."""

    pitch: Tensor
    """`[B]` degrees, before it."""
    actions: Tensor
    """`[B, K, 25]` newest first."""
    past: Tensor
    """`[B, history, 3]` steps before it, newest first, in the level frame of the new yaw."""
    space: Tensor
    """`[B, 980]`, see `surroundings.sense`."""
    step: Tensor
    """`[B, 3]` the true step, in the same frame."""


def build_moment(clips: ClipTensors, t: Tensor, *, history: int, usable: Tensor) -> Moment:
    """The moments that lead to the frames `t` `[B]`, with as many actions as `history`."""
    steps = clips.steps(t)
    return Moment(
        pitch=clips.pose[clips.rows, t - 1, 4],
        actions=clips.led_to(t, history),
        past=steps[:, 1:],
        space=_space(clips, t, usable),
        step=steps[:, 0],
    )


def moment_loss(model: WorldModel, moment: Moment) -> Tensor:
    """Loss of the motion head."""
    step = model.move(moment.pitch, moment.actions, moment.past, moment.space)
    return motion_loss(step, moment.step)


def mirrored(moment: Moment, chosen: Tensor | None = None) -> Moment:
    """The same in a world that is mirrored left to right: as true as the game's own.

    With `chosen` `[B]` bool those rows alone.
    """
    flip = torch.tensor([-1.0, 1.0, 1.0]).to(moment.step.device)
    actions = moment.actions[..., _SWAPPED].clone()
    actions[..., CAMERA.start + 1] *= -1
    across, up = len(ACROSS), len(HEIGHTS)
    space = moment.space.view(-1, 2, across, up, across).flip(2).flatten(1)
    turned = {"actions": actions, "past": moment.past * flip, "space": space, "step": moment.step * flip}
    if chosen is not None:
        for name, value in turned.items():
            rows = chosen.view(-1, *[1] * (value.ndim - 1))
            turned[name] = torch.where(rows, value, getattr(moment, name))
    return replace(moment, **turned)


def blurred(moment: Moment, config: BlurConfig, generator: torch.Generator) -> Moment:
    """As a dream knows it: steps and distances not quite exact, and parts of the space forgotten."""
    device, shape = moment.step.device, (len(moment.step), POINTS)
    past = moment.past + config.past * torch.randn(moment.past.shape, generator=generator).to(device)
    distance, known = moment.space.split(POINTS, 1)
    share = 2 * config.hidden * torch.rand(shape[0], 1, generator=generator)
    kept = (torch.rand(shape, generator=generator) >= share).to(device)
    distance = distance + config.distance * torch.randn(shape, generator=generator).to(device) * known
    space = torch.cat([torch.where(kept, distance, -torch.ones_like(distance)), known * kept], 1)
    return replace(moment, past=past, space=space)


def stirs(clips: ClipTensors) -> tuple[Tensor, Tensor]:
    """Bool `[B, T - 1]` twice: steps that rise or fall, and that touch a wall."""
    rises = (clips.pose[:, 1:, 1] - clips.pose[:, :-1, 1]).abs() > RISES
    return rises, clips.signals[:, 1:, _CONTACT] > 0.5


def eventful(clips: ClipTensors, first: int, generator: torch.Generator) -> Tensor:
    """Ticks `[B]` from `first` on, those drawn more often in which something happens to the player."""
    rises, touches = stirs(clips)
    weight = 1 + _JUMPY * rises.float() + _TOUCHED * touches.float()
    # What leads up to an event and follows it belongs to it.
    weight = F.max_pool1d(weight[:, None], 3, 1, 1)[:, 0][clips.rows].cpu()
    weight[:, : first - 1] = 0
    return (1 + torch.multinomial(weight, 1, generator=generator)[:, 0]).to(clips.device)


def edits(clips: ClipTensors, first: int, generator: torch.Generator) -> Tensor:
    """Ticks `[B]` from `first` on: where a block breaks or is placed, if the clip has any such, else anywhere."""
    happens = (clips.signals[:, :, _EDITS] * clips.told[:, :, _EDITS]).amax(2)[clips.rows].cpu()
    weight = 1e-3 + (happens > 0.5).float()
    weight[:, :first] = 0
    return torch.multinomial(weight, 1, generator=generator)[:, 0].to(clips.device)


def _space(clips: ClipTensors, t: Tensor, usable: Tensor) -> Tensor:
    back = torch.tensor([1, 2, *(2 + _SPACING * (k + 1) for k in range(OLDER))], device=t.device)
    index = t[:, None] - back
    safe = index.clamp(0)
    frames = Remembered(
        clips.depth_blocks[clips.rows[:, None], safe], clips.pose[clips.rows[:, None], safe], index >= 0
    )
    eye, yaw = clips.pose[clips.rows, t - 1, :3], clips.pose[clips.rows, t, 3]
    return sense(frames, eye, yaw, usable)
