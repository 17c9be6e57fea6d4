"""Whether a dream knows when it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.drift import explorer_episodes
from worldsim.evaluate.figure import Values, pooled
from worldsim.evaluate.horizon import honest_episodes
from worldsim.evaluate.pixels import absolute_error
from worldsim.evaluate.ranking import auroc, false_alarms, spearman
from worldsim.evaluate.result import Curve, Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.stats import bootstrap_over
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

STRANGE = ("noise", "black", "inverted")
"""Beginnings that no game shows, see `scenario.SPOILS`."""
FIRST = 4
"""Dreamt frames that judge a beginning."""
BINS = 10
TEXT = (
    "The dream says with each frame how far off it expects to be, in grey levels. That should order frames as "
    "their true error does (Spearman), be right on average (calibration: on the diagonal), and rise where the "
    "dream stands on nothing: its own late frames, and beginnings that no game shows."
)


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, and beginnings from noise, black and inverted pictures."""
    count = suite.count("strange")
    usual = [*honest_episodes(suite), *explorer_episodes(suite)]
    seeds = range(suite.first_seed + 60, suite.first_seed + 60 + count.episodes)
    begun = [explored(seed, "explorer", count.frames, context=suite.context) for seed in seeds]
    return [*usual, *(replace(s, spoil=spoil, group=spoil) for spoil in STRANGE for s in begun)]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Rank correlation, calibration and detection; probes are not needed."""
    told = [r for r in rollouts if r.uncertainty is not None]
    usual = _longest([r for r in told if not r.twin.scenario.spoil])
    title = "Knowing when it does not know"
    if not usual:
        missing = Figure("spearman", nan, note="the dream says nothing of its uncertainty")
        return Section("uncertainty", title, TEXT, (missing,))
    doubts = [_doubt(r) for r in usual]
    errors = [absolute_error(r.frames, r.truth) for r in usual]
    strange = {spoil: [r for r in told if r.twin.scenario.spoil == spoil] for spoil in STRANGE}
    figures = [*_agreement(doubts, errors), *_late(doubts), *_far(usual, strange)]
    return Section(
        "uncertainty", title, TEXT, tuple(figures), (_calibration(doubts, errors),), (_strip(strange, usual),)
    )  # fmt: skip


def _longest(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """One rollout a world: a long episode begins with the short one of the same seed."""
    by_seed: dict[int, Rollout] = {}
    for r in sorted(rollouts, key=lambda r: len(r.frames)):
        by_seed[r.twin.scenario.seed] = r
    return [by_seed[seed] for seed in sorted(by_seed)]


def _agreement(doubts: Sequence[Values], errors: Sequence[Values]) -> list[Figure]:
    """How the doubt goes with the error, over all frames."""

    def rank(picks: NDArray[np.int64]) -> float:
        return spearman(*(np.concatenate([part[i] for i in picks]) for part in (doubts, errors)))

    def gap(picks: NDArray[np.int64]) -> float:
        doubt, error = (np.concatenate([part[i] for i in picks]) for part in (doubts, errors))
        bins = _bins(doubt, error)
        return float(sum(len(d) * abs(d.mean() - e.mean()) for d, e in bins) / len(doubt))

    each = tuple(spearman(d, e) for d, e in zip(doubts, errors))
    n = len(doubts)
    error = [float(e.mean()) for e in errors]
    doubt = [float(d.mean()) for d in doubts]
    return [
        Figure(
            "spearman", *bootstrap_over(rank, n), "", "higher", "at least 0.50", n,
            "doubt against true error, all frames", each,
        ),
        Figure(
            "calibration_gap", *bootstrap_over(gap, n), "grey levels", "lower", "", n,
            f"mean gap between doubt and error in {BINS} equal bins; the error is {np.mean(error):.1f} on average",
        ),
        pooled(
            "error_to_doubt", _quotient, error, doubt, note="true error against what was expected: 1 is right",
        ),
    ]  # fmt: skip


def _late(doubts: Sequence[Values]) -> list[Figure]:
    """The dream's own late frames against its early ones, in the longest episodes."""
    longest = max(len(d) for d in doubts)
    if longest < 2 * FIRST:
        return []
    long = [d for d in doubts if len(d) == longest]
    early = [d[:FIRST] for d in long]
    late = [d[3 * longest // 4 :] for d in long]

    def area(picks: NDArray[np.int64]) -> float:
        return auroc(np.concatenate([late[i] for i in picks]), np.concatenate([early[i] for i in picks]))

    note = f"frames from {3 * longest // 4 + 1} on, told from the first {FIRST}"
    return [
        Figure(
            "auroc_late", *bootstrap_over(area, len(long)), "", "higher", "", len(long), note,
            tuple(auroc(a, b) for a, b in zip(late, early)),
        )
    ]  # fmt: skip


def _far(usual: Sequence[Rollout], strange: dict[str, list[Rollout]]) -> list[Figure]:
    """Beginnings that no game shows, told from usual ones by their first frames' doubt."""
    normal = _openings(usual)
    scores = {spoil: _openings(rollouts) for spoil, rollouts in strange.items() if rollouts}
    if not scores:
        return []
    everything = np.concatenate(list(scores.values()))
    figures = [
        _area("auroc_far", everything, normal, "at least 0.99", "noise, black and inverted beginnings")
    ]
    figures += [_area(f"auroc_{s}", scores[s], normal, "", f"{s} beginnings") for s in scores]
    alarms = false_alarms(everything, normal)
    note = "usual beginnings doubted as much as the threshold that finds 95 % of the strange ones"
    figures.append(Figure("false_alarms", alarms, better="lower", count=len(normal), note=note))
    return figures


def _area(name: str, strange: Values, usual: Values, reach: str, note: str) -> Figure:
    mixed = np.concatenate([strange, usual])
    kind = np.arange(len(mixed)) < len(strange)

    def area(picks: NDArray[np.int64]) -> float:
        return auroc(mixed[picks][kind[picks]], mixed[picks][~kind[picks]])

    return Figure(name, *bootstrap_over(area, len(mixed)), "", "higher", reach, len(mixed), note)


def _doubt(r: Rollout) -> Values:
    assert r.uncertainty is not None
    return np.nan_to_num(r.uncertainty.astype(np.float64), nan=255.0)


def _openings(rollouts: Sequence[Rollout]) -> Values:
    return np.array([_doubt(r)[:FIRST].mean() for r in rollouts])


def _bins(doubt: Values, error: Values) -> list[tuple[Values, Values]]:
    order = np.argsort(doubt, kind="stable")
    return [(doubt[part], error[part]) for part in np.array_split(order, BINS) if len(part)]


def _calibration(doubts: Sequence[Values], errors: Sequence[Values]) -> Curve:
    bins = _bins(np.concatenate(doubts), np.concatenate(errors))
    x = [float(d.mean()) for d, _ in bins]
    series = {"true error": [float(e.mean()) for _, e in bins], "perfect": x}
    return Curve("calibration", x, series, "expected error, grey levels", "true error, grey levels")


def _quotient(above: Values, below: Values) -> Values:
    return np.asarray(above / np.maximum(below, 1e-6))


def _strip(strange: dict[str, list[Rollout]], usual: Sequence[Rollout]) -> Strip:
    """What the dream makes of each kind of beginning."""
    shown = [("usual", usual[0]), *((s, rollouts[0]) for s, rollouts in strange.items() if rollouts)]
    length = min(FIRST, *(len(r.frames) for _, r in shown))
    rows = [
        (f"{name}: doubt {_doubt(r)[:FIRST].mean():.1f}", [r.twin.shown[-1], *r.frames[:length]])
        for name, r in shown
    ]
    heads = ["last given", *(f"frame {t + 1}" for t in range(length))]
    return Strip("beginnings", "dreams from a usual and from strange beginnings", rows, heads)
