"""The rollouts of a plan: made when a metric first asks, let go when none will ask again."""

from __future__ import annotations

from collections.abc import Callable

from worldsim.evaluate.dreamer import Dreamer
from worldsim.evaluate.plan import Plan
from worldsim.evaluate.rollout import Progress, Rollout, roll
from worldsim.evaluate.suite import GEOMETRY
from worldsim.evaluate.twin import Twin, play


class Dreamt:
    """Rollouts by their place in a plan. Metrics ask in the plan's order, each once.

    Args:
        engine: the game that plays the twins, a name of `registry.ENGINES`.
        batch: dreams beside each other.
    """

    def __init__(self, dreamer: Dreamer, plan: Plan, engine: str, batch: int) -> None:
        self.dreamer, self.plan, self.engine, self.batch = dreamer, plan, engine, batch
        self._kept: dict[int, Rollout] = {}
        self._done: list[str] = []

    def rollouts(
        self, metric: str, progress: Progress, playing: Callable[[int, int], None] | None = None
    ) -> list[Rollout]:
        """A rollout for each scenario of the metric, in their order.

        Args:
            progress: told how many frames have been dreamt since it was last told.
            playing: told (which, of how many) before the game plays a twin.
        """
        places = self.plan.places[metric]
        fresh = [p for p in dict.fromkeys(places) if p not in self._kept]
        twins = []
        for i, place in enumerate(fresh, 1):
            if playing:
                playing(i, len(fresh))
            twins.append(self._play(place))
        self._kept |= zip(fresh, roll(self.dreamer, twins, batch=self.batch, progress=progress))
        self._let_go()
        wanted = zip(places, self.plan.wanted[metric])
        cut = [self._kept[p].cut(self._kept[p].twin.cut(scenario)) for p, scenario in wanted]
        self._done.append(metric)
        self._let_go()
        return cut

    def _play(self, place: int) -> Twin:
        height, width = self.dreamer.size
        return play(self.plan.sources[place], engine=self.engine, width=width, height=height)

    def _let_go(self) -> None:
        """Drop what no metric to come asks for, and depth and blocks where those that do read neither."""
        for place in self.plan.spent(self._done) & self._kept.keys():
            del self._kept[place]
        others = [metric for metric in self.plan.wanted if metric not in GEOMETRY]
        for place in self.plan.spent([*self._done, *others]) & self._kept.keys():
            self._kept[place] = self._kept[place].pictures_only()
