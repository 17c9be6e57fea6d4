"""Do walls stop the player, and does it fall? By the motion probe, where the game touches and falls (M4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.figure import Values, mean, pooled
from worldsim.evaluate.probes.acting import steps_of, turns_of
from worldsim.evaluate.reading import read
from worldsim.evaluate.result import Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.scout import Scout, places, press, sequence
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

Steps = NDArray[np.float32]

TITLE = "Walls and gravity"
TEXT = (
    "A violation is a tick in which the game's player is held by a wall and the dream's goes on all the same; a ghost "
    "wall is the reverse. Where the two have parted ways each has walls of its own, so that both are counted by "
    "themselves (near) while the eyes are together and the probe reads the game right. Falls are steps off ledges: "
    "how far and when the dream comes down. All is read by the motion probe; its false alarms on the game are beside."
)
_APPROACH, _FALL = 45, 60  # ticks that may be walked to a wall or a ledge
_HIGHEST = 6.0  # blocks: deeper falls hurt and last longer than an episode
_HELD, _WALKS = 0.005, 0.12  # blocks ahead in a tick: held by a wall, walking
_SINKS, _HOVERS = -0.2, 0.05  # blocks up in a tick: falling, standing in the air
_HOVER_TICKS = 3
_NEAR = 0.5  # blocks between the eyes
_TOGETHER = f"with both eyes within {_NEAR} blocks of each other, and the game read right"
_NOISE = 0.04  # blocks ahead: the least that counts as going through a wall, whatever the probe's noise


def scenarios(suite: Suite) -> list[Scenario]:
    """Walks into walls and off ledges in turn, and the explorer's episodes for their contacts."""
    count, play = suite.count("physics"), suite.count("play")
    walls = _found("wall", suite, count.frames)
    falls = _found("fall", suite, count.frames)
    own = [*islice(walls, (count.episodes + 1) // 2), *islice(falls, count.episodes // 2)]
    shared = [
        explored(suite.first_seed + i, "explorer", play.frames, context=suite.context)
        for i in range(play.episodes)
    ]
    return [*own, *shared]


def _found(kind: str, suite: Suite, frames: int) -> Iterator[Scenario]:
    for scout in places(suite.first_seed + (300 if kind == "wall" else 400), 6.0 if kind == "wall" else 28.0):
        for heading in range(8):
            start = scout.after(sequence([press(yaw=45.0 * heading + 10.0), press(ticks=4)]))
            made = _walk(start, kind, frames, suite.context) if start.rests else None
            if made is not None:
                yield made
                break


def _walk(scout: Scout, kind: str, frames: int, context: int) -> Scenario | None:
    """Straight ahead until something happens, from a few frames before the dream begins on."""
    ahead = press("forward", ticks=_APPROACH if kind == "wall" else _FALL)
    states = scout.goes(ahead)
    when = _touches(states) if kind == "wall" else _lands(states)
    if when is None:
        return None
    first, last = when
    skipped = max(0, first - 4 - (context - 1))
    after = press("forward", ticks=frames) if kind == "wall" else press(ticks=frames)
    walked = max(0, (last if kind == "fall" else first) + 1 - skipped)
    actions = sequence([press("forward", ticks=walked), after])[: context - 1 + frames]
    lead = np.concatenate([scout.lead, ahead[:skipped]])
    marks = {"first": first + 1 - skipped, "last": last + 1 - skipped}
    return Scenario(scout.seed, actions, context, group=kind, marks=marks, lead=lead)


def _touches(states: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """The first tick that a wall stops a level walk, and the last one looked at."""
    y = [float(s["pose"][1]) for s in states]
    for t, s in enumerate(states):
        if s["in_water"] or abs(y[t] - y[0]) > 0.3:
            return None
        stopped = t > 0 and np.abs(np.subtract(s["pose"][:3], states[t - 1]["pose"][:3])).max() < _HELD
        if s["contact"] and stopped and t > 10:
            return t, t
    return None


def _lands(states: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """When a walk leaves a ledge of two blocks or more, and when it lands; None if it does neither."""
    for t, s in enumerate(states):
        if s["in_water"] or s["contact"]:
            return None
        if s["events"]["fell"] >= 2:
            start = next(u for u in range(t - 1, -1, -1) if states[u]["on_ground"]) + 1
            drop = float(states[start - 1]["pose"][1] - s["pose"][1])
            return (start, t) if start > 10 and drop < _HIGHEST else None
    return None


@dataclass(frozen=True, eq=False)
class Reading:
    """True steps of n ticks, and what the probe saw in the dream and in the game: blocks right, up, ahead."""

    rollout: Rollout
    true: NDArray[np.float32]
    dream: NDArray[np.float32]
    game: NDArray[np.float32]
    contact: NDArray[np.bool_]
    """`[n]` whether a wall was touched."""
    still: NDArray[np.bool_]
    """`[n]` whether the eye neither moved nor turned."""
    calm: NDArray[np.bool_]
    """`[n]` whether it turned little enough for the probe to see a step."""
    together: NDArray[np.bool_]
    """`[n]` whether the dream's eye stood about where the game's did before the tick: else each has its own walls."""

    @classmethod
    def of(cls, r: Rollout, probes: Probes) -> Reading:
        """Let the probe read a rollout."""
        context = r.twin.scenario.context
        dream, game = (moves.step for moves in read(r, probes))
        true, turn = steps_of(r.twin.pose)[context - 1 :], np.abs(turns_of(r.twin.pose)[context - 1 :]).max(1)
        contact = np.asarray(r.twin.columns["contact"][context:], bool)
        still = (np.abs(true).max(1) < _HELD) & (turn == 0)
        return cls(r, true, dream, game, contact, still, turn < 6.0, _together(r))

    @property
    def held(self) -> NDArray[np.bool_]:
        """Ticks in which a wall held the player."""
        return self.contact & (np.abs(self.true[:, 2]) < _HELD) & self.calm

    @property
    def walks(self) -> NDArray[np.bool_]:
        """Ticks in which the player went ahead on level ground."""
        return (self.true[:, 2] > _WALKS) & (np.abs(self.true[:, 1]) < _HELD) & self.calm


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Violations, ghost walls and falls; nothing without probes."""
    if probes is None:
        return Section("physics", TITLE, TEXT, (Figure("violations", nan, note="needs the probes"),))
    seen = [Reading.of(r, probes) for r in rollouts]
    still = np.concatenate([r.game[r.still, 2] for r in seen])
    rest, noise = (float(np.median(still)), float(still.std())) if len(still) else (0.0, 0.0)
    limit = max(3 * noise, _NOISE)
    falls = [r for r in seen if r.rollout.twin.scenario.group == "fall"]
    figures = [*_walls(seen, rest, limit), *_falls(falls)]
    strips = [
        _strip(f"physics_{group}", f"walking {words}, the worst episode", worst)
        for group, words, worst in (
            ("wall", "into a wall", _most(seen, lambda r: float(r.dream[r.held, 2].sum()), "wall")),
            ("fall", "off a ledge", _most(seen, lambda r: abs(_drop(r.dream, r) - _drop(r.game, r)), "fall")),
        )
        if worst is not None
    ]
    return Section("physics", TITLE, TEXT, tuple(figures), strips=tuple(strips))


def _walls(read: Sequence[Reading], rest: float, limit: float) -> list[Figure]:
    held = [float(r.held.sum()) for r in read]
    walks = [float(r.walks.sum()) for r in read]
    passed, alarms = (
        [float((r.held & _passes(x, rest, limit)).sum()) for x, r in _pairs(read, name)] for name in _WHO
    )
    ghosts, false = ([float((r.walks & _stands(x, r)).sum()) for x, r in _pairs(read, name)] for name in _WHO)
    held_near, passed_near, walks_near, ghosts_near = _near(read, rest, limit)
    unit, note = "per 1,000", f"ticks held by a wall: {sum(held):.0f}; above {limit:.2f} blocks ahead"
    return [
        pooled("violations", _rate, passed, held, unit=unit, better="lower", reach="below 30", note=note),
        pooled("violations_game", _rate, alarms, held, unit=unit, note="anchor: false alarms on the game's frames"),
        pooled("ghost_walls", _rate, ghosts, walks, unit=unit, better="lower", reach="below 30",
               note=f"ticks walked: {sum(walks):.0f}; less than 0.3 of the true step"),
        pooled("ghost_walls_game", _rate, false, walks, unit=unit, note="anchor: false alarms on the game's frames"),
        pooled("violations_near", _rate, passed_near, held_near, unit=unit, better="lower",
               note=f"of {sum(held_near):.0f} ticks {_TOGETHER}"),
        pooled("ghost_walls_near", _rate, ghosts_near, walks_near, unit=unit, better="lower",
               note=f"of {sum(walks_near):.0f} ticks {_TOGETHER}"),
    ]  # fmt: skip


def _passes(step: Steps, rest: float, limit: float) -> NDArray[np.bool_]:
    """Ticks in which the probe sees a step ahead."""
    return np.asarray(step[:, 2] - rest > limit)


def _stands(step: Steps, r: Reading) -> NDArray[np.bool_]:
    """Ticks in which the probe sees much less than the true step ahead."""
    return np.asarray(step[:, 2] < 0.3 * r.true[:, 2])


def _near(read: Sequence[Reading], rest: float, limit: float) -> Iterator[list[float]]:
    """Ticks held and passed, walked and stood still, by episode: those together in which the game is read right."""
    held = [r.together & r.held & ~_passes(r.game, rest, limit) for r in read]
    walks = [r.together & r.walks & ~_stands(r.game, r) for r in read]
    yield [float(ticks.sum()) for ticks in held]
    yield [float((ticks & _passes(r.dream, rest, limit)).sum()) for ticks, r in zip(held, read)]
    yield [float(ticks.sum()) for ticks in walks]
    yield [float((ticks & _stands(r.dream, r)).sum()) for ticks, r in zip(walks, read)]


def _together(r: Rollout) -> NDArray[np.bool_]:
    """Bool `[n]`, see `Reading.together`; of dreams that don't tell where they are only the first tick is known."""
    context = r.twin.scenario.context
    n = len(r.frames)
    together = np.arange(n) == 0
    if r.pose is not None:
        off = np.linalg.norm(r.pose[:-1, :3] - r.twin.pose[context : context + n - 1, :3], axis=1)
        together[1:] = off < _NEAR
    return together


_WHO = ("dream", "game")


def _pairs(read: Sequence[Reading], name: str) -> Iterator[tuple[NDArray[np.float32], Reading]]:
    return ((getattr(r, name), r) for r in read)


def _rate(events: Values, ticks: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(ticks > 0, 1000 * events / ticks, nan))


def _falls(read: Sequence[Reading]) -> list[Figure]:
    if not read:
        return [Figure("fall_depth", nan, note="no ledge was found")]
    dream, game = ([_drop(x, r) for x, r in _pairs(read, name)] for name in _WHO)
    late = [_landing(r.dream, r) - _landing(r.game, r) for r in read]
    hover = [float(_hovers(r.dream, r)) for r in read]
    alarms = [float(_hovers(r.game, r)) for r in read]
    return [
        pooled("fall_depth", lambda a, b: a / np.where(np.abs(b) < 1e-9, nan, b), dream, game, better="neutral",
               reach="0.9 to 1.1", note="1 is as deep as in the game"),
        mean("landing_error", [abs(x) for x in late], "frames", "lower", reach="1 or less"),
        mean("hovering", hover, better="lower", note=f"falls with {_HOVER_TICKS} frames or more in mid-air at rest"),
        mean("hovering_game", alarms, note="anchor: false alarms on the game's frames"),
    ]  # fmt: skip


def _span(r: Reading, more: int = 0) -> slice:
    """Ticks of the true fall."""
    marks, context = r.rollout.twin.scenario.marks, r.rollout.twin.scenario.context
    return slice(max(0, marks["first"] - context), min(len(r.true), marks["last"] - context + 1 + more))


def _drop(step: NDArray[np.float32], r: Reading) -> float:
    """Blocks fallen, over the true fall and a few ticks more."""
    return float(-step[_span(r, 4), 1].sum())


def _landing(step: NDArray[np.float32], r: Reading) -> float:
    """Tick after which the eye sinks no more; the start of the fall if it never does."""
    sinks = np.flatnonzero(step[_span(r, 8), 1] < _SINKS)
    return float(sinks[-1] + 1) if len(sinks) else 0.0


def _hovers(step: NDArray[np.float32], r: Reading) -> bool:
    span = _span(r)
    rests = (np.abs(step[span, 1]) < _HOVERS) & (r.true[span, 1] < _SINKS)
    run = np.convolve(rests.astype(int), np.ones(_HOVER_TICKS, int), "valid")
    return bool((run >= _HOVER_TICKS).any())


def _most(read: Sequence[Reading], key: Any, group: str) -> Reading | None:
    return max((r for r in read if r.rollout.twin.scenario.group == group), key=key, default=None)


def _strip(name: str, words: str, r: Reading) -> Strip:
    s, n = r.rollout.twin.scenario, len(r.true)
    first, last = max(0, s.marks["first"] - s.context), s.marks["last"] - s.context
    wanted = (first - 2, first + 2, first + 4, (first + last) // 2, last, last + 2, n - 1)
    times = sorted({min(max(0, t), n - 1) for t in wanted})
    rows = [(label, [frames[t] for t in times]) for label, frames in
            (("game", r.rollout.truth), ("dream", r.rollout.frames))]  # fmt: skip
    return Strip(name, f"{words}, game seed {s.seed}", rows, [f"frame {t + 1}" for t in times])
