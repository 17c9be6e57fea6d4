"""Heads that read the game's signals off a frame that is being drawn: state, events and what rewards are made of.

They look at the network's features and pull nothing at them: a picture is as good with heads as without, and
a world that is trained already can be given heads (`worldsim train world --init W --set only=heads`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.model.denoiser import DenoiserConfig, Features
from worldsim.model.layers import channel_norm
from worldsim.signals import PLACE, SLOTS, TABLE, Kind

EVENT_WEIGHT = 16.0
"""How much more a tick with an event weighs in training than one without."""
_UNIT = 0.2
"""Of values, about the deviation of a scaled one: brings errors to the order of one."""
_OUTPUTS: dict[Kind, int] = {"flag": 1, "value": 1, "event": 1, "circle": 2, "choice": SLOTS, "joint": 0}
_SIZES = [_OUTPUTS[signal.kind] for signal in TABLE]


@dataclass(frozen=True)
class HeadsConfig:
    """Size of the heads."""

    width: int = 0
    """Width of their hidden layer; 0: the world has none."""
    cells: int = 16
    """Channels of each innermost cell that they see."""
    detail: int = 8
    """Channels of each outermost cell around the crosshair and of the HUD."""
    crosshair: int = 8
    """Side of the outermost patch around the crosshair, in cells."""


@dataclass(frozen=True)
class Seen:
    """What heads look at, normalised and without a gradient: what training of the heads alone keeps of a frame."""

    inner: Tensor
    """`[B, D, h, w]`."""
    crosshair: Tensor
    """`[B, E, p, p]`."""
    hud: Tensor
    """`[B, E, s, W]`."""
    cond: Tensor
    """`[B, cond]`."""


class Heads(nn.Module):
    """A perceptron on all innermost cells, the outermost ones at the crosshair and over the HUD, and the conditioning.

    The innermost cells say what is going on, the crosshair what happens to the block in reach, and the HUD
    shows health, slot and counts.
    """

    def __init__(self, config: HeadsConfig, denoiser: DenoiserConfig, factor: int) -> None:
        super().__init__()
        d, halvings = denoiser, 2 ** (len(denoiser.multipliers) - 1)
        self.rows, self.columns = d.height // factor, d.width // factor
        self.patch = min(config.crosshair, self.rows, self.columns)
        self.strip = max(1, self.rows // 5)
        inner, outer = d.channels * d.multipliers[-1], d.channels * d.multipliers[0]
        self.squeeze_inner = nn.Conv2d(inner, config.cells, 1)
        self.squeeze_crosshair = nn.Conv2d(outer, config.detail, 1)
        self.squeeze_hud = nn.Conv2d(outer, config.detail // 2, 1)
        seen = (
            (self.rows // halvings) * (self.columns // halvings) * config.cells
            + self.patch**2 * config.detail
            + self.strip * self.columns * (config.detail // 2)
            + inner
            + d.cond
        )
        self.hidden = nn.Sequential(
            nn.Linear(seen, config.width), nn.SiLU(), nn.Linear(config.width, config.width), nn.SiLU()
        )
        self.out = nn.Linear(config.width, sum(_SIZES))
        nn.init.zeros_(self.out.weight)

    def look(self, features: Features) -> Seen:
        """The parts of the features that are read. No gradient reaches them."""
        inner, outer = channel_norm(features.inner.detach()), features.outer.detach()
        top, left = (self.rows - self.patch) // 2, (self.columns - self.patch) // 2
        near, hud = outer[:, :, top : top + self.patch, left : left + self.patch], outer[:, :, -self.strip :]
        return Seen(inner, channel_norm(near), channel_norm(hud), features.cond.detach())

    def tell(self, seen: Seen) -> Tensor:
        """Raw outputs `[B, n]`; `read` makes signals of them."""
        parts = [
            self.squeeze_inner(seen.inner).flatten(1),
            self.squeeze_crosshair(seen.crosshair).flatten(1),
            self.squeeze_hud(seen.hud).flatten(1),
            seen.inner.mean((2, 3)),
            seen.cond,
        ]
        out: Tensor = self.out(self.hidden(torch.cat(parts, 1))).float()
        return out

    def forward(self, features: Features) -> Tensor:
        """Raw outputs `[B, n]` of the features of a frame."""
        return self.tell(self.look(features))


def read(raw: Tensor) -> Tensor:
    """Signals `[B, S]` of raw outputs `[B, n]`, in the game's units; flags and events as probabilities."""
    columns = []
    for signal, part in zip(TABLE, raw.split(_SIZES, 1)):
        if signal.kind == "flag":
            columns.append(part[:, 0].sigmoid())
        elif signal.kind == "event":  # training weighs events up: the odds are taken down again
            columns.append((part[:, 0] - math.log(EVENT_WEIGHT)).sigmoid())
        elif signal.kind == "choice":
            columns.append(part.argmax(1).float())
        elif signal.kind == "joint":
            columns.append(torch.zeros_like(raw[:, 0]))
        elif signal.kind == "circle":
            columns.append(torch.atan2(part[:, 0], part[:, 1]) / (2 * math.pi) % 1.0)
        else:
            columns.append((part[:, 0] * _UNIT * signal.scale).clamp(signal.low, signal.high))
    columns[PLACE["broke_log"]] = columns[PLACE["broke"]] * columns[PLACE["wood"]]
    return torch.stack(columns, 1)


def read_first(scaled: Tensor) -> Tensor:
    """The first signals `[B, 7]` as a world without heads tells them, in the game's units."""
    columns = zip(TABLE, scaled.unbind(1))
    return torch.stack([(part * signal.scale).clamp(signal.low, signal.high) for signal, part in columns], 1)


def heads_loss(raw: Tensor, signals: Tensor, told: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean loss over signals of raw outputs `[B, n]`.

    Args:
        signals: `[B, S]` scaled, the truth.
        told: `[B, S]`, 1 where it is known.
        weight: `[B]` of rows; 1 if missing.
    """
    losses = torch.stack(
        [_loss(s.kind, part, signals[:, i] * s.scale, s.scale) for i, (s, part) in
         enumerate(zip(TABLE, raw.split(_SIZES, 1)))], 1,
    )  # fmt: skip
    told = told if weight is None else told * weight[:, None]
    return (losses * told).mean()


def _loss(kind: Kind, raw: Tensor, true: Tensor, scale: float) -> Tensor:
    """`[B]`; `true` in the game's units."""
    if kind == "joint":
        return torch.zeros_like(true)
    if kind == "choice":
        return F.cross_entropy(raw, true.round().long().clamp(0, SLOTS - 1), reduction="none")
    if kind == "circle":
        angle = 2 * math.pi * true
        return (raw - torch.stack([angle.sin(), angle.cos()], 1)).pow(2).sum(1)
    if kind == "value":  # squared: what is told is the mean, so that sums over an episode come out right
        return (raw[:, 0] - true / scale / _UNIT).pow(2)
    weight, chance = EVENT_WEIGHT if kind == "event" else 1.0, true.clamp(0, 1)
    return weight * chance * F.softplus(-raw[:, 0]) + (1 - chance) * F.softplus(raw[:, 0])
