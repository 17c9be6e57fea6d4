"""How much is measured: suites of episodes, and the metrics in the order of a report."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from worldsim.errors import UsageError
from worldsim.evaluate.result import Section
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

METRICS: tuple[str, ...] = (
    "horizon", "following", "counterfactual", "revisit", "edits", "physics", "drift", "realism",
    "uncertainty", "heads", "latency",
)  # fmt: skip
"""Modules of this package, each with `scenarios(suite)` and `measure(rollouts, probes)`."""

PIXELS_ONLY = ("horizon", "counterfactual", "drift", "uncertainty", "heads", "latency", "standard")
"""Metrics that ask no probe."""
GEOMETRY = ("following", "revisit", "edits", "physics")
"""Metrics that read depth, the twin's or the dream's, or the twin's blocks; for others these are not kept."""
STANDARD: tuple[str, ...] = ("standard",)
"""Metrics that are measured only when asked for: they need the extra `metrics`."""
ORDER = (*METRICS, *STANDARD)
"""Every metric, in the order of a report."""


class Metric(Protocol):
    """What a metric's module has."""

    def scenarios(self, suite: Suite) -> list[Scenario]:
        """The episodes it wants; equal ones are dreamt once for all metrics."""

    def measure(self, rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
        """Its findings, from the rollouts of its scenarios in their order."""


@dataclass(frozen=True)
class Count:
    """Episodes (pairs, where a metric pairs them) and frames that are dreamt in each."""

    episodes: int
    frames: int


@dataclass(frozen=True)
class Suite:
    """How many episodes of which length each part of a metric gets."""

    name: str
    counts: dict[str, Count]
    """By part, see `QUICK`; a metric reads those that carry its name and those that it shares."""
    context: int = 8
    """Frames that a dream is given."""
    first_seed: int = 0
    """Game worlds are counted from here; evaluation owns 0 to 999."""

    def count(self, part: str) -> Count:
        """How much of a part is wanted; none if the suite does not name it."""
        return self.counts.get(part, Count(0, 0))


def _counts(**parts: tuple[int, int]) -> dict[str, Count]:
    return {name: Count(*pair) for name, pair in parts.items()}


QUICK = Suite(
    "quick",
    _counts(
        play=(8, 64),  # the explorer's episodes: following, horizon and the walls share them
        starts=(24, 16), shuffled=(8, 16), turn=(6, 48), there_and_back=(6, 48), edits=(6, 40), physics=(6, 32),
        counterfactual=(4, 8), drift_explorer=(2, 256), drift_random=(1, 256), drift_stuck=(3, 256),
        strange=(3, 4), latency=(1, 32),
    ),
)  # fmt: skip
FULL = Suite(
    "full",
    _counts(
        play=(64, 256), starts=(192, 16), shuffled=(64, 16), turn=(64, 96), there_and_back=(64, 128), edits=(64, 96),
        physics=(64, 64), counterfactual=(32, 16), drift_explorer=(16, 1024), drift_random=(8, 1024),
        drift_stuck=(8, 1024), strange=(32, 8), latency=(1, 128),
    ),
)  # fmt: skip
TINY = Suite(
    "tiny",
    _counts(
        play=(2, 20), starts=(2, 4), shuffled=(2, 4), turn=(1, 24), there_and_back=(1, 24), edits=(1, 24),
        physics=(1, 16), counterfactual=(1, 4), drift_explorer=(1, 32), drift_random=(1, 32), drift_stuck=(1, 32),
        strange=(1, 2), latency=(1, 8),
    ),
)  # fmt: skip
SUITES: dict[str, Suite] = {suite.name: suite for suite in (QUICK, FULL, TINY)}


def find_suite(name: str) -> Suite:
    """A suite by name.

    Raises:
        UsageError: no such suite.
    """
    if name not in SUITES:
        raise UsageError(f"suite: got {name!r}, expected {' or '.join(SUITES)}")
    return SUITES[name]


def find_metric(name: str) -> Metric:
    """A metric's module.

    Raises:
        UsageError: no such metric.
    """
    if name not in ORDER:
        raise UsageError(f"metric: got {name!r}, expected one of {', '.join(ORDER)}")
    module: ModuleType = importlib.import_module(f"worldsim.evaluate.{name}")
    return cast(Metric, module)
