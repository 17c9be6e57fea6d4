"""What an agent is that plays in an arena: many worlds at once, by what it sees of each.

agent.start(arena); agent.renew([0, 1], [7, 8]); actions = agent.act(obs, infos)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Obs = Mapping[str, NDArray[Any]]
"""{"frame": uint8 [N, H, W, 3], "told": float32 [N, 5]}, see `worldsim.arena`."""
Infos = Sequence[Mapping[str, Any]]
"""What the worlds say beside, one a world: scripted players read "state", a learnt one should not."""


class Agent(Protocol):
    """Plays N worlds. What it does in one must not depend on the others."""

    name: str

    def start(self, arena: Any) -> None:
        """Get ready to play in an arena.

        Raises:
            UsageError: it can't play there.
        """

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Episodes begin in some worlds; a seed decides all chance in its episode."""

    def act(self, obs: Obs, infos: Infos) -> NDArray[np.int64]:
        """The numbers of the actions [N]."""


class Chance:
    """One stream of random numbers a world, begun anew with every episode."""

    def __init__(self, count: int) -> None:
        self._streams = [np.random.default_rng(0) for _ in range(count)]

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin the streams of some worlds."""
        for world, seed in zip(worlds, seeds):
            self._streams[world] = np.random.default_rng([seed, 0xA6E27])

    def below(self, limit: int) -> NDArray[np.int64]:
        """A number from 0 to limit - 1 a world."""
        return np.array([stream.integers(limit) for stream in self._streams])

    def gumbel(self, count: int) -> NDArray[np.float64]:
        """[N, count] numbers: added to logits, the place of the largest is a draw from their softmax."""
        return np.stack([stream.gumbel(size=count) for stream in self._streams])
