"""Which dreams have to be rolled for the metrics that are asked for: each only once, the longest of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from worldsim.evaluate.rollout import ALONE
from worldsim.evaluate.scenario import Scenario


@dataclass
class Plan:
    """Scenarios by metric, and the few that contain them all."""

    wanted: dict[str, list[Scenario]]
    """By metric, in the order of measuring."""
    sources: list[Scenario] = field(default_factory=list)
    """What is rolled: every wanted scenario is one of these or the beginning of one."""
    places: dict[str, list[int]] = field(default_factory=dict)
    """By metric, the source of each of its scenarios."""

    def __post_init__(self) -> None:
        everything = [s for scenarios in self.wanted.values() for s in scenarios]
        found: dict[int, int] = {}
        by_start: dict[tuple[object, ...], list[int]] = {}
        for s in sorted(everything, key=lambda s: -len(s.actions)):
            if id(s) in found:
                continue
            alike = by_start.setdefault(_start(s), [])
            place = next((i for i in alike if _begins(self.sources[i], s)), None)
            if place is None:
                place = len(self.sources)
                self.sources.append(s)
                alike.append(place)
            found[id(s)] = place
        self.places = {name: [found[id(s)] for s in wanted] for name, wanted in self.wanted.items()}

    @property
    def frames(self) -> int:
        """How many frames are dreamt in all."""
        return sum(s.dreamt for s in self.sources)

    def spent(self, done: Sequence[str]) -> set[int]:
        """Sources that no metric beyond those `done` asks for."""
        ahead = {place for name, places in self.places.items() if name not in done for place in places}
        return set(range(len(self.sources))) - ahead


def _start(s: Scenario) -> tuple[object, ...]:
    """What scenarios have to share for one to be the beginning of another."""
    alone = len(s.actions) if s.group == ALONE else 0
    return s.seed, s.context, s.spoil, s.lead.tobytes(), s.pressed is None, alone


def _begins(long: Scenario, short: Scenario) -> bool:
    n = len(short.actions)
    same = np.array_equal(long.actions[:n], short.actions)
    if short.pressed is None or long.pressed is None:
        return same
    return same and np.array_equal(long.pressed[:n], short.pressed)
