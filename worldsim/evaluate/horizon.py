"""How long a dream stays like the game: PSNR, SSIM and detail over the horizon, between anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from worldsim.evaluate import pixels
from worldsim.evaluate.figure import Values, mean, pooled
from worldsim.evaluate.likeness import Likeness
from worldsim.evaluate.result import Curve, Figure, Section, Strip
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

HORIZONS = (1, 2, 4, 8, 16, 32, 64, 128, 200, 256, 512, 1024)
SHOWN = (1, 4, 16, 64, 200, 256)
"""Horizons that get figures; the others are in the curves alone."""
TEXT = (
    "The dream goes on from a few given frames under the game's actions. Its likeness to the game stands "
    "between repeating the last given frame (which it has to beat) and the game itself; wrong actions have "
    "to cost likeness, or the dream does not listen. Detail is the mean Laplacian against the game's: "
    "below 1 is blur."
)


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, and the beginnings of the first ones under actions of the next ones."""
    honest, shuffled = honest_episodes(suite), suite.count("shuffled")
    count = min(shuffled.episodes, len(honest)) if len(honest) > 1 else 0
    return [
        *honest,
        *(_misled(honest[i], honest[(i + 1) % len(honest)], shuffled.frames) for i in range(count)),
    ]


def honest_episodes(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, then more short beginnings of other worlds."""
    play, starts = suite.count("play"), suite.count("starts")
    lengths = [play.frames] * play.episodes + [starts.frames] * starts.episodes
    return [
        explored(suite.first_seed + i, "explorer", frames, context=suite.context)
        for i, frames in enumerate(lengths)
    ]


def _misled(scenario: Scenario, other: Scenario, frames: int) -> Scenario:
    n = min(scenario.context - 1 + frames, len(scenario.actions), len(other.actions))
    actions = scenario.actions[:n]
    return replace(scenario, actions=actions, pressed=other.actions[:n], group="shuffled")


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Likeness over the horizon; probes are not needed."""
    honest = [Likeness.of(r) for r in rollouts if r.twin.scenario.pressed is None]
    misled = [Likeness.of(r) for r in rollouts if r.twin.scenario.pressed is not None]
    longest = max(len(e) for e in honest)
    horizons = [h for h in HORIZONS if h <= longest]
    figures = [f for h in horizons if h in SHOWN for f in _likeness(honest, h)]
    figures += [_gain(honest, h) for h in (1, 16) if h <= longest]
    figures += [f for h in (1, 16) for f in _cost(honest, misled, h)]
    return Section(
        "horizon",
        "Likeness over the horizon",
        TEXT,
        tuple(figures),
        _curves(honest, misled),
        _strips([e for e in honest if len(e) == longest], horizons),
    )


def _likeness(episodes: Sequence[Likeness], h: int) -> list[Figure]:
    """Figures at horizon `h`."""
    parts = {name: [e.at(name, h) for e in episodes] for name in ("dream", "copy", "coded", "distance")}
    pairs = [e.pair(h) for e in episodes if len(e) >= h]
    like = [float(pixels.ssim(*pair)[0]) for pair in pairs]
    sharp = np.array(
        [[pixels.detail(frame, e.hidden)[0] for frame in e.pair(h)] for e in episodes if len(e) >= h]
    )
    found = [
        pooled(f"psnr_{h}", pixels.psnr, parts["dream"], unit="dB", better="higher"),
        pooled(f"psnr_copy_{h}", pixels.psnr, parts["copy"], unit="dB", note="anchor: the last given frame"),
        mean(f"ssim_{h}", like, better="higher"),
        pooled(f"detail_{h}", _quotient, sharp[:, 0], sharp[:, 1], note="against the game's: 1 is as sharp"),
    ]
    if np.isfinite(parts["coded"]).any():
        note = "anchor: the game through the tokenizer"
        found.append(pooled(f"psnr_ceiling_{h}", pixels.psnr, parts["coded"], unit="dB", note=note))
    if np.isfinite(parts["distance"]).any():
        found.append(
            mean(f"position_{h}", parts["distance"], "blocks", "lower", note="eye to the game's eye")
        )
    return found


def _gain(episodes: Sequence[Likeness], h: int) -> Figure:
    """dB above the repeated frame, where the eye has moved by then."""
    moving = [e if len(e) >= h and e.moved[h - 1] else None for e in episodes]
    dream, copy = ([e.at(part, h) if e else nan for e in moving] for part in ("dream", "copy"))
    return pooled(
        f"gain_{h}", _decibels_lost, copy, dream, unit="dB", better="higher",
        reach="at least 4" if h == 1 else "above 0",
        note="above repeating the last given frame, in episodes whose eye has moved",
    )  # fmt: skip


def _cost(honest: Sequence[Likeness], misled: Sequence[Likeness], h: int) -> list[Figure]:
    """What wrong actions cost at horizon `h`; the misled episodes are the first honest ones."""
    wrong = [e.at("dream", h) for e in misled]
    right = [e.at("dream", h) for e in honest[: len(misled)]]
    if not np.isfinite(wrong).any():
        return []
    return [
        pooled(
            f"shuffled_cost_{h}", _decibels_lost, wrong, right, unit="dB", better="higher",
            reach="at least 4" if h == 1 else "", note="lost when told another episode's actions",
        ),
        pooled(
            f"shuffled_ratio_{h}", _quotient, wrong, right, better="higher",
            note="squared error when told another episode's actions, against its own",
        ),
    ]  # fmt: skip


def _decibels_lost(worse: Values, better: Values) -> Values:
    return pixels.psnr(better) - pixels.psnr(worse)


def _quotient(above: Values, below: Values) -> Values:
    return np.asarray(above / np.maximum(below, 1e-3))


def _curves(honest: Sequence[Likeness], misled: Sequence[Likeness]) -> tuple[Curve, ...]:
    longest = max(len(e) for e in honest)
    full = [e for e in honest if len(e) == longest]
    series = {
        "dream": _decibels(full, "dream", longest),
        "last frame repeated": _decibels(full, "copy", longest),
        "the game through the tokenizer": _decibels(full, "coded", longest),
        "another episode's actions": _decibels(misled, "dream", longest),
    }
    series = {name: values for name, values in series.items() if np.isfinite(values).any()}
    x = [float(h) for h in range(1, longest + 1)]
    return (Curve("psnr", x, series, "frames dreamt", "PSNR, dB"),)


def _decibels(episodes: Sequence[Likeness], part: str, longest: int) -> list[float]:
    errors = [np.array([e.at(part, h) for e in episodes]) for h in range(1, longest + 1)]
    return [float(pixels.psnr(np.nanmean(x))) if np.isfinite(x).any() else nan for x in errors]


def _strips(episodes: Sequence[Likeness], horizons: Sequence[int]) -> tuple[Strip, ...]:
    """The worst, the median and the best of the long episodes."""
    order = sorted(range(len(episodes)), key=lambda i: float(pixels.psnr(episodes[i].dream).mean()))
    named = {"worst": order[0], "median": order[len(order) // 2], "best": order[-1]}
    return tuple(_strip(name, episodes[i], horizons) for name, i in named.items())


def _strip(name: str, e: Likeness, horizons: Sequence[int]) -> Strip:
    s = e.rollout.twin.scenario
    shown = [h for h in horizons if h <= len(e)]
    last = e.rollout.twin.frames[s.context - 1]
    rows = [
        ("game", [last, *(e.rollout.truth[h - 1] for h in shown)]),
        ("dream", [last, *(e.rollout.frames[h - 1] for h in shown)]),
    ]
    caption = f"the {name} episode by mean PSNR ({pixels.psnr(e.dream).mean():.1f} dB), game seed {s.seed}"
    return Strip(f"horizon_{name}", caption, rows, ["last given", *(f"frame {h}" for h in shown)])
