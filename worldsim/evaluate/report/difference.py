"""Two reports against each other: a verdict for each figure and for each metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite, nan
from typing import Literal

import numpy as np

from worldsim.evaluate.report.reach import FEWEST
from worldsim.evaluate.result import Figure, Report
from worldsim.evaluate.stats import paired_bootstrap

Verdict = Literal["better", "worse", "changed", "even", "mixed", "unclear"]


@dataclass(frozen=True)
class Difference:
    """One figure in two reports; the verdict is about the second."""

    section: str
    name: str
    first: Figure
    second: Figure
    delta: float
    """second - first: the mean over paired episodes, else that of the two values."""
    low: float
    high: float
    """95 % interval of it; nan if there is none."""
    paired: bool
    """Whether episodes were compared one by one."""
    verdict: Verdict


@dataclass(frozen=True)
class MetricVerdict:
    """What the figures of one metric say together."""

    section: str
    title: str
    verdict: Verdict
    counts: dict[Verdict, int]
    differences: tuple[Difference, ...]


def compare(first: Report, second: Report) -> tuple[MetricVerdict, ...]:
    """Verdicts on `second` against `first`, for every metric that both have measured."""
    same_episodes = first.suite == second.suite
    verdicts = []
    for section in second.sections:
        other = first.section(section.key)
        if other is None:
            continue
        old = {figure.name: figure for figure in other.figures}
        rows = tuple(
            difference(section.key, old[f.name], f, paired=same_episodes)
            for f in section.figures
            if f.name in old and isfinite(f.value) and isfinite(old[f.name].value)
        )
        if rows:
            verdicts.append(_together(section.key, section.title, rows))
    return tuple(verdicts)


def difference(section: str, first: Figure, second: Figure, *, paired: bool) -> Difference:
    """Compare one figure; episode by episode if `paired` and both list as many episodes."""
    pairs = _pairs(first, second) if paired else 0
    if pairs:
        delta, low, high = paired_bootstrap(first.episodes, second.episodes)
    else:
        delta = second.value - first.value
        low, high = _independent(first, second)
    enough = pairs >= FEWEST or (not pairs and min(first.count, second.count) >= FEWEST)
    verdict = _verdict(second, low, high) if enough else "unclear"
    if first.value == second.value and first.episodes == second.episodes and enough:
        verdict = "even"
    return Difference(section, second.name, first, second, delta, low, high, bool(pairs), verdict)


def caveats(first: Report, second: Report) -> list[str]:
    """What a reader of the comparison has to know before believing it."""
    lines = []
    if first.suite != second.suite:
        lines.append(
            f"Suites differ ({first.suite}, {second.suite}): episodes are not the same, intervals are wider."
        )
    if first.probes != second.probes:
        lines.append(
            "Probes differ: figures that rest on them (following, edits, physics, ...) can't be compared."
        )
    if first.version != second.version:
        lines.append(
            f"Measured by different releases ({first.version}, {second.version}): definitions may have changed."
        )
    if first.machine.partition(", load")[0] != second.machine.partition(", load")[0]:
        lines.append("Measured on different machines: speed can't be compared.")
    for name in sorted(first.settings.keys() & second.settings.keys() - {"seconds by metric"}):
        if first.settings[name] != second.settings[name]:
            lines.append(f"Settings differ: {name} {first.settings[name]}, {second.settings[name]}.")
    if first.world_hash == second.world_hash:
        lines.append("Both are the same weights: what differs comes from settings, code or measurement.")
    return lines


def _pairs(first: Figure, second: Figure) -> int:
    if not first.episodes or len(first.episodes) != len(second.episodes):
        return 0
    both = np.isfinite(first.episodes) & np.isfinite(second.episodes)
    return int(both.sum())


def _independent(first: Figure, second: Figure) -> tuple[float, float]:
    """Interval of a difference from two intervals (Newcombe 1998, method 10)."""
    delta = second.value - first.value
    sides = (first.low, first.high, second.low, second.high)
    if not all(isfinite(side) for side in sides):
        return nan, nan
    low = delta - hypot(second.value - second.low, first.high - first.value)
    return low, delta + hypot(second.high - second.value, first.value - first.low)


def _verdict(figure: Figure, low: float, high: float) -> Verdict:
    if not (isfinite(low) and isfinite(high)):
        return "unclear"
    if low <= 0 <= high:
        return "even"
    if figure.better == "neutral":
        return "changed"
    return "better" if (low > 0) == (figure.better == "higher") else "worse"


def _together(key: str, title: str, rows: Sequence[Difference]) -> MetricVerdict:
    counts: dict[Verdict, int] = {}
    for row in rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    better, worse = counts.get("better", 0), counts.get("worse", 0)
    verdict: Verdict = "mixed" if better and worse else "better" if better else "worse" if worse else "even"
    if verdict == "even" and counts.get("unclear", 0) == len(rows):
        verdict = "unclear"
    return MetricVerdict(key, title, verdict, counts, tuple(rows))
