"""A few episodes of a game, played in this process: the deterministic half of the live source."""

from __future__ import annotations

import numpy as np

from worldsim.data.episode import Clip
from worldsim.data.stream import Engine, GameStream, Policy, Tick
from worldsim.errors import WorldSimError

_TRIES = 100


class EpisodePool:
    """Episodes by number. Episode `n` is a function of `seed` and `n`, and is played when asked for.

    `size` neighbouring episodes are kept, so that a stream of draws that moves slowly from
    number to number plays each of them once.
    """

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        *,
        seed: int,
        episode_ticks: tuple[int, int],
        depth: bool,
        size: int,
    ) -> None:
        self._game = (engine, policy)
        self._seed, self._episode_ticks, self._depth, self._size = seed, episode_ticks, depth, size
        self._episodes: dict[int, list[Tick]] = {}

    def clip(self, number: int, where: float, length: int) -> Clip:
        """Cut `length` ticks out of episode `number`; `where` in [0, 1) says at which place."""
        if number not in self._episodes:
            for other in [n for n in self._episodes if abs(n - number) >= self._size]:
                del self._episodes[other]
            self._episodes[number] = self._play(number, length)
        ticks = self._episodes[number]
        start = int(where * (len(ticks) - length + 1))
        return self._cut(ticks[start : start + length])

    def _play(self, number: int, length: int) -> list[Tick]:
        for attempt in range(_TRIES):  # a player may die within a few ticks
            key = (self._seed, 0, number, attempt)
            stream = GameStream(*self._game, key=key, episode_ticks=self._episode_ticks, depth=self._depth)
            ticks = [stream.next()]
            while stream.running:
                ticks.append(stream.next())
            if len(ticks) >= length:
                return ticks
        raise WorldSimError(f"live source: {_TRIES} episodes ended within {length} ticks; lower length")

    def _cut(self, ticks: list[Tick]) -> Clip:
        depths = [tick.depth for tick in ticks if tick.depth is not None]
        return Clip(
            frames=np.stack([tick.frame for tick in ticks]),
            actions=np.stack([tick.action for tick in ticks]),
            depth=np.stack(depths) if self._depth else None,
            pose=np.stack([tick.pose for tick in ticks]),
            signals=np.stack([tick.signals for tick in ticks]),
            caption=ticks[-1].caption,
        )
