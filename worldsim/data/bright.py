"""Ticks cut where the picture is dark: caves and nights hold little to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldsim.data.ticks import Tick

SHORTEST = 64
"""Frames of a stretch that is kept: fewer are of no use, since memory reaches back 40."""


def bright_stretches(ticks: Iterable[Tick], level: float) -> Iterator[Iterator[Tick]]:
    """Yield the stretches of ticks whose frames are at least `level` bright in the mean, in grey levels.

    A stretch shorter than `SHORTEST` is left out. Use each one up before asking for the next. Of a stretch
    at most `SHORTEST` frames are held.
    """
    source = (_drawn(tick) for tick in ticks)
    waiting: list[Tick] = []
    for tick, bright in source:
        waiting = [*waiting, tick] if bright >= level else []
        if len(waiting) == SHORTEST:
            yield _stretch(waiting, source, level)
            waiting = []


def _stretch(begun: list[Tick], source: Iterator[tuple[Tick, float]], level: float) -> Iterator[Tick]:
    """What has begun, and what follows until it is dark."""
    while begun:
        yield begun.pop(0)
    for tick, bright in source:
        if bright < level:
            return
        yield tick


def _drawn(tick: Tick) -> tuple[Tick, float]:
    frame: NDArray[np.uint8] = tick.frame()
    return replace(tick, frame=lambda: frame), float(frame.mean())
