"""What the transfer experiment found, from its scores and curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.arena.contest import Score
from worldsim.arena.transfer import BASELINES, PLACES, TransferOptions, checkpoints, key_of, read_score
from worldsim.evaluate.ranking import spearman
from worldsim.evaluate.result import Curve
from worldsim.evaluate.stats import bootstrap_mean, bootstrap_over
from worldsim.tracking import read_metrics

LEARNERS = {"dream": "learnt in the dream", "game": "learnt in the game"}


@dataclass(frozen=True)
class Line:
    """What one kind of player earns: means over all episodes of all seeds, with 95 % intervals."""

    player: str
    game: tuple[float, float, float]
    dream: tuple[float, float, float]
    gap: float
    """Dream return less game return: what the dream promises and the game does not keep."""
    each: tuple[tuple[float, float], ...]
    """Game and dream return of each seed."""
    decisions_per_s: float
    """Of its training, nan for those who do not learn."""
    minutes: float
    """Of the training of one agent, at that speed."""


@dataclass(frozen=True)
class Findings:
    """Of one task."""

    task: str
    lines: tuple[Line, ...]
    transfers: bool
    """Whether the dream's agents beat random play in the game, with intervals that do not overlap."""
    rank: tuple[float, float, float]
    """Spearman correlation of the checkpoints' returns in game and dream, with its interval."""
    points: tuple[tuple[str, float, float], ...]
    """(run, game return, dream return) of each checkpoint."""
    curve: Curve
    """Returns along training, where the agent learns."""


def findings(known: dict[str, Any], options: TransferOptions) -> list[Findings]:
    """What is known of each task; what is not is nan."""
    return [_of_task(known, options, task) for task in options.tasks]


def _of_task(known: dict[str, Any], options: TransferOptions, task: str) -> Findings:
    players = {name: [name] for name in BASELINES}
    players |= {LEARNERS[p]: [str(options.run(task, p, s)) for s in options.seeds] for p in ("dream", "game")}
    lines = tuple(_line(known, options, task, player, names) for player, names in players.items())
    by_name = {line.player: line for line in lines}
    better = by_name[LEARNERS["dream"]].game[1] > by_name["random"].game[2]
    points = []
    for folder in checkpoints(options, task):
        pair = [_score(known, task, place, str(folder), options.rank_episodes) for place in PLACES]
        if pair[0] is not None and pair[1] is not None:
            points.append((folder.parent.parent.name, pair[0].mean, pair[1].mean))
    return Findings(task, lines, bool(better), _rank(points), tuple(points), _curve(options, task))


def _line(known: dict[str, Any], options: TransferOptions, task: str, player: str, names: list[str]) -> Line:
    found = {p: [_score(known, task, p, name, options.episodes) for name in names] for p in PLACES}
    means = {
        p: bootstrap_mean([r for s in scores if s is not None for r in s.returns])
        for p, scores in found.items()
    }
    each = tuple(
        (g.mean if g else math.nan, d.mean if d else math.nan) for g, d in zip(found["game"], found["dream"])
    )
    speeds = [] if player in BASELINES else [_speed(options, task, player, seed) for seed in options.seeds]
    speed = float(np.nanmean(speeds)) if np.isfinite(speeds).any() else math.nan
    return Line(
        player, means["game"], means["dream"], means["dream"][0] - means["game"][0], each, speed,
        options.steps / speed / 60,
    )  # fmt: skip


def _score(known: dict[str, Any], task: str, place: str, name: str, episodes: int) -> Score | None:
    return read_score(known, key_of(task, place, name, episodes))


def _speed(options: TransferOptions, task: str, player: str, seed: int) -> float:
    place = next(p for p, name in LEARNERS.items() if name == player)
    records = read_metrics(options.run(task, place, seed))
    speeds = [r["decisions_per_s"] for r in records if r.get("decisions_per_s")]
    return float(np.median(speeds)) if speeds else math.nan


def _rank(points: list[tuple[str, float, float]]) -> tuple[float, float, float]:
    game, dream = (np.array([p[i] for p in points], np.float64) for i in (1, 2))

    def of(picks: NDArray[np.int64]) -> float:
        return spearman(game[picks], dream[picks])

    return bootstrap_over(of, len(points))


def _curve(options: TransferOptions, task: str) -> Curve:
    """Mean over seeds of the return of the last episodes, on a common axis."""
    axis = np.linspace(0, options.steps, 41)[1:]
    series: dict[str, list[float]] = {}
    for place, name in LEARNERS.items():
        rows = []
        for seed in options.seeds:
            records = [r for r in read_metrics(options.run(task, place, seed)) if r.get("return") is not None]
            if records:
                x, y = np.array([r["step"] for r in records]), np.array([r["return"] for r in records])
                rows.append(np.where(axis < x[0], np.nan, np.interp(axis, x, y)))
        if rows:
            series[name] = np.mean(rows, 0).tolist()
    return Curve(f"{task} along training", axis.tolist(), series, "decisions", "return where it learns")
