"""Does the dream do what is pressed? Keys and camera as the motion probe sees them (M1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import INDEX
from worldsim.evaluate.figure import Values, pooled
from worldsim.evaluate.probes.acting import KEYS, acting, steps_of, turns_of
from worldsim.evaluate.reading import cut, read
from worldsim.evaluate.result import Curve, Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import Twin, explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Moves, Probes

TURNS = ("turn right", "turn left", "look down", "look up")
NAMES = (*KEYS, *TURNS, "hotbar")
WINDOWS = ((0, 64), (64, 256), (448, 512), (960, 1024))
"""Dreamt frames, first and one past the last."""
LEAST = 8
"""Ticks that a key has to be seen in the game before it counts in a mean."""
TITLE = "Action following"
TEXT = (
    "A probe aligns each dreamt frame with the next one and says how the eye turned and moved, and by the game's "
    "arithmetic which keys that takes. Following is its F1, mean over keys, divided by what it reaches on the game's "
    "own frames; a gain of 1 turns or walks as far as the game. Keys whose effect can't be seen (into a wall, in the "
    "air, in water) are left out."
)
_SMALL, _CLEAR, _LARGE = 0.3, 1.0, 30.0  # degrees: no turn, a turn, a turn that leaves too little in view
_LAGS = range(-3, 4)


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, short and long."""
    found = []
    for part in ("play", "drift_explorer"):
        count = suite.count(part)
        found += [
            explored(suite.first_seed + i, "explorer", count.frames, context=suite.context)
            for i in range(count.episodes)
        ]
    return found


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Keys and turns in windows of dreamt frames; nothing without probes."""
    if probes is None:
        return Section("following", TITLE, TEXT, (Figure("following", nan, note="needs the probes"),))
    seen = [Reading.of(r, probes) for r in _once(rollouts)]
    figures = [f for first, stop in WINDOWS for f in _keys(seen, first, stop)]
    first, stop = WINDOWS[0]
    start = [r.cut(first, stop) for r in seen]
    for axis, name in ((0, "yaw"), (1, "pitch")):
        figures += _turning(start, axis, name)
    figures += [_gain(start, "walk_gain", lambda r: (r.ahead(r.dream), r.ahead(r.game), r.step[:, 2]))]
    figures += _per_key(start)
    return Section("following", TITLE, TEXT, tuple(figures), (_curve(seen),), _strips(seen))


@dataclass(frozen=True, eq=False)
class Reading:
    """What the probe saw in n ticks of one dream and of its twin, and what is true."""

    rollout: Rollout
    dream: Moves
    game: Moves
    pressed: NDArray[np.bool_]
    """`[n, len(NAMES)]` what acts in the game."""
    known: NDArray[np.bool_]
    """`[n, len(NAMES)]` where that can be seen."""
    turn: NDArray[np.float32]
    """`[n, 2]`."""
    step: NDArray[np.float32]
    """`[n, 3]`."""
    slot: NDArray[np.int64]
    """`[n]` hotbar slot after each tick."""

    @classmethod
    def of(cls, r: Rollout, probes: Probes) -> Reading:
        """Let the probes read a rollout."""
        context = r.twin.scenario.context
        dream, game = read(r, probes)
        pressed, known = truth(r.twin)
        ticks = slice(context - 1, None)
        turn, step = turns_of(r.twin.pose)[ticks], steps_of(r.twin.pose)[ticks]
        slot = np.asarray(r.twin.columns["slot"][context:], np.int64)
        return cls(r, dream, game, pressed[ticks], known[ticks], turn, step, slot)

    def __len__(self) -> int:
        return len(self.turn)

    def cut(self, first: int, stop: int) -> Reading:
        """Some of the ticks."""
        t = slice(first, stop)
        arrays = (self.pressed[t], self.known[t], self.turn[t], self.step[t], self.slot[t])
        return Reading(self.rollout, cut(self.dream, first, stop), cut(self.game, first, stop), *arrays)

    def said(self, moves: Moves) -> NDArray[np.bool_]:
        """`[n, len(NAMES)]` what the probe says acts."""
        changed = (np.diff(moves.slot) != 0) & (moves.slot[1:] == self.slot)
        return np.concatenate([moves.keys, _turned(moves.turn), changed[:, None]], 1)

    def ahead(self, moves: Moves) -> NDArray[np.float32]:
        """`[n]` blocks ahead."""
        return moves.step[:, 2]


def truth(twin: Twin) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What acts in the game and where it can be seen, `[N, len(NAMES)]` each, in the order of `NAMES`."""
    actions, turn = twin.scenario.actions, turns_of(twin.pose)
    pressed, known = acting(actions, twin.pose, twin.columns)
    size = np.abs(turn)
    seen = ((size < _SMALL) | (size > _CLEAR)) & (size.max(1, keepdims=True) < _LARGE)
    changed = np.diff(np.asarray(twin.columns["slot"], np.int64)) != 0
    in_vain = (actions[:, INDEX["hotbar.1"] : INDEX["hotbar.9"] + 1] > 0.5).any(1) & ~changed
    fine = size.max(1) < _LARGE  # after too large a turn nothing can be matched
    return (
        np.concatenate([pressed, _turned(turn), changed[:, None]], 1),
        np.concatenate([known & fine[:, None], seen[:, [0, 0, 1, 1]], ~in_vain[:, None]], 1),
    )


def _turned(turn: NDArray[np.float32]) -> NDArray[np.bool_]:
    """`[n, 4]` in the order of `TURNS`."""
    yaw, pitch = turn[:, 0], turn[:, 1]
    middle = (_SMALL + _CLEAR) / 2
    return np.stack([yaw > middle, yaw < -middle, pitch > middle, pitch < -middle], 1)


def _once(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The longest dream of each game world."""
    best: dict[int, Rollout] = {}
    for r in rollouts:
        kept = best.get(r.twin.scenario.seed)
        if kept is None or len(r.frames) > len(kept.frames):
            best[r.twin.scenario.seed] = r
    return list(best.values())


def _counts(r: Reading, moves: Moves) -> NDArray[np.float64]:
    """`[len(NAMES), 2]`: hits, and what F1 divides twice the hits by."""
    true, said = r.pressed & r.known, r.said(moves) & r.known
    return np.stack([(true & said).sum(0), true.sum(0) + said.sum(0)], 1).astype(np.float64)


def _keys(read: Sequence[Reading], first: int, stop: int) -> list[Figure]:
    """F1 in one window, of the dream and of the game."""
    reached = [r.cut(first, stop) for r in read if len(r) > first]
    if not reached:
        return []
    seen = np.sum([(r.pressed & r.known).sum(0) for r in reached], 0) >= LEAST
    seen = seen if seen.any() else np.ones_like(seen)
    dream, game = (
        np.stack([_counts(r, m)[seen] for r, m in zip(reached, moves)]) for moves in _both(reached)
    )
    columns = [*dream.reshape(len(reached), -1).T, *game.reshape(len(reached), -1).T]
    half = len(columns) // 2
    note = f"{int(seen.sum())} of {len(NAMES)} keys were pressed often enough"
    return [
        pooled(
            f"following_{stop}", lambda *x: _macro(*x[:half]) / np.maximum(_macro(*x[half:]), 1e-9), *columns,
            better="higher", reach="at least 0.90" if first == 0 else "at least 0.80" if stop == 1024 else "",
            note=f"F1 against the probe's on the game, frames {first + 1} to {stop}; {note}",
        ),
        pooled(f"f1_{stop}", _macro, *columns[:half], better="higher"),
        pooled(f"f1_game_{stop}", _macro, *columns[half:], note="anchor: the same probe on the game's frames"),
    ]  # fmt: skip


def _both(read: Sequence[Reading]) -> tuple[list[Moves], list[Moves]]:
    return [r.dream for r in read], [r.game for r in read]


def _macro(*columns: Values) -> Values:
    """Mean F1 over keys from (hits, divisor) columns; a key that is neither pressed nor said has no say."""
    hits, divisors = np.stack(columns[::2]), np.stack(columns[1::2])
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(divisors > 0, 2 * hits / divisors, nan)
    counted = np.isfinite(scores)
    return np.asarray(np.where(counted, scores, 0).sum(0) / np.maximum(counted.sum(0), 1))


def _per_key(read: Sequence[Reading]) -> list[Figure]:
    found = []
    for i, name in enumerate(NAMES):
        count = int(sum((r.pressed & r.known)[:, i].sum() for r in read))
        if count < LEAST:
            continue
        dream, game = (np.stack([_counts(r, m)[i] for r, m in zip(read, moves)]).T for moves in _both(read))
        on_game = float(_macro(*(column.mean(keepdims=True) for column in game))[0])
        note = f"{count} ticks; the probe reaches {on_game:.2f} on the game"
        found.append(pooled(f"f1_{name.replace(' ', '_')}", _macro, *dream, better="higher", note=note))
    return found


def _gain(read: Sequence[Reading], name: str, pick: object) -> Figure:
    """Slope of what the probe sees in the dream on what is true, against the same slope on the game."""
    rows = [pick(r) for r in read]  # type: ignore[operator]
    columns = [[float((x * true).sum()) for x in (dream, game)] for dream, game, true in rows]
    dream, game = np.array(columns, np.float64).T
    return pooled(
        name, lambda a, b: a / np.where(np.abs(b) < 1e-9, nan, b), dream, game,
        reach="0.95 to 1.05" if name == "yaw_gain" else "", note="1 is as far as in the game",
    )  # fmt: skip


def _turning(read: Sequence[Reading], axis: int, name: str) -> list[Figure]:
    """Gain, share of wrong signs and lag of turns."""

    def pick(r: Reading) -> tuple[Values, Values, Values]:
        fair = np.abs(r.turn).max(1) < _LARGE
        return tuple(np.where(fair, x[:, axis], 0.0) for x in (r.dream.turn, r.game.turn, r.turn))  # type: ignore[return-value]

    wrong, count = [], []
    for r in read:
        dream, _, true = pick(r)
        clear = np.abs(true) > _CLEAR
        wrong.append(float((clear & (dream * true < 0)).sum()))
        count.append(float(clear.sum()))
    signs = pooled(
        f"{name}_sign_errors", lambda a, b: a / np.where(b > 0, b, nan), wrong, count, better="lower",
        reach="below 0.02" if name == "yaw" else "", note=f"of {sum(count):.0f} turns above {_CLEAR:g} degree",
    )  # fmt: skip
    best = _lag([pick(r) for r in read])
    lag = Figure(f"{name}_lag", best, unit="frames", reach="0", count=len(read), note="at best correlation")
    return [_gain(read, f"{name}_gain", pick), signs, lag]


def _lag(rows: Sequence[tuple[Values, Values, Values]]) -> float:
    """By how many frames the dream's turns follow the true ones, where they correlate best."""
    scores = []
    for lag in _LAGS:
        pairs = [(dream[max(0, lag) : len(dream) + min(0, lag)], true[max(0, -lag) : len(true) - max(0, lag)])
                 for dream, _, true in rows]  # fmt: skip
        scores.append(float(sum((a * b).sum() for a, b in pairs)))
    return float(_LAGS[int(np.argmax(scores))]) if max(scores) > 0 else nan


def _curve(read: Sequence[Reading], width: int = 16) -> Curve:
    """F1 over all keys together, in bins of frames."""
    starts = range(0, max(len(r) for r in read), width)
    series: dict[str, list[float]] = {"dream": [], "the game": []}
    for first in starts:
        parts = [r.cut(first, first + width) for r in read if len(r) > first]
        for name, moves in zip(series, _both(parts)):
            hits, divisor = np.sum([_counts(r, m).sum(0) for r, m in zip(parts, moves)], 0)
            series[name].append(float(2 * hits / divisor) if divisor else nan)
    x = [float(first + width) for first in starts]
    return Curve("following", x, series, "frames dreamt", "F1 over all keys")


def _strips(read: Sequence[Reading]) -> tuple[Strip, ...]:
    """The episode that follows worst in its first frames, and the median one."""

    def score(r: Reading) -> float:
        hits, divisor = _counts(r.cut(*WINDOWS[0]), r.cut(*WINDOWS[0]).dream).sum(0)
        return float(2 * hits / divisor) if divisor else 1.0

    order = sorted(read, key=score)
    strips = []
    for name, r in (("worst", order[0]), ("median", order[len(order) // 2])):
        shown = [h for h in (1, 2, 4, 8, 16, 32, 64) if h <= len(r)]
        rows = [(label, [frames[h - 1] for h in shown]) for label, frames in
                (("game", r.rollout.truth), ("dream", r.rollout.frames))]  # fmt: skip
        seed = r.rollout.twin.scenario.seed
        caption = f"the {name} episode by F1 over its first frames ({score(r):.2f}), game seed {seed}"
        strips.append(Strip(f"following_{name}", caption, rows, [f"frame {h}" for h in shown]))
    return tuple(strips)
