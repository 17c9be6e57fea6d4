"""A planner that tries out futures: the cross-entropy method over action sequences, in forks of the world.

It needs no training. In the dream it thinks with what it plays in; in the game it plans with the game itself, which
says what perfect knowledge is worth. Every decision costs `population * iterations` forks of `horizon` decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError, UsageError, brief

from .agent import Infos, Obs


class Planner:
    """Plays towards the task's reward, or towards a picture.

    Args:
        horizon: decisions that are thought ahead.
        population: sequences that are tried at a time.
        iterations: how often the odds of the actions are refitted to the best tenth (`elites`) of the sequences.
        goal: uint8 [H, W, 3] of the arena's size: instead of reward, the likeness of the last frame to this.
        gamma: discount of a decision, so that what comes sooner counts more.

    Raises:
        ConfigError: a number out of range.
    """

    name = "cem"

    def __init__(
        self,
        *,
        horizon: int = 8,
        population: int = 32,
        iterations: int = 2,
        elites: float = 0.15,
        gamma: float = 0.97,
        goal: NDArray[np.uint8] | None = None,
    ) -> None:
        for name, value, high in (
            ("horizon", horizon, 256), ("population", population, 4096), ("iterations", iterations, 64)
        ):  # fmt: skip
            if not isinstance(value, int) or not 1 <= value <= high:
                raise ConfigError(f"{name}: got {brief(value)}, expected 1 to {high}")
        for name, share in (("elites", elites), ("gamma", gamma)):
            if not 0 < share <= 1:
                raise ConfigError(f"{name}: got {share}, expected more than 0, at most 1")
        self.horizon, self.population, self.iterations, self.gamma, self.goal = (
            horizon, population, iterations, gamma, goal,
        )  # fmt: skip
        self._best = max(1, round(population * elites))

    def start(self, arena: Any) -> None:
        """Keep the arena: its worlds are what is forked.

        Raises:
            UsageError: a goal of another size than the arena's frames.
        """
        shape = arena.single_observation_space["frame"].shape
        if self.goal is not None and (self.goal.shape != shape or self.goal.dtype != np.uint8):
            raise UsageError(f"goal: got {brief(self.goal)}, expected uint8 {shape}")
        self._arena, self._count = arena, int(arena.single_action_space.n)
        self._odds = np.full((arena.num_envs, self.horizon, self._count), 1 / self._count)
        self._streams = [np.random.default_rng(0) for _ in range(arena.num_envs)]

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Forget the plans of these worlds."""
        for world, seed in zip(worlds, seeds):
            self._odds[world] = 1 / self._count
            self._streams[world] = np.random.default_rng([seed, 0xCE3])

    def act(self, obs: Obs, infos: Infos) -> NDArray[np.int64]:
        """The first actions [N] of the best sequences found; what was thought ahead is the next start."""
        best = np.zeros((len(self._odds), self.horizon), np.int64)
        record = np.full(len(self._odds), -np.inf)
        for _ in range(self.iterations):
            plans = np.stack([self._draw(world) for world in range(len(self._odds))])
            worth = self._try(plans)
            order = np.argsort(-worth, axis=1, kind="stable")
            for world, ranking in enumerate(order):
                if worth[world, ranking[0]] > record[world]:
                    record[world], best[world] = worth[world, ranking[0]], plans[world, ranking[0]]
                self._refit(world, plans[world, ranking[: self._best]])
        self._odds = np.roll(self._odds, -1, axis=1)
        self._odds[:, -1] = 1 / self._count
        self._odds = 0.5 * self._odds + 0.5 / self._count  # plans of a tick ago are advice, not law
        return best[:, 0]

    def _draw(self, world: int) -> NDArray[np.int64]:
        """Sequences [P, H] by the odds; the last one is the likeliest of all."""
        sums = self._odds[world].cumsum(1)
        lots = self._streams[world].random((self.population, self.horizon, 1)) * sums[None, :, -1:]
        plans = (lots >= sums[None]).sum(2)
        plans[-1] = self._odds[world].argmax(1)
        return np.asarray(plans.clip(0, self._count - 1))

    def _try(self, plans: NDArray[np.int64]) -> NDArray[np.float64]:
        """What sequences [N, P, H] are worth [N, P], each in a fork of its own."""
        forks = self._arena.fork(self.population)
        try:
            worth, discount = np.zeros(forks.num_envs), 1.0
            for t in range(self.horizon):
                obs, rewards, *_ = forks.step(plans[:, :, t].reshape(-1))
                worth += discount * rewards
                discount *= self.gamma
            if self.goal is not None:
                off = obs["frame"].astype(np.float64) - self.goal
                worth = -(off**2).mean((1, 2, 3))
        finally:
            forks.close()
        return np.asarray(worth.reshape(plans.shape[:2]))

    def _refit(self, world: int, elites: NDArray[np.int64]) -> None:
        counts = (elites[:, :, None] == np.arange(self._count)).mean(0)
        self._odds[world] = 0.8 * counts + 0.2 / self._count
