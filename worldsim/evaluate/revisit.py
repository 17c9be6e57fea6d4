"""Is it still there? Views that the player comes back to: a full turn, and ways out and back (M2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import atan, degrees, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate import pixels
from worldsim.evaluate.figure import Values, mean, pooled
from worldsim.evaluate.probes.classes import classes_of
from worldsim.evaluate.reading import read
from worldsim.evaluate.result import Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Actions, Scenario
from worldsim.evaluate.scout import Scout, places, press, sequence
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.views import agreement, mean_iou, shifted, shown_cells

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

TITLE = "Revisiting"
TEXT = (
    "The player turns once round, or walks out and comes back, to the view it began with. What the dream shows then "
    "is compared block by block with the game: 1 is what the game's own frame would score, 0 is another place. A "
    "dream that never left the view scores 0. Memory over long ways is not promised: these are its baselines."
)
_GROUPS = {
    "turn": "a full turn on the spot",
    "walk": "out and backwards home",
    "round": "out, about turn and home",
}
_TAN_HALF_FOV = 0.7002075382097097
_SHIFT = 10.0  # degrees of yaw by which a view may be off in the aligned score
_LAST = 3  # frames at the end that are judged


def scenarios(suite: Suite) -> list[Scenario]:
    """Full turns of several speeds, and ways out and back that nothing blocks."""
    turn, walk = suite.count("turn"), suite.count("there_and_back")
    turns = [
        _turn(scout, i, turn.frames, suite.context)
        for i, scout in enumerate(islice(places(suite.first_seed + 100, 8.0), turn.episodes))
    ]
    return [*turns, *islice(_walks(suite, walk.frames), walk.episodes)]


def _turn(scout: Scout, i: int, frames: int, context: int) -> Scenario:
    speeds = [n for n in (36, 24, 12, 72) if n + _LAST < frames] or [max(8, frames - _LAST - 1)]
    n = speeds[i % len(speeds)]
    away = press(yaw=(360.0 if i % 2 else -360.0) / n, ticks=n)
    return _scenario(scout, "turn", away, n // 2, frames, context)


def _walks(suite: Suite, frames: int) -> Iterator[Scenario]:
    """Each world's first heading that can be walked and comes home, alternating between the two kinds of way."""
    found = 0
    for scout in places(suite.first_seed + 100, 8.0):
        kind = "round" if found % 2 and _longest("round", frames) > 2 else "walk"
        longest = _longest(kind, frames)
        lengths = [n for n in (16, 8, 32, 56) if n <= longest] or [max(1, longest)]
        way = _way(kind, lengths[(found // 2) % len(lengths)])
        for heading in range(8):
            start = scout.after(sequence([press(yaw=45.0 * heading), press(ticks=4)])) if heading else scout
            if start.rests and _open(start, way):
                yield _scenario(start, kind, way, len(way) // 2, frames, suite.context)
                found += 1
                break


def _longest(kind: str, frames: int) -> int:
    """Ticks that the way out may take, so that the last frames are seen after the return."""
    return (frames - len(_way(kind, 0)) - _LAST) // 2


def _way(kind: str, n: int) -> Actions:
    rest = press(ticks=4)
    if kind == "walk":
        return sequence([press("forward", ticks=n), rest, press("back", ticks=n), rest])
    about = press(yaw=30.0, ticks=6)
    return sequence([press("forward", ticks=n), about, rest, press("forward", ticks=n), about, rest])


def _open(scout: Scout, way: Actions) -> bool:
    """Whether the way is level, meets nothing and ends where it began."""
    states = scout.goes(way)
    pose = np.array([s["pose"] for s in states])
    start = np.asarray(scout.state["pose"])
    home = float(np.linalg.norm(pose[-1, :3] - start[:3])) < 0.3
    return home and not any(s["contact"] or s["in_water"] for s in states) and bool(np.ptp(pose[:, 1]) < 0.1)


def _scenario(scout: Scout, group: str, way: Actions, half: int, frames: int, context: int) -> Scenario:
    rest = press(ticks=max(0, frames - len(way)))
    actions = sequence([press(ticks=context - 1), way, rest])[: context - 1 + frames]
    marks = {"away": context - 1 + half, "back": context - 1 + len(way)}
    return Scenario(scout.seed, actions, context, group=group, marks=marks, lead=scout.lead)


@dataclass(frozen=True)
class Return:
    """What one episode came to."""

    rollout: Rollout
    left: bool
    """Whether it turned or walked away at all."""
    score: float
    """Mean IoU of what the dream shows at the end with the game's blocks."""
    ceiling: float
    """The same of the game's own frames, as the probe reads them."""
    itself: float
    """Share of blocks that are those the dream was given."""
    aligned: float
    """Mean IoU after the best turn within `_SHIFT` degrees."""
    offset: float
    """Degrees of that turn."""
    error: float
    """Mean squared error of pixels."""


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Likeness of the views that are come back to; nothing without probes."""
    if probes is None:
        return Section("revisit", TITLE, TEXT, (Figure("turn_kept", nan, note="needs the probes"),))
    figures: list[Figure] = []
    strips: list[Strip] = []
    for group, words in _GROUPS.items():
        chosen = [r for r in rollouts if r.twin.scenario.group == group]
        if not chosen:
            continue
        returns = [_judge(r, probes) for r in chosen]
        floors = _floors(chosen, probes)
        figures += _figures(group, words, returns, floors)
        order = sorted(returns, key=lambda x: x.score / max(x.ceiling, 1e-9))
        strips += [_strip(f"revisit_{group}_{name}", f"{words}, the {name} episode", order[place].rollout)
                   for name, place in (("worst", 0), ("median", len(order) // 2))][: len(order)]  # fmt: skip
    return Section("revisit", TITLE, TEXT, tuple(figures), strips=tuple(strips))


def _last(r: Rollout) -> slice:
    """The last dreamt frames, all of them after the return."""
    n, back = len(r.frames), r.twin.scenario.marks["back"] - r.twin.scenario.context
    return slice(max(back, n - _LAST, 0), n)


def _judge(r: Rollout, probes: Probes) -> Return:
    s, when = r.twin.scenario, _last(r)
    kept = shown_cells(r.frames.shape[2], r.frames.shape[1])
    true = classes_of(r.twin.blocks[s.context :][when])
    given = probes.blocks(r.twin.frames[s.context - 1 : s.context])
    said, own = probes.blocks(r.frames[when]), probes.blocks(r.truth[when])
    offset = _offset(r.frames[when], r.truth[when])
    turned = np.stack([shifted(frame, offset) for frame in r.frames[when]])
    return Return(
        r, _left(r, probes), mean_iou(said, true, kept), mean_iou(own, true, kept),
        agreement(said, np.broadcast_to(given, said.shape), kept),
        mean_iou(probes.blocks(turned), true, kept),
        degrees(atan(offset / len(r.frames[0]) * 2 * _TAN_HALF_FOV)),
        float(pixels.squared_error(r.frames[when], r.truth[when]).mean()),
    )  # fmt: skip


def _left(r: Rollout, probes: Probes) -> bool:
    """Whether the dream turned, or walked, half as far as the game or more by the middle of the way."""
    half = r.twin.scenario.marks["away"] - r.twin.scenario.context + 1
    walks = r.twin.scenario.group == "walk"
    dream, game = (
        abs(float((m.step[:half, 2] if walks else m.turn[:half, 0]).sum())) for m in read(r, probes)
    )
    return dream > 0.5 * game


def _offset(frames: NDArray[np.uint8], truth: NDArray[np.uint8]) -> int:
    """Columns by which moving the dream to the right fits the game best."""
    most = round(np.tan(np.radians(_SHIFT)) / (2 * _TAN_HALF_FOV) * frames.shape[1])
    middle = slice(most, frames.shape[2] - most)
    errors = {
        c: float(pixels.squared_error(np.stack([shifted(f, c)[:, middle] for f in frames]), truth[:, :, middle]).mean())
        for c in sorted(range(-most, most + 1), key=abs)
    }  # fmt: skip
    return min(errors, key=lambda c: errors[c])


def _floors(rollouts: Sequence[Rollout], probes: Probes) -> Values:
    """What the game's views of other places score, for each episode."""
    true = [classes_of(r.twin.blocks[-1:]) for r in rollouts]
    said = [probes.blocks(r.twin.frames[-1:]) for r in rollouts]
    rows = []
    for i, r in enumerate(rollouts):
        kept = shown_cells(r.frames.shape[2], r.frames.shape[1])
        rows.append(
            np.mean([mean_iou(said[j], true[i], kept) for j in range(len(rollouts)) if j != i] or [0.0])
        )
    return np.array(rows)


def _figures(group: str, words: str, returns: Sequence[Return], floors: Values) -> list[Figure]:
    score, ceiling = (np.array([getattr(x, name) for x in returns]) for name in ("score", "ceiling"))
    aligned, left = np.array([x.aligned for x in returns]), np.array([x.left for x in returns])
    floor = float(np.mean(floors))

    def kept(said: Values, best: Values, moved: Values) -> Values:
        return np.asarray((said - floor * moved) / np.maximum(best - floor, 1e-9))

    gone, gone_aligned = np.where(left, score, 0.0), np.where(left, np.maximum(aligned, score), 0.0)
    return [
        pooled(f"{group}_kept", kept, gone, ceiling, left.astype(np.float64), better="higher",
               note=f"{words}: 1 is the game, 0 another place or one that was never left"),
        pooled(f"{group}_kept_aligned", kept, gone_aligned, ceiling, left.astype(np.float64), better="higher",
               note=f"after the best turn within {_SHIFT:g} degrees: what is left is not the pose"),
        mean(f"{group}_left", left, better="higher", note="episodes in which the dream turned or walked away at all"),
        mean(f"{group}_miou", score, better="higher", note=f"another place scores {floor:.2f}"),
        mean(f"{group}_miou_game", ceiling, note="anchor: the game's own frames, as the probe reads them"),
        mean(f"{group}_itself", [x.itself for x in returns], note="blocks that are those of the last given frame"),
        mean(f"{group}_offset", [abs(x.offset) for x in returns], "degrees", "lower"),
        pooled(f"{group}_psnr", pixels.psnr, [x.error for x in returns], unit="dB", better="higher"),
    ]  # fmt: skip


def _strip(name: str, words: str, r: Rollout) -> Strip:
    s = r.twin.scenario
    n = len(r.frames)
    back = min(max(s.marks["back"] - s.context, 0), n - 1)
    times = sorted({0, back // 4, back // 2, 3 * back // 4, back, n - 1})
    given = r.twin.frames[s.context - 1]
    rows = [
        (label, [given, *(frames[t] for t in times)])
        for label, frames in (("game", r.truth), ("dream", r.frames))
    ]
    return Strip(
        name, f"{words}, game seed {s.seed}", rows, ["last given", *(f"frame {t + 1}" for t in times)]
    )
