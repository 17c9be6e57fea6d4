"""What an evaluation found: figures, curves and strips, section by section."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Better = Literal["higher", "lower", "neutral"]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Figure:
    """One number with its 95 % confidence interval over episodes."""

    name: str
    """Unique within its section, lower case with underscores, such as "psnr_16"."""
    value: float
    """nan where nothing could be measured; then `note` says why."""
    low: float = nan
    high: float = nan
    unit: str = ""
    better: Better = "neutral"
    reach: str = ""
    """The target in words, such as "at least 0.90"."""
    count: int = 0
    """Episodes, or whatever the note says."""
    note: str = ""
    episodes: tuple[float, ...] = ()
    """Value of each episode in the order of the scenarios, nan where it has none; for paired comparisons."""


@dataclass(frozen=True)
class Curve:
    """Lines over a common axis."""

    name: str
    x: list[float]
    series: dict[str, list[float]]
    """By name, as long as `x`; nan leaves a gap."""
    x_label: str = ""
    y_label: str = ""


@dataclass(frozen=True, eq=False)
class Strip:
    """Rows of frames, such as the game's above the dream's."""

    name: str
    caption: str
    rows: list[tuple[str, list[Picture]]]
    """(label, frames uint8 [H, W, 3])."""
    columns: list[str]
    """One head for each frame of a row."""

    def copied(self) -> Strip:
        """The same on frames of its own: views would keep whole episodes in memory."""
        rows = [(label, [frame.copy() for frame in frames]) for label, frames in self.rows]
        return replace(self, rows=rows)


@dataclass(frozen=True, eq=False)
class Section:
    """One metric's findings."""

    key: str
    """The metric's name, that of its module."""
    title: str
    text: str
    """What it means, one or two sentences."""
    figures: tuple[Figure, ...] = ()
    curves: tuple[Curve, ...] = ()
    strips: tuple[Strip, ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of that name; KeyError if there is none."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


@dataclass(frozen=True, eq=False)
class Report:
    """A whole evaluation of one world."""

    world: str
    world_hash: str
    """sha256 of configuration and weights."""
    suite: str
    sections: tuple[Section, ...]
    seconds: float
    """Wall time of the evaluation."""
    frames: int
    """Frames dreamt."""
    machine: str
    command: str
    """What reproduces it."""
    settings: dict[str, str] = field(default_factory=dict)
    """Sampler steps, context and so on, in words."""
    probes: dict[str, str] = field(default_factory=dict)
    """sha256 of each probe by name."""
    version: str = ""
    """Of this package."""
    date: str = ""
    """UTC, ISO 8601."""
    failed: dict[str, str] = field(default_factory=dict)
    """Metrics that could not be measured, and why."""
    remark: str = ""
    """What a person saw in the strips, in words."""

    def section(self, key: str) -> Section | None:
        """The section of a metric, if it was measured."""
        return next((s for s in self.sections if s.key == key), None)
