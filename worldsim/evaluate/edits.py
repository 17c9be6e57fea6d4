"""Does a change stay? A block broken or placed, a look away and a look back (M3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.actions import INDEX
from worldsim.evaluate.probes.classes import classes_of, grid_of, in_cells
from worldsim.evaluate.result import Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Actions, Scenario
from worldsim.evaluate.scout import Scout, places, press, sequence
from worldsim.evaluate.stats import wilson
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import overlay

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

TITLE = "Edits"
TEXT = (
    "The player breaks or places a block, looks away by 120 degrees, waits, and looks back; a second episode is the "
    "same but for the edit. Each dreamt view is asked which of the two games its colours are nearer to where those "
    "differ. A world that ignores edits, or forgets all, is right in half of the views."
)
_AWAY = (24.0, 5)  # degrees a tick, ticks
_PITCHES, _HEADINGS = (40.0, 50.0, 32.0), (0.0, 90.0, 180.0, 270.0)
_PATIENCE = 17  # ticks that breaking may take
_HOLD = 2  # ticks before looking away
_LOOK = 3  # frames that are judged after looking back
_LEAST = 32  # pixels of a 160x96 frame that have to differ
_CELLS = 12  # cells whose block has to differ, for an edit to be looked for
_WAITS = (4, 0, 8, 16, 64)  # ticks looking away


def scenarios(suite: Suite) -> list[Scenario]:
    """Pairs of an episode with an edit and one without, breaking and placing in turn."""
    count = suite.count("edits")
    pairs = islice(_edits(suite, count.frames), count.episodes)
    return [scenario for pair in pairs for scenario in pair]


def _edits(suite: Suite, frames: int) -> Iterator[tuple[Scenario, Scenario]]:
    found = 0
    for scout in places(suite.first_seed + 200, 0.0):
        kind = "place" if found % 2 or frames < _ticks(_PATIENCE) else "break"
        for heading in _HEADINGS:
            aimed = scout.after(sequence([press(yaw=heading, pitch=_PITCHES[found % 3]), press(ticks=4)]))
            edit = _edit(aimed, kind) if aimed.rests else None
            if edit is not None and _shows(edit[0], edit[1]):
                yield _pair(edit[0], edit[1], kind, found, frames, suite.context)
                found += 1
                break


def _ticks(edit: int) -> int:
    """Of an episode without waiting, whose edit takes so many."""
    return edit + _HOLD + 2 * _AWAY[1] + _LOOK


def _edit(scout: Scout, kind: str) -> tuple[Scout, Actions] | None:
    """Where to stand and what to press for one edit of that kind; None if nothing comes of it."""
    if int(scout.state["target"][3]) == 0:
        return None
    if kind == "break":
        states = scout.goes(press("attack", ticks=_PATIENCE))
        broken = [t for t, s in enumerate(states) if s["events"]["broken"]]
        return (scout, press("attack", ticks=broken[0] + 1)) if broken else None
    target, items, counts = int(scout.state["target"][3]), scout.state["items"], scout.state["counts"]
    slots = [i for i in range(len(items)) if counts[i] > 0 and int(items[i]) != target]
    if not slots:
        return None
    ready = scout.after(sequence([press(f"hotbar.{slots[scout.seed % len(slots)] + 1}"), press(ticks=2)]))
    placed = ready.goes(press("use"))[-1]["events"]["placed"]
    return (ready, press("use")) if placed else None


def _shows(scout: Scout, edit: Actions) -> bool:
    """Whether the edit changes the class of enough cells in view."""
    after = sequence([edit, press(ticks=_HOLD)])
    seen = np.stack([scout.sees(after), scout.sees(np.zeros_like(after))])
    classes = classes_of(seen)
    return int((classes[0] != classes[1]).sum()) >= _CELLS


def _pair(
    scout: Scout, edit: Actions, kind: str, pair: int, frames: int, context: int
) -> tuple[Scenario, Scenario]:
    speed, ticks = _AWAY
    yaw = speed if pair % 4 < 2 else -speed
    spare = frames - _ticks(len(edit))
    waits = [n for n in _WAITS if n <= spare] or [0]
    wait = waits[(pair // 2) % len(waits)]
    made = context - 1 + len(edit) + _HOLD
    back = made + 2 * ticks + wait
    looks = [press(ticks=_HOLD), press(yaw=yaw, ticks=ticks), press(ticks=wait), press(yaw=-yaw, ticks=ticks)]
    rest = press(ticks=max(_LOOK, frames))
    actions = sequence([press(ticks=context - 1), edit, *looks, rest])[: context - 1 + frames]
    marks = {"edit": context - 1 + len(edit), "made": made, "away": made + ticks, "back": back, "wait": wait}
    done = Scenario(scout.seed, actions, context, group=kind, pair=pair, marks=marks, lead=scout.lead)
    hands = [INDEX["attack"], INDEX["use"]]
    idle = actions.copy()
    idle[:, hands] = 0.0
    return done, replace(done, actions=idle, group=f"no {kind}")


@dataclass(frozen=True)
class Verdict:
    """One pair: was each of both views taken for the right one, just made and after looking away."""

    edit: Rollout
    idle: Rollout
    made: float
    """Above 0 where the dream with the edit shows it, before looking away; in units of what the game shows."""
    made_idle: float
    """Above 0 where the dream without the edit shows none."""
    kept: float
    """As `made`, after looking back."""
    kept_idle: float
    """As `made_idle`, after looking back."""
    collateral: float
    """Share of cells away from the edit that differ between both dreams."""

    @property
    def wait(self) -> int:
        """Ticks without the edit in view."""
        return self.edit.twin.scenario.marks["wait"] + 2 * _AWAY[1]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Whether edits are seen at once and stay; nothing without probes."""
    if probes is None:
        return Section("edits", TITLE, TEXT, (Figure("made", nan, note="needs the probes"),))
    pairs = [(r, _idle(rollouts, r)) for r in rollouts if not r.twin.scenario.group.startswith("no ")]
    judged = [v for v in (_judge(r, idle, probes) for r, idle in pairs) if v is not None]
    made = [float(v.made > 0) for v in judged]
    both = [((v.made > 0) + (v.made_idle > 0)) / 2 for v in judged]
    context = rollouts[0].twin.scenario.context if rollouts else 0
    figures = [
        _rate("made", made, reach="at least 0.90", note="the edit is seen before looking away"),
        _rate("made_fair", both, note="the same, mean with the episodes without an edit: 0.5 is chance"),
        *_kept("kept", judged, "at least 0.80"),
        *_kept("kept_break", [v for v in judged if v.edit.twin.scenario.group == "break"]),
        *_kept("kept_place", [v for v in judged if v.edit.twin.scenario.group == "place"]),
        *_kept("kept_soon", [v for v in judged if v.wait <= context + 2 * _AWAY[1]]),
        *_kept("kept_late", [v for v in judged if v.wait > context + 2 * _AWAY[1]]),
        _share("collateral", [v.collateral for v in judged]),
    ]
    return Section("edits", TITLE, TEXT, tuple(figures), strips=_strips(judged))


def _idle(rollouts: Sequence[Rollout], r: Rollout) -> Rollout:
    s = r.twin.scenario
    return next(
        x for x in rollouts if x.twin.scenario.pair == s.pair and x.twin.scenario.group == f"no {s.group}"
    )


def _judge(edit: Rollout, idle: Rollout, probes: Probes) -> Verdict | None:
    """None where the edit can hardly be seen in the game."""
    marks, context = edit.twin.scenario.marks, edit.twin.scenario.context
    made = np.arange(marks["made"] - _HOLD + 1, marks["made"] + 1) - context
    n = min(len(edit.frames), len(edit.truth))
    kept = np.arange(marks["back"], marks["back"] + _LOOK) - context
    kept = kept[kept < n]
    if not len(kept) or not _visible(edit, idle, made):
        return None
    margins = [_margin(r.frames, edit, idle, when) for when in (made, kept) for r in (edit, idle)]
    return Verdict(
        edit, idle, margins[0], -margins[1], margins[2], -margins[3], _collateral(edit, idle, made, probes)
    )


def _changed(edit: Rollout, idle: Rollout, when: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels `[n, H, W]` of the world that the edit changes, one pixel wider."""
    a, b = edit.twin, idle.twin
    at = when + a.scenario.context
    depth = np.abs(a.depth[at].astype(np.float32) - b.depth[at].astype(np.float32)) > 0.1
    changed = (a.blocks[at] != b.blocks[at]) | depth
    wide = torch.nn.functional.max_pool2d(torch.from_numpy(changed.astype(np.float32))[:, None], 3, 1, 1)
    found: NDArray[np.bool_] = wide[:, 0].numpy() > 0
    return found & ~overlay(changed.shape[2], changed.shape[1])


def _visible(edit: Rollout, idle: Rollout, when: NDArray[np.int64]) -> bool:
    changed = _changed(edit, idle, when)
    return bool(changed[-1].mean() * 160 * 96 >= _LEAST)


def _margin(frames: NDArray[np.uint8], edit: Rollout, idle: Rollout, when: NDArray[np.int64]) -> float:
    """Which game the frames are like where both differ: 1 the one with the edit, -1 the other one."""
    changed = _changed(edit, idle, when)
    x, a, b = (_soft(part)[changed] for part in (frames[when], edit.truth[when], idle.truth[when]))
    far_a, far_b = np.abs(x - a).mean(), np.abs(x - b).mean()
    return float((far_b - far_a) / max(1e-6, far_a + far_b))


def _soft(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours averaged over 3x3 pixels, so that a little blur or shift is forgiven."""
    images = torch.from_numpy(frames).movedim(-1, 1).float()
    soft: NDArray[np.float32] = torch.nn.functional.avg_pool2d(images, 3, 1, 1).movedim(1, -1).numpy()
    return soft


def _collateral(edit: Rollout, idle: Rollout, when: NDArray[np.int64], probes: Probes) -> float:
    away = ~in_cells(_changed(edit, idle, when), 0.01)
    hud = in_cells(overlay(edit.frames.shape[2], edit.frames.shape[1])[None], 0.01)
    differ = probes.blocks(edit.frames[when]) != probes.blocks(idle.frames[when])
    assert differ.shape[1:] == grid_of(*edit.frames.shape[1:3])
    return float(differ[away & ~hud].mean())


def _kept(name: str, judged: Sequence[Verdict], reach: str = "") -> list[Figure]:
    """Rates after looking back, of the pairs whose edit was seen at all."""
    seen = [v if v.made > 0 else None for v in judged]
    there = [float(v.kept > 0) if v else nan for v in seen]
    fair = [((v.kept > 0) + (v.kept_idle > 0)) / 2 if v else nan for v in seen]
    words = "where it was seen before: still seen after looking away"
    return [
        _rate(name, there, reach, words),
        _rate(f"{name}_fair", fair, note=f"{words}, mean with the episodes without an edit: 0.5 is chance"),
    ]


def _rate(name: str, values: Sequence[float], reach: str = "", note: str = "") -> Figure:
    known = [v for v in values if v == v]
    return Figure(
        name, *wilson(sum(known), len(known)), "", "higher", reach, len(known), note, tuple(values)
    )  # fmt: skip


def _share(name: str, values: Sequence[float]) -> Figure:
    from worldsim.evaluate.figure import mean

    return mean(
        name, values, better="lower", note="cells elsewhere that differ between the dreams with and without"
    )


def _strips(judged: Sequence[Verdict]) -> tuple[Strip, ...]:
    order = sorted(judged, key=lambda v: (v.made > 0) + (v.kept > 0) + 0.1 * (v.made + v.kept))
    chosen = {"worst": order[:1], "median": order[len(order) // 2 : len(order) // 2 + 1]}
    return tuple(_strip(name, v) for name, found in chosen.items() for v in found)


def _strip(name: str, v: Verdict) -> Strip:
    s = v.edit.twin.scenario
    columns = {
        "last given": s.context - 1,
        "made": s.marks["made"],
        "away": s.marks["away"],
        "back": s.marks["back"],
    }
    last = len(v.edit.twin.frames) - 1
    times = {head: min(t, last) for head, t in columns.items()}
    rows = [
        (label, [r.twin.frames[t] if label.startswith("game") or t < s.context else r.frames[t - s.context]
                 for t in times.values()])
        for r, what in ((v.edit, "edit"), (v.idle, "no edit"))
        for label in (f"game, {what}", f"dream, {what}")
    ]  # fmt: skip
    caption = f"{s.group}, the {name} pair, {v.wait} frames out of view, game seed {s.seed}"
    return Strip(f"edits_{name}", caption, rows, list(times))
