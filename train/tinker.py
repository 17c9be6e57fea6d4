"""A player who does little but dig and build, so that hands see in minutes what an explorer does in hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX

Action = NDArray[np.float32]
_LOOKS = (-15.0, 65.0)  # degrees of pitch
_PATIENCE = 60  # ticks


class Tinker:
    """Walks a little, looks somewhere near, digs or places, and begins again; reads the state."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._state: Mapping[str, Any] = {}
        self._plan: Iterator[Action] = iter(())

    def act(self, state: Mapping[str, Any]) -> Action:
        """The action `[25]` of the next tick."""
        self._state = state
        while (action := next(self._plan, None)) is None:
            self._plan = self._some()
        return action

    def _some(self) -> Iterator[Action]:
        plans = (self._walk, self._look, self._dig, self._dig, self._build, self._build, self._flick)
        return plans[self._rng.integers(len(plans))]()

    def _walk(self) -> Iterator[Action]:
        key = ("forward", "forward", "forward", "back", "left", "right")[self._rng.integers(6)]
        jump = self._rng.random() < 0.5
        for _ in range(self._rng.integers(3, 25)):
            keys = (key, "jump") if jump and self._rng.random() < 0.4 else (key,)
            yield press(*keys)

    def _look(self) -> Iterator[Action]:
        pitch, yaw = self._rng.uniform(*_LOOKS) - float(self._state["pose"][4]), self._rng.uniform(-120, 120)
        ticks = int(self._rng.integers(2, 8))
        for _ in range(ticks):
            yield press(pitch=pitch / ticks, yaw=yaw / ticks)

    def _dig(self) -> Iterator[Action]:
        """Hold attack until something breaks, as a rule; now and then let go before, look about or walk on."""
        if not int(self._state["target"][3]):
            yield from self._look()
        patience = _PATIENCE if self._rng.random() < 0.8 else int(self._rng.integers(1, 12))
        more = self._rng.random() < 0.3
        for _ in range(patience):
            moved = (
                {"yaw": self._rng.normal() * 2, "pitch": self._rng.normal()}
                if self._rng.random() < 0.1
                else {}
            )
            keys = ("attack", "forward") if self._rng.random() < 0.05 else ("attack",)
            yield press(*keys, **moved)
            if self._state["events"]["broken"] and not more:
                break

    def _build(self) -> Iterator[Action]:
        if not int(self._state["target"][3]):
            yield from self._look()
        if self._rng.random() < 0.8:
            yield press(f"hotbar.{self._rng.integers(1, 10)}")
        for _ in range(self._rng.integers(0, 4)):
            yield press()
        for _ in range(self._rng.integers(1, 8)):
            keys = ("use", "jump") if self._rng.random() < 0.2 else ("use",)
            yield press(*keys)

    def _flick(self) -> Iterator[Action]:
        for _ in range(self._rng.integers(1, 6)):
            yield press(
                f"hotbar.{self._rng.integers(1, 10)}" if self._rng.random() < 0.3 else "",
                yaw=self._rng.normal() * 5,
            )


def press(*keys: str, yaw: float = 0.0, pitch: float = 0.0) -> Action:
    """An action with some keys held."""
    action = np.zeros(ACTION_SIZE, np.float32)
    action[[INDEX[key] for key in keys if key]] = 1.0
    action[CAMERA] = pitch, yaw
    return action
