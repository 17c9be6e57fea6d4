"""A look ahead in the game, without drawing: where a metric's episodes can be played."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.evaluate.scenario import Actions
from worldsim.evaluate.twin import GAME, explore

_REST = 8  # ticks that end every lead, so that nothing moves when an episode begins


class Scout:
    """The player of one game world at rest somewhere, ready to try actions and come back.

    Args:
        seed: the game world.
        lead: actions that lead here, `[K, 25]`.
    """

    def __init__(self, seed: int, lead: Actions) -> None:
        _game().reset(seed)
        self._arrive(seed, lead, lead)

    def _arrive(self, seed: int, lead: Actions, last: Actions) -> None:
        """Play the last part of the lead and stay there."""
        self.seed, self.lead = seed, lead
        self._game = _game()
        for action in last:
            self._game.step(action)
        self._here = self._game.clone()
        self.state: dict[str, Any] = self._game.state()

    @property
    def rests(self) -> bool:
        """Whether the player stands still on dry ground, in good health."""
        s = self.state
        still = bool(np.abs(np.asarray(s["velocity"])[[0, 2]]).max() < 0.003)
        return still and bool(s["on_ground"]) and not s["in_water"] and float(s["health"]) > 10

    def goes(self, actions: Actions) -> list[dict[str, Any]]:
        """States after each action, from here; afterwards the player is back here."""
        self._game.restore(self._here)
        states = []
        for action in actions:
            self._game.step(action)
            states.append(self._game.state())
        self._game.restore(self._here)
        return states

    def sees(self, actions: Actions) -> NDArray[np.uint8]:
        """Block ids of each pixel `[96, 160]` after the actions."""
        self._game.restore(self._here)
        for action in actions:
            self._game.step(action)
        blocks: NDArray[np.uint8] = self._game.render_buffers()[2]
        self._game.restore(self._here)
        return blocks

    def after(self, actions: Actions) -> Scout:
        """A scout that has done this first."""
        scout = object.__new__(Scout)
        self._game.restore(self._here)
        scout._arrive(self.seed, np.concatenate([self.lead, actions]), actions)
        self._game.restore(self._here)
        return scout


def press(*keys: str, yaw: float = 0.0, pitch: float = 0.0, ticks: int = 1) -> Actions:
    """The same action `ticks` times, `[ticks, 25]`; turns are degrees to the right and down each tick."""
    actions = np.zeros((ticks, ACTION_SIZE), np.float32)
    for key in keys:
        actions[:, INDEX[key]] = 1.0
    actions[:, INDEX["camera_yaw"]], actions[:, INDEX["camera_pitch"]] = yaw, pitch
    return actions


def sequence(parts: Sequence[Actions]) -> Actions:
    """One after the other."""
    return np.concatenate(parts)


def places(first_seed: int, pitch: float, *, worlds: int = 400) -> Iterator[Scout]:
    """Players at rest that look `pitch` degrees down: one in each world from `first_seed` on, where there is one.

    The explorer plays for some seconds first, so that episodes don't all begin where players appear.
    """
    for seed in range(first_seed, first_seed + worlds):
        lead, _ = explore(seed, "explorer", 0, warm_up=20 + 40 * (seed % 3))
        tired = Scout(seed, np.concatenate([lead, press(ticks=_REST)]))
        level = pitch - float(tired.state["pose"][4])
        scout = tired.after(np.concatenate([press(pitch=level), press(ticks=_REST)]))
        if scout.rests:
            yield scout


@functools.lru_cache(maxsize=1)
def _game() -> Any:
    return registry.resolve(registry.ENGINES, GAME, "engine")(width=160, height=96)
