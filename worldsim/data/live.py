"""Clips straight from a game, with no disk: worker processes play, training draws windows.

    with LiveSource("worldsim/Voxel-v0", "explorer", length=12, batch=8, workers=1) as source:
        batch = source.sample()

With `workers=0` the game runs in this process and every batch is a function of the seed and of
how many batches were drawn before, so that a resumed run sees the very same batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim import registry
from worldsim.data.crew import Crew
from worldsim.data.episode import ClipBatch, collate
from worldsim.data.pool import EpisodePool
from worldsim.data.ring import RingLayout, ticks_for
from worldsim.data.worker import load
from worldsim.errors import UsageError

_POOL = 4


class LiveSource:
    """An endless source of training clips from a game and a scripted player.

    Args:
        engine: a name of `registry.ENGINES`.
        policy: a name of `registry.POLICIES`.
        length: frames a clip, T.
        batch: clips a batch, B.
        workers: processes that play; 0 plays in this process, deterministically.
        seed: decides every world and player; worlds have seeds from 1,000,000 on.
        width, height: frame size in pixels.
        depth: whether clips carry depth.
        engines: games a worker plays in turn.
        memory_mb: size of one worker's rings; the oldest ticks are overwritten.
        reuse: how often a frame is drawn before it is overwritten, on average; workers pause so
            that this holds.
        episode_ticks: shortest and longest episode.
        nice: niceness of the workers; at 10 they leave the processor to training where it is scarce.
        timeout: seconds that the first batch may take.
        factories: "module:attribute" of an engine and a player in place of registered names (tests).

    Raises:
        UsageError: an unknown name, or sizes that do not fit each other.
        WorldSimError: from `sample`, if a worker ended or produced nothing in time.
    """

    def __init__(
        self,
        engine: str = "worldsim/Voxel-v0",
        policy: str = "explorer",
        *,
        length: int,
        batch: int,
        workers: int = 1,
        seed: int = 0,
        width: int = 160,
        height: int = 96,
        depth: bool = True,
        engines: int = 8,
        memory_mb: float = 240.0,
        reuse: float = 4.0,
        episode_ticks: tuple[int, int] = (300, 600),
        nice: int = 10,
        timeout: float = 900.0,
        factories: tuple[str, str] | None = None,
    ) -> None:
        _at_least("length", length, 1)
        _at_least("batch", batch, 1)
        _at_least("workers", workers, 0)
        _at_least("engines", engines, 1)
        _at_least("reuse", reuse, 0.1)
        if not 0 <= seed < 2**64:
            raise UsageError(f"seed: got {seed}, expected 0 to 2**64 - 1")
        if not length <= episode_ticks[0] <= episode_ticks[1]:
            raise UsageError(f"episode_ticks: got {episode_ticks}, expected {length} <= shortest <= longest")
        self.length, self.batch, self.workers = length, batch, workers
        self._names = factories or (_entry(registry.ENGINES, engine), _entry(registry.POLICIES, policy))
        self._seed, self._draws = seed, 0
        self._depth, self._reuse, self._episode_ticks = depth, reuse, episode_ticks
        self._nice, self._timeout = nice, timeout
        ticks = ticks_for(memory_mb, engines=engines, width=width, height=height, depth=depth)
        self._layout = RingLayout(max(workers, 1), engines, ticks, width, height, depth)
        if workers and ticks < 2 * length:
            raise UsageError(
                f"memory_mb: {memory_mb:g} MB hold {ticks} ticks for each of {engines} engines, expected "
                f"{2 * length} or more; raise memory_mb or lower engines"
            )
        self._crew: Crew | None = None
        self._pool: EpisodePool | None = None

    def sample(self, batch: int | None = None, *, length: int | None = None) -> ClipBatch:
        """Draw `batch` clips of `length` frames (default: the source's own numbers) as fresh arrays."""
        count, length = batch or self.batch, length or self.length
        self.check_length(length, self._layout.ticks)
        clips = self._sample_workers(count, length) if self.workers else self._sample_here(count, length)
        self._draws += 1
        return clips

    @property
    def played(self) -> int:
        """Ticks that the workers have played so far; 0 without workers."""
        return 0 if self._crew is None else int(self._crew.ring.heads.sum())

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands, as JSON values."""
        return {"seed": self._seed, "draws": self._draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from `state_dict()`: to the bit with `workers=0`; otherwise in new worlds.

        What the workers' rings hold depends on timing and can't be repeated; a resumed source plays
        worlds that the interrupted run has not seen.
        """
        self.close()
        self._seed, self._draws = int(state["seed"]), int(state["draws"])

    def close(self) -> None:
        """Stop the workers and free the memory; a later `sample` starts anew."""
        if self._crew is not None:
            self._crew.close()
        self._crew, self._pool = None, None

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_length(self, length: int, ticks: int) -> None:
        """Raise UsageError unless clips of `length` can be drawn where `ticks` of each game are kept."""
        longest = self._episode_ticks[0]
        if self.workers:
            longest = min(longest, ticks // 2)
        if not 1 <= length <= longest:
            raise UsageError(
                f"length: got {length}, expected 1 to {longest}; raise memory_mb or ask for less"
            )

    def start(self) -> Crew:
        """The running workers, started by the first call; `sample` calls it.

        Raises:
            UsageError: the source has no workers.
        """
        if not self.workers:
            raise UsageError("workers: got 0, expected 1 or more for a source that is read ahead")
        if self._crew is None:
            self._crew = Crew(
                self._layout,
                self._names,
                key=(self._seed, self._draws),
                episode_ticks=self._episode_ticks,
                nice=self._nice,
                timeout=self._timeout,
            )
        return self._crew

    def _sample_workers(self, count: int, length: int) -> ClipBatch:
        crew = self.start()
        clips = crew.sample(count, length)
        crew.allow(count * length / self._reuse)
        return clips

    def _sample_here(self, count: int, length: int) -> ClipBatch:
        """Draw from `_POOL` neighbouring episodes; they move on as fast as `reuse` asks."""
        if self._pool is None:
            engine: Any = load(self._names[0])(width=self._layout.width, height=self._layout.height)
            self._pool = EpisodePool(
                engine,
                load(self._names[1])(0),
                seed=self._seed,
                episode_ticks=self._episode_ticks,
                depth=self._depth,
                size=_POOL,
            )
        mean_ticks = sum(self._episode_ticks) / 2
        oldest = int(self._draws * self.batch * self.length / (self._reuse * mean_ticks))
        rng = np.random.default_rng([self._seed, 1, self._draws])
        episodes = oldest + rng.integers(0, _POOL, count)
        places = rng.random(count)
        clips = [self._pool.clip(int(n), float(p), length) for n, p in zip(episodes, places)]
        return collate(clips)


def _entry(names: dict[str, str], name: str) -> str:
    registry.resolve(names, name, "engine" if names is registry.ENGINES else "policy")
    return names[name]


def _at_least(name: str, value: float, low: float) -> None:
    if not value >= low:
        raise UsageError(f"{name}: got {value}, expected {low} or more")
