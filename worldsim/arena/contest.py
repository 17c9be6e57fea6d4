"""The contest: an agent plays episodes with seeds of their own, and what it earned is one `Score`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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
        return (
            f"{self.agent}: {self.mean:.2f} [{self.low:.2f}, {self.high:.2f}] in {self.env}, {self.task}; "
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
    count = arena.num_envs
    agent.start(arena)
    # Worlds that are left over repeat the first episodes; nobody counts them.
    whose = np.array([i if i < episodes else -1 for i in range(count)])
    first = [seed + i % episodes for i in range(count)]
    obs, info = arena.reset(seed=first)
    infos = scatter(info, count)
    agent.renew(range(count), first)
    returns, lengths, ends = np.zeros(episodes), np.zeros(episodes, np.int64), np.zeros(episodes, np.bool_)
    next_one, over = min(count, episodes), 0
    if watch is not None:
        watch()
    while over < episodes:
        obs, rewards, terminated, truncated, info = arena.step(agent.act(obs, infos))
        infos = scatter(info, count)
        if watch is not None:
            watch()
        playing = whose >= 0
        returns[whose[playing]] += rewards[playing]
        lengths[whose[playing]] += 1
        done = np.flatnonzero(playing & (terminated | truncated))
        ends[whose[done]] = terminated[done]
        if not len(done):
            continue
        over += len(done)
        whose[done] = -1
        if progress is not None:
            progress(over)
        seeds: list[int | None] = [None] * count
        for world in done[: episodes - next_one]:
            whose[world], seeds[world] = next_one, seed + next_one
            next_one += 1
        fresh = [i for i in range(count) if seeds[i] is not None]
        if fresh:
            mask = np.array([s is not None for s in seeds])
            obs, info = arena.reset(seed=seeds, options={"reset_mask": mask})
            begun = scatter(info, count)
            infos = [begun[i] if mask[i] else infos[i] for i in range(count)]
            agent.renew(fresh, [seeds[i] for i in fresh])
    seconds = time.perf_counter() - began
    mean, low, high = bootstrap_mean(returns)
    return Score(
        agent.name, arena.config.env, arena.config.task, mean, low, high, tuple(returns.tolist()),
        tuple(lengths.tolist()), float(ends.mean()), seconds, (arena.ticks_played - ticks) / seconds,
    )  # fmt: skip
