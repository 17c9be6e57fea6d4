"""The contest: an agent plays episodes with seeds of their own, and what it earned is one `Score`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.arena.arena import Arena
from worldsim.errors import ConfigError
from worldsim.evaluate.stats import bootstrap_mean
from worldsim.task_vector import scatter


@dataclass(frozen=True)
class Score:
    """What an agent earned; `low` and `high` are the 95 % bootstrap interval of `mean` over episodes."""

    agent: str
    env: str
    task: str
    mean: float
    low: float
    high: float
    returns: tuple[float, ...]
    """One an episode, in the order of the seeds."""
    lengths: tuple[int, ...]
    """Decisions an episode."""
    terminated: float
    """Share of episodes that ended by the task or the player's death, not by time."""
    seconds: float
    ticks_per_s: float
    """Ticks of all worlds a second, the agent's thinking included."""

    def line(self) -> str:
        """One line for people."""
        interval = (
            f"[{self.low:.2f}, {self.high:.2f}]" if np.isfinite(self.low) else "(one episode, no interval)"
        )
        return (
            f"{self.agent}: {self.mean:.2f} {interval} in {self.env}, {self.task}; "
            f"{len(self.returns)} episodes of {np.mean(self.lengths):.0f} decisions, "
            f"{self.terminated:.0%} ended before their time, {self.ticks_per_s:.0f} ticks/s"
        )


def play(
    agent: Any,
    arena: Arena,
    episodes: int,
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    watch: Callable[[], None] | None = None,
) -> Score:
    """Play episodes of seeds seed, seed + 1, ... and say what they were worth.

    An episode does not depend on the number of worlds, as far as the env and the agent keep them apart.

    Args:
        agent: see agents/agent.py.
        arena: with `renews=False`; up to N episodes are played beside each other.
        progress: called with the number of episodes that are over.
        watch: called at the start and after every decision, for videos.

    Raises:
        ConfigError: no episodes, or an arena that renews.
    """
    if episodes < 1 or arena.renews:
        raise ConfigError(f"episodes: got {episodes}, expected 1 or more; the arena needs renews=False")
    began, ticks = time.perf_counter(), arena.ticks_played
    agent.start(arena)
    contest = _Contest(agent, arena, episodes, seed)
    if watch is not None:
        watch()
    while contest.over < episodes:
        finished = contest.step()
        if watch is not None:
            watch()
        if finished and progress is not None:
            progress(contest.over)
    seconds = time.perf_counter() - began
    mean, low, high = bootstrap_mean(contest.returns)
    return Score(
        agent.name, arena.config.env, arena.config.task, mean, low, high, tuple(contest.returns.tolist()),
        tuple(contest.lengths.tolist()), float(contest.ends.mean()), seconds, (arena.ticks_played - ticks) / seconds,
    )  # fmt: skip


class _Contest:
    """Which episode each world plays, and what the episodes have been worth so far."""

    def __init__(self, agent: Any, arena: Arena, episodes: int, seed: int) -> None:
        self._agent, self._arena, self._seed = agent, arena, seed
        count = arena.num_envs
        self.returns, self.lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
        self.ends = np.zeros(episodes, np.bool_)
        self.over, self._next = 0, min(count, episodes)
        # Worlds that are left over repeat the first episodes; nobody counts them.
        self._whose = np.array([i if i < episodes else -1 for i in range(count)])
        seeds = [seed + i % episodes for i in range(count)]
        self._obs, info = arena.reset(seed=seeds)
        self._infos = scatter(info, count)
        agent.renew(range(count), seeds)

    def step(self) -> bool:
        """One decision in every world; whether an episode has ended."""
        self._obs, rewards, terminated, truncated, info = self._arena.step(
            self._agent.act(self._obs, self._infos)
        )
        self._infos = scatter(info, self._arena.num_envs)
        playing = self._whose >= 0
        self.returns[self._whose[playing]] += rewards[playing]
        self.lengths[self._whose[playing]] += 1
        done = np.flatnonzero(playing & (terminated | truncated))
        self.ends[self._whose[done]] = terminated[done]
        self.over += len(done)
        self._whose[done] = -1
        left = len(self.returns) - self._next
        if len(done) and left:
            self._begin(done[:left])
        return len(done) > 0

    def _begin(self, worlds: NDArray[np.int64]) -> None:
        """The next episodes, in these worlds."""
        seeds: list[int | None] = [None] * self._arena.num_envs
        for world in worlds:
            self._whose[world], seeds[world] = self._next, self._seed + self._next
            self._next += 1
        mask = np.array([one is not None for one in seeds])
        self._obs, info = self._arena.reset(seed=seeds, options={"reset_mask": mask})
        begun = scatter(info, len(seeds))
        self._infos = [begun[i] if mask[i] else self._infos[i] for i in range(len(seeds))]
        self._agent.renew(list(worlds), [seeds[world] for world in worlds])
