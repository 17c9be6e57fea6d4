"""Surveys underground: caves and tunnels, since nobody begins there and a surveyor of open land never gets there.

An explorer plays until it has come to a cave; there a surveyor looks to all sides, from as many stands as there is
room for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.sim.exemplars import Exemplars, joined

from .surveys import STANDS, View, gathered, views_from_here, walk

_TICKS, _STAYED, _AGAIN = 1200, 30, 100  # of play, in a cave before it is looked at, and to the next try
_CROWD, _WORLDS = 2, 30  # caves, and worlds that are played in at most, for each that is kept
_APART = 3.0  # blocks from one stand to the next
_SKY, _DARK = 100.0, 75.0  # blocks; grey levels that a cave has on average, at most
_NEAR, _CLOSE = 1.0, 0.35  # blocks, and the share of a cave that may be nearer


def record_caves(engine: str, *, first: int, places: int, width: int, height: int) -> Exemplars | None:
    """The `places` caves with most views of twice as many, in worlds from seed `first` on; None in a game without.

    Of what time of day it is nothing is known there.
    """
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    found: list[Exemplars] = []
    for seed in range(first, first + _WORLDS * places):
        if len(found) == _CROWD * places:
            break
        views = _come_upon(game, seed)
        if views:
            cave = gathered(views, np.zeros(len(views), np.int32))
            found.append(replace(cave, daytime=np.full(len(views), np.nan, np.float32)))
    return joined(sorted(found, key=len, reverse=True)[:places]) if found else None


def _come_upon(game: Any, seed: int) -> list[View]:
    """Views of the first cave that the explorer of a seed gets to; none if there is no such."""
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(seed)
    game.reset(seed)
    inside, wait = 0, 0
    for _ in range(_TICKS):
        state = game.state()
        inside, wait = (inside + 1 if "cave" in str(state.get("caption", "")) else 0), wait - 1
        # Cracks would be part of the cave.
        calm = not state["in_water"] and not state.get("break_progress", 0)
        if inside > _STAYED and wait <= 0 and calm:
            views = _surveyed(game, float(state["pose"][3]))
            if views:
                return views
            inside, wait = 0, _AGAIN
        game.step(player.act(state))
    return []


def _surveyed(game: Any, yaw: float) -> list[View]:
    """Views from the stands that can be got to, if all of them show a cave."""
    views: list[View] = []
    for stand in range(STANDS):
        if stand and not any(walk(game, yaw + turn, _APART) for turn in (0.0, 90.0, -90.0, 180.0)):
            break
        seen = views_from_here(game, yaw)
        if not _underground(seen):
            break
        views += seen
    return views


def _underground(views: list[View]) -> bool:
    depth = np.stack([d for _, d, _, _ in views])[:, ::4, ::4].astype(np.float32)
    light: NDArray[np.float64] = np.array([frame.mean() for frame, *_ in views])
    return bool((depth > _SKY).mean() < 0.002 and light.mean() < _DARK and (depth < _NEAR).mean() <= _CLOSE)
