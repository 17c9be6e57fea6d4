"""A player who steps to all sides, so that a world learns what every key does, wherever it is pressed.

Explorers run ahead: who saw no others knows little of how far a step back goes, or one aside in a jump.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .body import Body
from .dice import Dice
from .explorer import Explorer
from .looking import gaze
from .policy import Vector

_BOUT, _BETWEEN, _STEP = (20, 90), (10, 60), (1, 24)  # ticks
_AHEAD, _ASIDE = ("forward", "back", ""), ("left", "right", "", "")
_MANNERS = (("jump", 0.3), ("sneak", 0.12), ("sprint", 0.3))


class Dancer:
    """Bouts of steps with any keys of movement; between two of them an explorer goes elsewhere.

    The same seed and the same states give the same actions on every machine.
    """

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start again. Raises UsageError unless 0 <= seed < 2**64."""
        self._dice, self._body, self._explorer = Dice(seed), Body(), Explorer(seed)
        self._moves: Iterator[Vector | None] = self._dance()

    def act(self, state: Mapping[str, Any]) -> Vector:
        """Choose the next action, float32 [25]; any key of the engine's state may be missing."""
        self._body.sense(state)
        action = next(self._moves)
        return self._explorer.act(state) if action is None else action

    def _dance(self) -> Iterator[Vector | None]:
        """Actions without end; None where the explorer's is taken."""
        me, dice, looks = self._body, self._dice, gaze(self._body, self._dice)
        while True:
            yield from [None] * dice.ticks(*_BETWEEN)
            left = dice.ticks(*_BOUT)
            while left > 0:
                keys, ticks, turns = self._keys(), dice.ticks(*_STEP), dice.chance(0.5)
                for _ in range(ticks):
                    pitch, yaw = next(looks) if turns else (0.0, 0.0)
                    yield me.action(*keys, pitch=pitch, yaw=yaw)
                left -= ticks

    def _keys(self) -> list[str]:
        dice = self._dice
        way = [key for key in (dice.pick(_AHEAD), dice.pick(_ASIDE)) if key]
        return way + [key for key, share in _MANNERS if dice.chance(share)]
