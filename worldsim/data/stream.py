"""A game played without end by a scripted player: the ticks that the live source is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.signals import from_state

TRAINING_SEEDS = 1_000_000
"""Worlds for training have seeds from here on; those below 1000 are kept for evaluation."""


class Engine(Protocol):
    """What a live source asks of a game (`worldsim.registry.ENGINES`)."""

    def reset(self, seed: int) -> None: ...
    def step(self, action: NDArray[np.float32]) -> None: ...
    def render(self) -> NDArray[np.uint8]: ...
    def render_buffers(self) -> tuple[Any, Any, Any]: ...
    def state(self) -> dict[str, Any]: ...


class Policy(Protocol):
    """What a live source asks of a player (`worldsim.registry.POLICIES`)."""

    def reset(self, seed: int) -> None: ...
    def act(self, state: dict[str, Any]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Tick:
    """One frame and what belongs to it; `action` led to it and is zeros after a reset."""

    frame: NDArray[np.uint8]
    depth: NDArray[np.float16] | None
    action: NDArray[np.float32]
    pose: NDArray[np.float32]
    signals: NDArray[np.float32]
    caption: str
    episode: int


class GameStream:
    """Episodes of one game, one after the other, each in a world of its own.

    Episode `n` depends on `key` and `n` alone: its world, its player's seed and its length.
    """

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        *,
        key: tuple[int, ...],
        episode_ticks: tuple[int, int],
        depth: bool = True,
        stagger: bool = False,
    ) -> None:
        self.engine, self.policy = engine, policy
        self._key, self._ticks, self._depth = key, episode_ticks, depth
        self._episode, self._left = -1, 0
        self._stagger = stagger
        self._state: dict[str, Any] = {}
        self._before: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether the next tick belongs to the same episode as the last."""
        return self._left > 0 and float(self._state.get("health", 20.0)) > 0

    def next(self) -> Tick:
        """Advance by one tick; after an episode's last, start the next world."""
        action = np.zeros(ACTION_SIZE, np.float32)
        if not self.running:
            self._begin()
        else:
            action = self.policy.act(self._state)
            self.engine.step(action)
            self._before, self._state = self._state, self.engine.state()
        self._left -= 1
        return self._observe(action)

    def _begin(self) -> None:
        self._episode += 1
        rng = np.random.default_rng([*self._key, self._episode])
        world, player = (int(seed) for seed in rng.integers(0, 2**62, 2))
        low, high = self._ticks
        self._left = int(rng.integers(low, high + 1))
        if self._stagger:  # so that the engines of one worker do not all reset at the same tick
            self._left, self._stagger = int(rng.integers(low // 2, high + 1)), False
        self.engine.reset(TRAINING_SEEDS + world)
        self.policy.reset(player)
        self._before, self._state = None, self.engine.state()

    def _observe(self, action: NDArray[np.float32]) -> Tick:
        depth = None
        if self._depth:
            frame, distance, _ = self.engine.render_buffers()
            depth = np.asarray(distance, np.float16)
        else:
            frame = self.engine.render()
        state = self._state
        return Tick(
            frame=frame,
            depth=depth,
            action=action,
            pose=np.asarray(state.get("pose", np.zeros(5)), np.float32),
            signals=from_state(state, self._before),
            caption=str(state.get("caption", "")),
            episode=self._episode,
        )
