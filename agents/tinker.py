"""A player who does little but dig and build, so that hands see in minutes what an explorer does in hours.

It reads the state, and is no explorer: it stays where it is put.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX

from .dice import Dice
from .policy import Vector

_LOOKS = (-15.0, 65.0)  # degrees of pitch
_PATIENCE = 60  # ticks


class Tinker:
    """Walks a little, looks somewhere near, digs or places, and begins again; reads the state."""

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start again. Raises UsageError unless 0 <= seed < 2**64."""
        Dice(seed)  # one place says what a seed is
        self._rng = np.random.default_rng(int(seed))
        self._state: Mapping[str, Any] = {}
        self._plan: Iterator[Vector] = iter(())

    def act(self, state: Mapping[str, Any]) -> Vector:
        """The action `[25]` of the next tick."""
        self._state = state
        while (action := next(self._plan, None)) is None:
            self._plan = self._some()
        return action

    def _some(self) -> Iterator[Vector]:
        plans = (
            self._walk, self._look, self._dig, self._dig, self._build, self._build, self._flick, self._pillar,
            self._shaft,
        )  # fmt: skip
        return plans[self._rng.integers(len(plans))]()

    def _walk(self) -> Iterator[Vector]:
        key = ("forward", "forward", "forward", "back", "left", "right")[self._rng.integers(6)]
        jump = self._rng.random() < 0.5
        for _ in range(self._rng.integers(3, 25)):
            keys = (key, "jump") if jump and self._rng.random() < 0.4 else (key,)
            yield press(*keys)

    def _look(self) -> Iterator[Vector]:
        pitch, yaw = self._rng.uniform(*_LOOKS) - self._pitch(), self._rng.uniform(-120, 120)
        ticks = int(self._rng.integers(2, 8))
        for _ in range(ticks):
            yield press(pitch=pitch / ticks, yaw=yaw / ticks)

    def _dig(self) -> Iterator[Vector]:
        """Hold attack until something breaks, as a rule; now and then let go before, look about or walk on."""
        if not self._aims():
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
            if not more and self._state.get("events", {}).get("broken"):
                break

    def _build(self) -> Iterator[Vector]:
        if not self._aims():
            yield from self._look()
        if self._rng.random() < 0.8:
            yield press(f"hotbar.{self._rng.integers(1, 10)}")
        for _ in range(self._rng.integers(0, 4)):
            yield press()
        for _ in range(self._rng.integers(1, 8)):
            keys = ("use", "jump") if self._rng.random() < 0.2 else ("use",)
            yield press(*keys)

    def _pillar(self) -> Iterator[Vector]:
        """Jump and place beneath the feet, and walk off in the end."""
        yield from self._down(75.0, 90.0)
        yield press(f"hotbar.{self._rng.integers(1, 10)}")
        for _ in range(self._rng.integers(10, 50)):
            yield press("jump", "use")
        if self._rng.random() < 0.5:
            yield from self._walk()

    def _shaft(self) -> Iterator[Vector]:
        """Dig where one stands."""
        yield from self._down(70.0, 90.0)
        for _ in range(self._rng.integers(15, 70)):
            yield press("attack")

    def _down(self, least: float, most: float) -> Iterator[Vector]:
        pitch = self._rng.uniform(least, most) - self._pitch()
        ticks = int(self._rng.integers(2, 8))
        for _ in range(ticks):
            yield press(pitch=pitch / ticks)

    def _pitch(self) -> float:
        return float(self._state["pose"][4]) if "pose" in self._state else 0.0

    def _aims(self) -> bool:
        """Whether a block is in reach, or the state does not say."""
        return "target" not in self._state or int(self._state["target"][3]) > 0

    def _flick(self) -> Iterator[Vector]:
        for _ in range(self._rng.integers(1, 6)):
            yield press(
                f"hotbar.{self._rng.integers(1, 10)}" if self._rng.random() < 0.3 else "",
                yaw=self._rng.normal() * 5,
            )


def press(*keys: str, yaw: float = 0.0, pitch: float = 0.0) -> Vector:
    """An action with some keys held."""
    action = np.zeros(ACTION_SIZE, np.float32)
    action[[INDEX[key] for key in keys if key]] = 1.0
    action[CAMERA] = pitch, yaw
    return action
