"""The overlay: hotbar, health and the item in hand, which lie over the picture and obey other laws than the world.

It is kept beside the frames as colours with opacity and drawn over what the network draws, so that it
neither blurs nor smears. Two layers: the bar changes in places and stays as it is elsewhere; the arm
with what it holds is drawn anew from what the bar says is in the chosen slot, at the phase of its swing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.model.hands import STRIP
from worldsim.signals import SLOTS

PHASES = 6
"""Ticks of a swing of the arm, as in Minecraft; phase 0 rests."""
_TOLD = SLOTS + PHASES + 2
_ARM = 0.38  # of the width, from the right, where the arm may be
_CELL = 4  # pixels
_GLANCES = 2


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
    """`[B, 3, 32, W]` colours of the bar where it changes."""
    changed: Tensor
    """`[B, 1, 32, W]` chance that it does."""


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

    `fixed` `[1, 32, W]` is 1 where the bar is, over whatever the arm does; it is learnt first.
    """

    fixed: Tensor

    def __init__(self, config: OverlayConfig, columns: int) -> None:
        super().__init__()
        self.config, width, cells = config, config.width, config.cells
        self.columns, self.reach = columns, round(_ARM * columns)
        size = (STRIP // _CELL, -(-columns // _CELL))
        self.read = nn.Conv2d(3 * _CELL**2, cells, 3, 1, 1)
        self.where = nn.Parameter(torch.randn(1, cells, *size) * 0.1)
        self.what = nn.Linear(_TOLD, cells)
        self.chosen = nn.Parameter(torch.zeros(SLOTS, cells, *size))
        self.change = nn.Sequential(
            nn.SiLU(), nn.Conv2d(cells, cells, 3, 1, 1), nn.SiLU(), nn.Conv2d(cells, cells, 1), nn.SiLU(),
            nn.Conv2d(cells, 4 * _CELL**2, 1), nn.PixelShuffle(_CELL),
        )  # fmt: skip
        self.icon = nn.Conv2d(3 * _CELL**2, 2 * cells, 3, 1, 1)
        self.places = nn.Parameter(torch.zeros(SLOTS, _GLANCES, size[0] * size[1]))
        self.glance = nn.Conv2d(2 * cells, _GLANCES, 1)
        self.hold = nn.Sequential(
            nn.Linear(2 * cells * _GLANCES + _TOLD, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU(),
            nn.Linear(2 * width, config.arms),
        )  # fmt: skip
        self.arms = nn.Parameter(torch.randn(config.arms, 4, STRIP, self.reach) * 0.05)
        self.rest = nn.Parameter(torch.zeros(4, STRIP, self.reach))
        self.register_buffer("fixed", torch.zeros(1, STRIP, columns))

    def forward(self, strip: Tensor, told: Tensor) -> Drawn:
        """The overlay after a tick.

        Args:
            strip: `[B, 3, 32, W]` the lower edge of the frame before it, in [-1, 1].
            told: `[B, n]` of `tell`.
        """
        spare = -strip.shape[3] % _CELL
        cells = F.pixel_unshuffle(F.pad(strip, (0, spare)), _CELL)
        arm = torch.einsum("bn,nchw->bchw", self._held(cells, told), self.arms) + self.rest
        chosen = torch.einsum("bs,schw->bchw", told[:, :SLOTS], self.chosen)
        bar = self.change(self.read(cells) + self.where + chosen + self.what(told)[:, :, None, None])
        bar = bar[..., : strip.shape[3]]
        return Drawn(
            torch.cat([arm[:, :3].clamp(-0.5, 1.5), arm[:, 3:].sigmoid()], 1),
            bar[:, :3],
            bar[:, 3:].sigmoid(),
        )

    def _held(self, cells: Tensor, told: Tensor) -> Tensor:
        """How the arm's pictures are mixed `[B, arms]`: it holds what the chosen slot of the bar shows.

        Where a slot's picture is, is learnt for each slot; while none is known to be chosen, by its looks alone.
        """
        icons = F.silu(self.icon(cells))
        looks = self.glance(icons).flatten(2)
        weight = (looks + torch.einsum("bs,sgp->bgp", told[:, :SLOTS], self.places)).softmax(2)
        seen = torch.einsum("bgp,bcp->bgc", weight, icons.flatten(2)).flatten(1)
        mixed: Tensor = self.hold(torch.cat([seen, told], 1))
        return mixed

    def after(self, drawn: Drawn, strip: Tensor) -> Tensor:
        """Both layers in one `[B, 4, 32, W]`: colours in [0, 1] and opacity; the bar is on top.

        What stays of the bar does so to the byte.

        Args:
            strip: as for `forward`.
        """
        batch = len(strip)
        bar = torch.where(drawn.changed > 0.5, drawn.bar.clamp(0, 1), (strip + 1) / 2)
        arm = torch.cat(
            [drawn.arm.new_zeros(batch, 4, STRIP, self.columns - self.reach), drawn.arm.clamp(0, 1)], 3
        )
        return torch.where(self.fixed > 0.5, torch.cat([bar, torch.ones_like(bar[:, :1])], 1), arm)
