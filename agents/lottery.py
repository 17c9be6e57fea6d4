"""The agent that draws its actions evenly: what every other one has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .agent import Chance, Infos, Obs


class Lottery:
    """Each decision evenly from the arena's repertoire, whatever it sees."""

    name = "random"

    def start(self, arena: Any) -> None:
        """Any arena will do."""
        self._chance, self._count = Chance(arena.num_envs), int(arena.single_action_space.n)

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin the random numbers of these worlds."""
        self._chance.renew(worlds, seeds)

    def act(self, obs: Obs, infos: Infos) -> NDArray[np.int64]:
        """Numbers [N]."""
        return self._chance.below(self._count)
