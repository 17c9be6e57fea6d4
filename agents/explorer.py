"""The scripted player whose recordings hold what a world model has to learn.

`Explorer(seed).act(engine.state())` is the next action; `act({})` where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import looking, moving, returning, working
from .body import Behaviour, Body
from .dice import Dice
from .policy import Vector

REPERTOIRE: dict[str, tuple[Behaviour, float]] = {
    "walk": (moving.walk, 0.20),
    "journey": (moving.journey, 0.15),
    "stand_still": (looking.stand_still, 0.04),
    "look_about": (looking.look_about, 0.05),
    "look_up_and_down": (looking.look_up_and_down, 0.02),
    "turn_away_and_back": (returning.turn_away_and_back, 0.05),
    "full_circle": (returning.full_circle, 0.03),
    "out_and_back": (returning.out_and_back, 0.05),
    "there_and_home": (returning.there_and_home, 0.02),
    "dig": (working.dig, 0.06),
    "tunnel": (working.tunnel, 0.05),
    "dig_down": (working.dig_down, 0.03),
    "place": (working.place, 0.04),
    "tower": (working.tower, 0.03),
    "wall": (working.wall, 0.025),
    "bridge": (working.bridge, 0.015),
    "hop": (moving.hop, 0.02),
    "bump": (moving.bump, 0.025),
    "leap": (moving.leap, 0.025),
    "strafe": (moving.strafe, 0.02),
    "sneak": (moving.sneak, 0.02),
    "tour_hotbar": (working.tour_hotbar, 0.02),
    "combine": (moving.combine, 0.02),
}
"""Every behaviour and the share of ticks it is meant to have."""

_HORIZON = 400  # ticks over which shares may be out of balance: lower is more even, higher more random
_SOAKED = 12  # ticks in water after which the player swims, whatever it was doing
_CAVE = 400  # ticks under ground after which the player digs itself out


class Explorer:
    """Does one behaviour after the other, so that each gets its share of the ticks.

    The same seed and the same states give the same actions on every machine. A behaviour in
    progress cannot be pickled: to go on from the middle of an episode, replay its states.
    """

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start again. Raises UsageError unless 0 <= seed < 2**64."""
        self._dice = Dice(seed)
        self._body = Body()
        self._spent = dict.fromkeys(REPERTOIRE, 0)
        self._cost = 0
        self.behaviour = ""
        self._moves: Iterator[Vector] = iter(())

    def act(self, state: Mapping[str, Any]) -> Vector:
        """Choose the next action, float32 [25]; any key of the engine's state may be missing."""
        body = self._body
        body.sense(state)
        if body.water_ticks > _SOAKED and self.behaviour != "swim":
            self._begin("swim", moving.swim)
        for _ in range(8):  # a behaviour may find that it has nothing to do
            action = next(self._moves, None)
            if action is not None:
                self._pay(1)
                return action
            self._choose()
        self._pay(1)
        return body.action()

    def _choose(self) -> None:
        body = self._body
        if body.stuck() or body.cave_ticks > _CAVE:
            body.forget_trail()
            body.cave_ticks = 0
            return self._begin("escape", working.escape)
        if body.in_water:
            return self._begin("swim", moving.swim)
        total = sum(self._spent.values()) + _HORIZON
        owed = [max(0.0, share * total - self._spent[name]) for name, (_, share) in REPERTOIRE.items()]
        name = list(REPERTOIRE)[self._dice.weighted(owed)]
        self._begin(name, REPERTOIRE[name][0])
        self._pay(2)  # so that one with nothing to do is not drawn for ever

    def _begin(self, name: str, behaviour: Behaviour) -> None:
        self.behaviour = name
        self._moves = behaviour(self._body, self._dice)

    def _pay(self, ticks: int) -> None:
        if self.behaviour in self._spent:
            self._spent[self.behaviour] += ticks
