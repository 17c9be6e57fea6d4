"""Whether a long dream keeps its looks and stays whole, whoever plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.evaluate.figure import Values, mean, pooled
from worldsim.evaluate.result import Curve, Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Actions, Scenario
from worldsim.evaluate.stats import wilson
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.survival import Course
from worldsim.evaluate.traits import COLOUR, TRAITS
from worldsim.evaluate.twin import explore, explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

PLAYERS = ("explorer", "random", "stuck")
REACH = {"explorer": "at least 0.95 at 1,000 frames", "stuck": "at least 0.90 at 1,000 frames", "random": ""}
NOTICED = 0.5
"""Sigmas of drift that are too much."""
WINDOW = 32
SHOWN = (1, 16, 64, 128, 256, 512, 1024)
TEXT = (
    "Long dreams under three players: the explorer, one who presses at random, and one who is stuck (stands, "
    "stares at the ground, pushes ahead). Colours are compared with the game's at the same moment, in sigmas of the "
    "game's variety; a dream survives until its numbers break, its colours leave the game's range, it turns to mush, "
    "freezes while the game moves, flickers or cuts to another scene."
)


def scenarios(suite: Suite) -> list[Scenario]:
    """Long episodes of each player."""
    return [*explorer_episodes(suite), *_random(suite), *_stuck(suite)]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Survival, drift of colours and detail by player; probes are not needed."""
    courses: dict[str, list[Course]] = {}
    for r in rollouts:
        courses.setdefault(_player(r.twin.scenario), []).append(Course.of(r))
    courses = {player: courses[player] for player in PLAYERS if player in courses}
    figures = [f for player, some in courses.items() for f in _figures(player, some)]
    strips = [_strip(player, min(some, key=_quality)) for player, some in courses.items()]
    return Section("drift", "Drift and survival", TEXT, tuple(figures), _curves(courses), tuple(strips))


def _figures(player: str, courses: Sequence[Course]) -> list[Figure]:
    length = min(len(c.dream) for c in courses)
    alive = [float(c.end >= len(c.dream)) for c in courses]
    causes = ", ".join(f"{c.cause} at {c.end + 1}" for c in courses if c.cause)
    changes = np.array([_change(c.away) for c in courses])
    slopes = np.array([_slope(c.away) for c in courses])
    colours = range(len(COLOUR))
    sharp = TRAITS.index("detail")
    detail = [np.exp(_late(c.dream[:, sharp]) - _late(c.game[:, sharp])) for c in courses]
    return [
        Figure(
            f"survival_{player}", *wilson(sum(alive), len(alive)), "", "higher", REACH[player], len(alive),
            f"of {length} frames" + (f": {causes}" if causes else ""), tuple(alive),
        ),
        pooled(
            f"colour_{player}", _largest, *(changes[:, k] for k in colours), unit="sigma", better="lower",
            reach="below 0.5", note="largest change of a colour statistic, last 15 % against first 15 %",
        ),
        pooled(
            f"slope_{player}", _largest, *(slopes[:, k] for k in colours), unit="sigma per 1,000 frames",
            better="lower", note="steepest trend of a colour statistic",
        ),
        mean(f"detail_{player}", detail, "", "higher", note="late detail against the game's: 1 is as sharp"),
        Figure(
            f"holds_{player}", float(_holds(courses)), unit="frames", better="higher", count=len(courses),
            note=f"until colours are off by {NOTICED} sigma on average, at most {length}",
        ),
    ]  # fmt: skip


def _change(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Last 15 % against first 15 %, for each trait."""
    n = max(1, round(0.15 * len(away)))
    return np.asarray(away[-n:].mean(0) - away[:n].mean(0))


def _slope(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares trend per 1,000 frames, for each trait."""
    t = np.arange(len(away)) - (len(away) - 1) / 2
    return np.asarray(1000 * (t @ away) / max(1.0, float(t @ t)))


def _late(values: NDArray[np.float64]) -> float:
    return float(np.median(values[-max(1, round(0.15 * len(values))) :]))


def _largest(*means: Values) -> Values:
    return np.asarray(np.max(np.abs(np.stack(means)), 0))


def _holds(courses: Sequence[Course]) -> int:
    """Frames until some colour is off by `NOTICED` over a window, in the mean over episodes."""
    length = min(len(c.dream) for c in courses)
    off = np.mean([c.away[:length, : len(COLOUR)] for c in courses], 0)
    width = min(WINDOW, length)
    total = np.concatenate([np.zeros((1, off.shape[1])), np.cumsum(off, 0)])
    smooth = np.abs(total[width:] - total[:-width]).max(1) / width
    return int(np.argmax(smooth > NOTICED)) + width if (smooth > NOTICED).any() else length


def _quality(course: Course) -> tuple[int, float]:
    """Orders dreams from the worst on: by when they came apart, then by how far their looks are off."""
    return course.end, -float(np.abs(course.away).mean())


def _curves(courses: dict[str, list[Course]]) -> tuple[Curve, ...]:
    length = max(len(c.dream) for some in courses.values() for c in some)
    step = max(1, length // 128)
    x = [float(t + 1) for t in range(0, length, step)]
    alive = {p: [_alive(some, t) for t in range(0, length, step)] for p, some in courses.items()}
    away = {p: [_away(some, t) for t in range(0, length, step)] for p, some in courses.items()}
    return (
        Curve("survival", x, alive, "frames dreamt", "share that is whole"),
        Curve("colour", x, away, "frames dreamt", "colour off by, sigma"),
    )


def _alive(courses: Sequence[Course], t: int) -> float:
    known = [float(c.end > t) for c in courses if len(c.dream) > t]
    return float(np.mean(known)) if known else float("nan")


def _away(courses: Sequence[Course], t: int) -> float:
    """Root mean square over colours of the mean over episodes around frame t."""
    near = [c.away[max(0, t - 8) : t + 8, : len(COLOUR)].mean(0) for c in courses if len(c.dream) > t]
    return float(np.sqrt(np.square(np.mean(near, 0)).mean())) if near else float("nan")


def _strip(player: str, course: Course) -> Strip:
    r = course.rollout
    shown = [h for h in SHOWN if h <= len(r.frames)]
    rows = [("game", [r.truth[h - 1] for h in shown]), ("dream", [r.frames[h - 1] for h in shown])]
    s = r.twin.scenario
    fate = f"came apart at frame {course.end + 1} ({course.cause})" if course.cause else "whole to the end"
    caption = f"the {player}'s worst dream, {s.group}, game seed {s.seed}: {fate}"
    return Strip(f"drift_{player}", caption, rows, [f"frame {h}" for h in shown])


def _player(s: Scenario) -> str:
    return {"play": "explorer", "random": "random"}.get(s.group, "stuck")


def explorer_episodes(suite: Suite) -> list[Scenario]:
    """The explorer's long episodes."""
    count = suite.count("drift_explorer")
    seeds = range(suite.first_seed, suite.first_seed + count.episodes)
    return [explored(seed, "explorer", count.frames, context=suite.context) for seed in seeds]


def _random(suite: Suite) -> list[Scenario]:
    count = suite.count("drift_random")
    found = []
    for seed in range(suite.first_seed + 20, suite.first_seed + 20 + count.episodes):
        lead, given = explore(seed, "explorer", suite.context - 1)
        _, drawn = explore(seed, "random", count.frames, warm_up=0)
        actions = np.concatenate([given, drawn])
        found.append(Scenario(seed, actions, suite.context, group="random", lead=lead))
    return found


def _stuck(suite: Suite) -> list[Scenario]:
    """In turn: stands, stares at the ground, pushes ahead until a block stops it and goes on pushing."""
    count = suite.count("drift_stuck")
    found = []
    for i in range(count.episodes):
        seed = suite.first_seed + 40 + i
        lead, given = explore(seed, "explorer", suite.context - 1)
        held: Actions = np.zeros((count.frames, ACTION_SIZE), np.float32)
        group = ("stands", "stares", "pushes")[i % 3]
        if group == "stares":
            held[:12, INDEX["camera_pitch"]] = 10.0
        if group == "pushes":
            held[:, INDEX["forward"]] = 1.0
        found.append(Scenario(seed, np.concatenate([given, held]), suite.context, group=group, lead=lead))
    return found
