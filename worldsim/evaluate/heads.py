"""Whether a dream knows what happens in it: state, events, and what tasks would pay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate import edits
from worldsim.evaluate.figure import Values, mean
from worldsim.evaluate.horizon import honest_episodes
from worldsim.evaluate.ranking import auroc
from worldsim.evaluate.result import Curve, Figure, Section
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.stats import bootstrap_over
from worldsim.evaluate.suite import Suite
from worldsim.signals import PLACE, TABLE, Row, Signal
from worldsim.tasks import TASKS, Task

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

WINDOW = 8
"""Ticks within which an event counts as told: a dream may be a little early or late."""
SURE = 0.5
TITLE = "Knowing what happens"
TEXT = (
    "With each frame the dream says what it believes of its player and of what has just happened. Its state is held "
    "against the game's at the same moment, beside the last value that it was shown. Events are asked for in windows "
    f"of {WINDOW} ticks. Rewards are what tasks pay for an episode, by the dream's beliefs and by the game's truth."
)
_UNITS = {
    "health": "points of 20", "damage": "points", "target_distance": "blocks", "held": "items",
    "time_of_day": "days", "break_progress": "of 1",
}  # fmt: skip


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, and those in which a block is broken or placed."""
    return [*honest_episodes(suite), *edits.scenarios(suite)]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Errors of state, detection of events and errors of reward; probes are not needed."""
    told = [r for r in rollouts if r.signals is not None]
    if not told:
        missing = Figure("error_health", nan, note="the dream tells nothing of its player")
        return Section("heads", TITLE, TEXT, (missing,))
    truth = [r.twin.signals for r in told]
    figures: list[Figure] = []
    for i, signal in enumerate(TABLE):
        if signal.kind in ("event", "joint"):
            figures += _event(signal, i, told, truth)
        elif signal.name != "damage":  # of which there is next to none in any tick
            figures += _state(signal, i, told, truth)
    figures += [f for name in TASKS for f in _reward(TASKS[name](), told, truth)]
    return Section("heads", TITLE, TEXT, tuple(figures), (_curve(told, truth),))


def off(signal: Signal, believed: Row, true: Row) -> Values:
    """How far beliefs `[n]` are from the truth: in the game's units, or 1 where a flag or choice is wrong."""
    gap = np.abs(believed.astype(np.float64) - true)
    if signal.kind == "flag":
        return np.where(np.isfinite(gap), (believed > SURE) != (true > SURE), nan).astype(np.float64)
    if signal.kind == "choice":
        return np.where(np.isfinite(gap), gap >= 0.5, nan).astype(np.float64)
    return np.minimum(gap, 1 - gap) if signal.kind == "circle" else gap


def _state(signal: Signal, i: int, told: Sequence[Rollout], truth: Sequence[Row]) -> list[Figure]:
    errors, copied = [], []
    for r, true in zip(told, truth):
        assert r.signals is not None
        context = r.twin.scenario.context
        errors.append(_mean(off(signal, r.signals[:, i], true[context:, i])))
        copied.append(
            _mean(off(signal, np.full_like(true[context:, i], true[context - 1, i]), true[context:, i]))
        )
    unit = _UNITS.get(signal.name, "of ticks")
    return [
        mean(
            f"error_{signal.name}",
            errors,
            unit,
            "lower",
            note="" if np.isfinite(errors).any() else "not told",
        ),
        mean(f"copied_{signal.name}", copied, unit, "lower", note="anchor: the last given value"),
    ]


def _event(signal: Signal, i: int, told: Sequence[Rollout], truth: Sequence[Row]) -> list[Figure]:
    found = [
        (_windows(r.signals[:, i]), _windows(true[r.twin.scenario.context :, i]) > SURE)
        for r, true in zip(told, truth) if r.signals is not None and len(r.signals) >= WINDOW
    ]  # fmt: skip
    found = [(chance, true) for chance, true in found if np.isfinite(chance).all()]
    happened = int(sum(true.sum() for _, true in found))
    windows = sum(len(true) for _, true in found)
    if not happened:
        why = "no episode shows one" if found else "not told"
        return [Figure(f"f1_{signal.name}", nan, better="higher", note=why)]
    chance, true = (np.concatenate(column) for column in zip(*found))
    precision, recall = _rates(chance, true)
    note = (
        f"{happened} of {windows} windows have one: precision {precision:.2f}, recall {recall:.2f}; "
        f"{chance.sum():.1f} were expected"
    )
    n = len(found)
    return [
        Figure(
            f"{name}_{signal.name}", *bootstrap_over(partial(_over, score, found), n), "", "higher", "", happened, note
        )
        for name, score in (("f1", _f1), ("auroc", _area))
    ]  # fmt: skip


def _windows(chance: Row) -> Values:
    """`[n // WINDOW]` the chance that an event happened in each window."""
    n = len(chance) // WINDOW * WINDOW
    parts = np.clip(chance[:n].astype(np.float64), 0, 1).reshape(-1, WINDOW)
    return np.asarray(1 - (1 - parts).prod(1))


def _over(score: object, found: list[tuple[Values, NDArray[np.bool_]]], picks: NDArray[np.int64]) -> float:
    chance, true = (np.concatenate([found[k][part] for k in picks]) for part in (0, 1))
    assert callable(score)
    return float(score(chance, true))


def _rates(chance: Values, true: NDArray[np.bool_]) -> tuple[float, float]:
    """Precision (nan if nothing was told) and recall."""
    said = chance > SURE
    right = float((said & true).sum())
    return (right / said.sum() if said.any() else nan), (right / true.sum() if true.any() else nan)


def _f1(chance: Values, true: NDArray[np.bool_]) -> float:
    said = chance > SURE
    both = said.sum() + true.sum()
    return 2 * float((said & true).sum()) / both if both else nan


def _area(chance: Values, true: NDArray[np.bool_]) -> float:
    return auroc(chance[true], chance[~true])


def _reward(task: Task, told: Sequence[Rollout], truth: Sequence[Row]) -> list[Figure]:
    errors, paid = [], []
    for r, true in zip(told, truth):
        if r.pose is None or r.signals is None:
            continue
        context = r.twin.scenario.context
        begin = r.twin.pose[context - 1]
        right = total(task, begin, true[context:], r.twin.pose[context:])
        needed = [r.signals[:, PLACE[name]] for name in task.needs if name != "dead"]
        known = all(np.isfinite(column).all() for column in needed)
        errors.append(abs(total(task, begin, r.signals, r.pose) - right) if known else nan)
        paid.append(abs(right))
    if not paid:
        return []
    note = f"the game pays {np.mean(paid):.2f} an episode" if np.isfinite(errors).any() else "not told"
    return [
        mean(f"error_{task.name}", errors, "points", "lower", note=note),
        mean(f"copied_{task.name}", paid, "points", "lower", note="anchor: nothing is paid"),
    ]


def total(task: Task, begin: Row, signals: Row, pose: Row) -> float:
    """What a task pays over n ticks, until it is done."""
    memory = task.begin(begin[None].astype(np.float64), np.random.default_rng(0))
    result = 0.0
    for row, place in zip(signals.astype(np.float64), pose.astype(np.float64)):
        memory, reward, done = task.judge(memory, row[None], place[None])
        result += float(reward[0])
        if done[0]:
            break
    return result


def _curve(told: Sequence[Rollout], truth: Sequence[Row]) -> Curve:
    """Share of episodes that are wrong about a flag, over the horizon, smoothed over `WINDOW` ticks."""
    length = max(len(r.frames) for r in told)
    series: dict[str, list[float]] = {}
    for i, signal in enumerate(TABLE):
        if signal.kind not in ("flag", "choice"):
            continue
        rows = np.full((len(told), length), nan)
        for k, (r, true) in enumerate(zip(told, truth)):
            assert r.signals is not None
            rows[k, : len(r.frames)] = off(signal, r.signals[:, i], true[r.twin.scenario.context :, i])
        series[signal.name] = [_mean(rows[:, t : t + WINDOW]) for t in range(0, length, WINDOW)]
    x = [float(t + 1) for t in range(0, length, WINDOW)]
    return Curve("wrong", x, series, "frames dreamt", "share of ticks that are wrong")


def _mean(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else nan
