"""Whether different actions lead to different futures, and to the right ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.evaluate.figure import mean
from worldsim.evaluate.result import Curve, Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Actions, Scenario
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explore

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

SEQUENCES: dict[str, dict[str, float]] = {
    "stand": {},
    "idle key": {"inventory": 1},  # the game has no screen for it: nothing may change
    "ahead": {"forward": 1, "sprint": 1},
    "back": {"back": 1},
    "turn left": {"camera_yaw": -8},
    "turn right": {"camera_yaw": 8},
    "look down": {"camera_pitch": 6},
    "jump aside": {"right": 1, "jump": 1},
}
"""What is held down, tick after tick; the first two have to come to the same."""
QUICK = 6
HORIZONS = (1, 4, 8, 16)
FLOOR = 4.0
"""Futures of the game that differ by fewer grey levels (root mean square) are not compared."""
TEXT = (
    "From the same moment and the same noise the dream is told different actions. Each future should be "
    "nearest to the game's future under the same actions (share of right ones; 'chance' is what blind guessing "
    "gets), and the futures should differ as much as the game's do (separation 1). A key that does nothing in "
    "the game should change nothing."
)


def scenarios(suite: Suite) -> list[Scenario]:
    """For each start, one scenario a sequence; they share seed and context."""
    count = suite.count("counterfactual")
    names = list(SEQUENCES)[: QUICK if suite.name != "full" else None]
    found = []
    for i in range(count.episodes):
        seed = suite.first_seed + 100 + i
        lead, actions = explore(seed, "explorer", suite.context - 1)
        for name in names:
            told = np.concatenate([actions, np.tile(_vector(SEQUENCES[name]), (count.frames, 1))])
            found.append(Scenario(seed, told, suite.context, group=name, pair=i, lead=lead))
    return found


@dataclass(frozen=True, eq=False)
class _Futures:
    """K dreamt and K true futures of one start."""

    names: list[str]
    own: NDArray[np.float64]
    """`[n, K, K]` distance of dream i to truth j."""
    dream: NDArray[np.float64]
    """`[n, K, K]` distance of dream i to dream j."""
    truth: NDArray[np.float64]
    """`[n, K, K]` distance of truth i to truth j."""


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Shares of right futures and separations; probes are not needed."""
    starts: dict[int, list[Rollout]] = {}
    for r in rollouts:
        starts.setdefault(r.twin.scenario.pair, []).append(r)
    futures = [_compare(group) for group in starts.values()]
    length = min(len(f.own) for f in futures)
    horizons = [h for h in HORIZONS if h <= length]
    figures = [f for h in horizons for f in _figures(futures, h)]
    x = [float(h) for h in range(1, length + 1)]
    series = {
        "right": [float(np.mean([_right(f, h).mean() for f in futures])) for h in range(1, length + 1)],
        "chance": [float(np.mean([_chance(f, h) for f in futures])) for h in range(1, length + 1)],
    }
    curve = Curve("right", x, series, "frames dreamt", "share of right futures")
    group = next(iter(starts.values()))
    return Section(
        "counterfactual", "Different actions, different futures", TEXT, tuple(figures), (curve,),
        (_strip(group, length),),
    )  # fmt: skip


def _figures(futures: Sequence[_Futures], h: int) -> list[Figure]:
    main = h == 8
    return [
        mean(
            f"right_{h}", [float(_right(f, h).mean()) for f in futures], "", "higher",
            "at least 0.90" if main else "", f"chance {np.mean([_chance(f, h) for f in futures]):.2f}",
        ),
        mean(
            f"separation_{h}", [_separation(f, h) for f in futures], "", "neutral", "0.80 to 1.25" if main else "",
            "difference between dreamt futures, against the game's",
        ),
        mean(
            f"null_{h}", [_null(f, h) for f in futures], "grey levels", "lower", "",
            "what a key changes that does nothing in the game",
        ),
    ]  # fmt: skip


def _compare(group: Sequence[Rollout]) -> _Futures:
    dreams = [r.frames.astype(np.float32) for r in group]
    truths = [r.truth.astype(np.float32) for r in group]
    return _Futures(
        [r.twin.scenario.group for r in group],
        _distances(dreams, truths),
        _distances(dreams, dreams),
        _distances(truths, truths),
    )


def _distances(a: Sequence[NDArray[np.float32]], b: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """`[n, K, K]` root mean square of each pair at each time."""
    table = [[np.sqrt(np.square(x - y).mean((1, 2, 3))) for y in b] for x in a]
    return np.moveaxis(np.array(table, np.float64), 2, 0)


def _right(f: _Futures, h: int) -> NDArray[np.bool_]:
    """`[k]` of each future that the game tells apart from "stand" or is it: is the dream nearest to its own?

    Truths that are the same picture count as one choice.
    """
    own, truth = f.own[h - 1], f.truth[h - 1]
    same = truth < FLOOR
    nearest = own.argmin(1)
    asked = [i for i, name in enumerate(f.names) if name != "idle key"]
    return np.array([bool(same[i, nearest[i]]) and bool(_unique(own[i], same[i])) for i in asked])


def _unique(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> bool:
    """Whether the right choice is strictly nearer than every wrong one."""
    return bool(same.all()) or bool(distances[same].min() < distances[~same].min() - 1e-9)


def _chance(f: _Futures, h: int) -> float:
    """The share that blind guessing among the different truths gets."""
    same = f.truth[h - 1] < FLOOR
    asked = [i for i, name in enumerate(f.names) if name != "idle key"]
    kinds = {tuple(np.flatnonzero(same[i])) for i in asked}
    return 1 / max(1, len(kinds))


def _separation(f: _Futures, h: int) -> float:
    """Mean ratio over pairs that differ in the game; nan if none do."""
    dream, truth = f.dream[h - 1], f.truth[h - 1]
    pairs = [(i, j) for i in range(len(f.names)) for j in range(i) if truth[i, j] >= FLOOR]
    return float(np.mean([dream[i, j] / truth[i, j] for i, j in pairs])) if pairs else nan


def _null(f: _Futures, h: int) -> float:
    if not {"stand", "idle key"} <= set(f.names):
        return nan
    return float(f.dream[h - 1, f.names.index("stand"), f.names.index("idle key")])


def _strip(group: Sequence[Rollout], length: int) -> Strip:
    s = group[0].twin.scenario
    last = group[0].twin.frames[s.context - 1]
    rows = [
        ("game", [last, *(r.truth[length - 1] for r in group)]),
        ("dream", [last, *(r.frames[length - 1] for r in group)]),
    ]
    heads = ["last given", *(r.twin.scenario.group for r in group)]
    return Strip("futures", f"futures after {length} frames, game seed {s.seed}", rows, heads)


def _vector(held: dict[str, float]) -> Actions:
    vector = np.zeros(ACTION_SIZE, np.float32)
    for name, value in held.items():
        vector[INDEX[name]] = value
    return vector
