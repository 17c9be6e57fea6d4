"""The scripted player whose recordings hold what a world model has to learn.

`Explorer(seed).act(engine.state())` is the next action; `act({})` where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worldsim.actions import INDEX

from . import looking, moving, rescuing, returning, working
from .body import Behaviour, Body
from .dice import Dice
from .policy import Vector

REPERTOIRE: dict[str, tuple[Behaviour, float, int]] = {
    "walk": (moving.walk, 0.18, 50),
    "journey": (moving.journey, 0.14, 90),
    "stand_still": (looking.stand_still, 0.04, 33),
    "look_about": (looking.look_about, 0.05, 50),
    "look_up_and_down": (looking.look_up_and_down, 0.015, 40),
    "turn_away_and_back": (returning.turn_away_and_back, 0.05, 60),
    "full_circle": (returning.full_circle, 0.03, 50),
    "out_and_back": (returning.out_and_back, 0.05, 30),
    "there_and_home": (returning.there_and_home, 0.02, 70),
    "dig": (working.dig, 0.08, 60),
    "tunnel": (working.tunnel, 0.06, 80),
    "dig_down": (working.dig_down, 0.03, 85),
    "place": (working.place, 0.04, 55),
    "tower": (working.tower, 0.03, 70),
    "wall": (working.wall, 0.025, 85),
    "bridge": (working.bridge, 0.015, 50),
    "hop": (moving.hop, 0.02, 35),
    "bump": (moving.bump, 0.02, 50),
    "leap": (moving.leap, 0.02, 50),
    "strafe": (moving.strafe, 0.02, 25),
    "sneak": (moving.sneak, 0.02, 50),
    "tour_hotbar": (working.tour_hotbar, 0.015, 50),
    "combine": (moving.combine, 0.03, 20),
}
"""Every behaviour, the share of ticks it is meant to have and how many ticks it mostly takes."""

_HORIZON = 250  # ticks over which shares may be out of balance: lower is more even, higher more random
_SOAKED = 12  # ticks in water after which the player swims, whatever it was doing
_WALLED = 15  # ticks with a block right before the eyes after which the player turns elsewhere
_CAVE = 160  # ticks in a cave after which the player leaves it, at the latest
_FORM = 12  # ticks after which an inventory that was opened by chance is closed
_CASUAL = frozenset(("walk", "journey", "look_about", "strafe", "hop", "bump", "leap", "swim"))
_FIDGETS = (
    *(f"hotbar.{n}" for n in range(1, 10)),
    "jump",
    "sneak",
    "sprint",
    "attack",
    "attack",
    "use",
    "swapHands",
)
"""Keys that are pressed now and then during casual behaviours."""


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
        self._patience = self._dice.ticks(10, _CAVE)
        self._key, self._held = 0, 0
        self.behaviour = ""
        self._moves: Iterator[Vector] = iter(())

    def act(self, state: Mapping[str, Any]) -> Vector:
        """Choose the next action, float32 [25]; any key of the engine's state may be missing."""
        body = self._body
        body.sense(state)
        if body.form_ticks % _FORM == _FORM - 1:
            return body.action("ESC")
        if body.water_ticks > _SOAKED and self.behaviour != "swim":
            self._begin("swim", rescuing.swim)
        for _ in range(8):  # a behaviour may find that it has nothing to do
            action = next(self._moves, None)
            if action is not None:
                self._pay(1)
                if self.behaviour in _CASUAL:
                    self._fidget(action)
                return action
            self._choose()
        self._pay(1)
        return body.action()

    def _fidget(self, action: Vector) -> None:
        if self._held:
            self._held -= 1
            action[self._key] = 1.0
        elif self._dice.chance(0.012):
            self._key, self._held = INDEX[self._dice.pick(_FIDGETS)], self._dice.ticks(1, 4)

    def _choose(self) -> None:
        body = self._body
        if body.cave_ticks > self._patience:
            self._patience = self._dice.ticks(10, _CAVE)
            return self._begin("leave_cave", rescuing.leave_cave)
        if body.stuck():
            body.forget_trail()
            return self._begin("escape", rescuing.escape)
        if body.in_water:
            return self._begin("swim", rescuing.swim)
        if body.wall_ticks > _WALLED:
            return self._begin("find_view", rescuing.find_view)
        if abs(body.pitch) > 45.0 and self._dice.chance(0.7):
            return self._begin("level", looking.level)
        total = sum(self._spent.values()) + _HORIZON
        owed = [
            max(0.0, share * total - self._spent[name]) / typical
            for name, (_, share, typical) in REPERTOIRE.items()
        ]
        name = list(REPERTOIRE)[self._dice.weighted(owed)]
        self._begin(name, REPERTOIRE[name][0])
        self._pay(2)  # so that one with nothing to do is not drawn for ever

    def _begin(self, name: str, behaviour: Behaviour) -> None:
        self.behaviour = name
        self._moves = behaviour(self._body, self._dice)

    def _pay(self, ticks: int) -> None:
        if self.behaviour in self._spent:
            self._spent[self.behaviour] += ticks
