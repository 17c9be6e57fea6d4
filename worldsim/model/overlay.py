"""The overlay: hotbar, health and the item in hand, which lie over the picture and obey other laws than the world.

It is kept beside the frames as colours with opacity and drawn over what the network draws, so that it
neither blurs nor smears. Two layers: the bar changes in places and stays as it is elsewhere; the arm
with what it holds is drawn anew from what the bar says is in the chosen slot, at the phase of its swing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.model.hands import STRIP, Items
from worldsim.signals import SLOTS

PHASES = 6
"""Ticks of a swing of the arm, as in Minecraft; phase 0 rests."""
_TOLD = SLOTS + PHASES + 2
_ARM = 0.38  # of the width, from the right, where the arm may be
_CELL = 4  # pixels
_SAME = -3.0  # the logit of a change, at first


@dataclass(frozen=True)
class OverlayConfig:
    """Size of the overlay's network."""

    width: int = 0
    """Units of its hidden layers; 0: the world has none."""
    arms: int = 192
    """Pictures that the arm is mixed from."""
    cells: int = 96
    """Channels of the bar's cells of 4x4 pixels."""


@dataclass(frozen=True)
class Drawn:
    """The overlay's layers, each in [0, 1]."""

    arm: Tensor
    """`[B, 4, 32, A]` colours and opacity, at the right edge."""
    bar: Tensor
    """`[B, 3, 32, W]` colours of the bar after the tick."""
    changed: Tensor
    """`[B, 1, 32, W]` how far they differ from those before."""


def tell(slot: int, phase: int, broke: bool, placed: bool) -> Tensor:
    """What the overlay's network knows beside the picture `[n]`: the slot (-1: unknown), the arm, what hands did."""
    told = torch.zeros(_TOLD)
    if slot >= 0:
        told[slot] = 1.0
    told[SLOTS + phase] = 1.0
    told[-2], told[-1] = float(broke), float(placed)
    return told


def swung(phase: int, attack: bool, placed: bool) -> int:
    """The arm's phase a tick later: a swing that has begun goes on to its end, and attack begins the next one."""
    if phase > 0 or attack:
        return (phase + 1) % PHASES
    return 1 if placed else 0


class Overlay(nn.Module):
    """See the module's docstring.

    Args:
        columns: width of the frames.
    """

    def __init__(self, config: OverlayConfig, columns: int) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.columns, self.reach = columns, round(_ARM * columns)
        self.items = Items(width)
        self.hidden = nn.Sequential(
            nn.Linear(width + _TOLD, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU()
        )
        self.mix_arm = nn.Linear(2 * width, config.arms)
        self.arms = nn.Parameter(torch.randn(config.arms, 4, STRIP, self.reach) * 0.05)
        self.rest = nn.Parameter(torch.zeros(4, STRIP, self.reach))
        cells = config.cells
        self.bar = nn.Conv2d(3 * _CELL**2, cells, 3, 1, 1)
        self.where = nn.Parameter(torch.randn(1, cells, STRIP // _CELL, -(-columns // _CELL)) * 0.1)
        self.what = nn.Linear(_TOLD, cells)
        self.change = nn.Sequential(
            nn.SiLU(), nn.Conv2d(cells, cells, 3, 1, 1), nn.SiLU(), nn.Conv2d(cells, cells, 1), nn.SiLU(),
            nn.Conv2d(cells, 4 * _CELL**2, 1), nn.PixelShuffle(_CELL),
        )  # fmt: skip
        self.place = nn.Parameter(torch.zeros(1, STRIP, columns))

    @property
    def opacity(self) -> Tensor:
        """`[1, 32, W]` in [0, 1]: where the bar is, always."""
        return self.place.sigmoid()

    def forward(self, strip: Tensor, told: Tensor) -> Drawn:
        """The overlay after a tick.

        Args:
            strip: `[B, 3, 32, W]` the lower edge of the frame before it, in [-1, 1].
            told: `[B, n]` of `tell`.
        """
        hidden = self.hidden(torch.cat([self.items(strip, told[:, :SLOTS]), told], 1))
        arm = torch.einsum("bn,nchw->bchw", self.mix_arm(hidden), self.arms) + self.rest
        bar = self._changes(strip, told)
        changed = (bar[:, 3:] + _SAME).sigmoid()
        before = (strip + 1) / 2
        return Drawn(
            torch.cat([arm[:, :3].clamp(-0.5, 1.5), arm[:, 3:].sigmoid()], 1),
            before + changed * (bar[:, :3] - before),
            changed,
        )

    def _changes(self, strip: Tensor, told: Tensor) -> Tensor:
        """Colours and logits of change `[B, 4, 32, W]`, by what a cell shows, where it is and what happens."""
        spare = -strip.shape[3] % _CELL
        cells = self.bar(F.pixel_unshuffle(F.pad(strip, (0, spare)), _CELL)) + self.where
        changes: Tensor = self.change(cells + self.what(told)[:, :, None, None])
        return changes[..., : strip.shape[3]]

    def settled(self, drawn: Drawn, before: Tensor) -> Drawn:
        """The same with changes of the bar either whole or not at all, so that what stays does so to the byte."""
        gone = drawn.changed > 0.5
        new = before + (drawn.bar - before) / drawn.changed.clamp(min=0.5)
        return replace(drawn, bar=torch.where(gone, new, before))

    def flat(self, drawn: Drawn) -> Tensor:
        """Both layers in one `[B, 4, 32, W]`: colours in about [0, 1] and opacity; the bar is on top."""
        batch = len(drawn.bar)
        arm = torch.cat([drawn.arm.new_zeros(batch, 4, STRIP, self.columns - self.reach), drawn.arm], 3)
        top = self.opacity.expand(batch, -1, -1, -1)
        under = arm[:, 3:] * (1 - top)
        opacity = top + under
        colours = (drawn.bar * top + arm[:, :3] * under) / opacity.clamp(min=1e-3)
        return torch.cat([colours, opacity], 1)
