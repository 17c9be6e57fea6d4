"""Does a dreamt frame look like one of the game, wherever it is? Frechet distance on our own encoder."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.evaluate.frechet import Moments, frechet, jackknife, moments, pooled
from worldsim.evaluate.probes.bundle import to_input
from worldsim.evaluate.result import Curve, Figure, Section
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.stats import Z
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

HORIZONS = (4, 16, 64, 200)
FRAMES = 8
"""Frames taken from the last quarter before a horizon."""
BLUR = 1.5
"""Pixels of the anchor's blur, standard deviation."""
TEXT = (
    "Voxel-FD is the squared Frechet distance between what our own segmentation probe sees in 8x8-pixel "
    "patches of dreamt frames and of the game's frames at the same times; 0 is the game itself. It does not ask "
    "whether the right place is shown, only whether it looks like a place. Not FID: it can't be compared with "
    "figures on other encoders, nor with itself after the probes have changed."
)

Frames = NDArray[np.uint8]


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes, short and long: dreamt for other metrics anyway."""
    episodes = []
    for part in ("play", "drift_explorer"):
        count = suite.count(part)
        episodes += [
            explored(suite.first_seed + i, "explorer", count.frames, context=suite.context)
            for i in range(count.episodes)
        ]
    return episodes


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Voxel-FD at growing horizons between its anchors; nothing without probes."""
    title = "Realism: Voxel-FD"
    if probes is None:
        return Section("realism", title, TEXT, (Figure("voxel_fd", nan, note="needs the probes"),))
    episodes = _longest(rollouts)
    rows = {h: _at(episodes, h, probes) for h in HORIZONS if any(len(r.frames) >= h for r in episodes)}
    figures = [figure for h, row in rows.items() for figure in row]
    curve = Curve(
        "voxel_fd",
        [float(h) for h in rows],
        {name: [row[i].value for row in rows.values()] for i, name in enumerate(_SERIES)},
        "frames dreamt",
        "Voxel-FD, 0 is the game",
    )
    return Section("realism", title, TEXT, tuple(figures), (curve,) if len(rows) > 1 else ())


_SERIES = ("dream", "other places of the game", "the game, blurred", "last given frame")


def _longest(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """One dream a game world: the same world must not count twice."""
    best: dict[int, Rollout] = {}
    for r in sorted(rollouts, key=lambda r: -len(r.frames)):
        best.setdefault(r.twin.scenario.seed, r)
    return list(best.values())


def _at(episodes: Sequence[Rollout], horizon: int, probes: Probes) -> list[Figure]:
    """The dream's figure and those of the anchors, over the episodes that reach the horizon."""
    reached = [r for r in episodes if len(r.frames) >= horizon]
    times = window(horizon)
    game = [patches(r.truth[times], probes) for r in reached]
    dream = [patches(r.frames[times], probes) for r in reached]
    soft = [patches(blurred(r.truth[times]), probes) for r in reached]
    given = [patches(r.twin.frames[[r.twin.scenario.context - 1]], probes) for r in reached]
    note = f"frames {times[0] + 1} to {times[-1] + 1}"
    anchors = (
        ("elsewhere", _halves(game), "anchor: half of the game's worlds against the other half"),
        ("blurred", jackknife(soft, game)[0], f"anchor: the game's frames blurred by {BLUR} pixels"),
        ("copy", jackknife(given, game)[0], "anchor: the last given frame"),
    )
    return [
        _figure(f"voxel_fd_{horizon}", dream, game, note),
        *(Figure(f"voxel_fd_{name}_{horizon}", value, count=len(reached), note=text) for name, value, text in anchors),
    ]  # fmt: skip


def window(horizon: int) -> NDArray[np.int64]:
    """Indices of at most `FRAMES` dreamt frames in the last quarter up to `horizon` (its frame included)."""
    first = horizon - max(1, horizon // 4)
    return np.unique(np.linspace(first, horizon - 1, FRAMES).round().astype(np.int64))


def blurred(frames: Frames, sigma: float = BLUR) -> Frames:
    """Frames uint8 `[n, H, W, 3]` through a Gaussian of `sigma` pixels."""
    reach = int(np.ceil(3 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    taps = taps / taps.sum()
    x = torch.from_numpy(frames).movedim(-1, 1).flatten(0, 1).unsqueeze(1).float()
    x = torch.nn.functional.pad(x, (reach,) * 4, mode="replicate")
    x = torch.nn.functional.conv2d(x, taps.view(1, 1, -1, 1))
    x = torch.nn.functional.conv2d(x, taps.view(1, 1, 1, -1))
    n, height, width = frames.shape[:3]
    soft: Frames = x.view(n, 3, height, width).movedim(1, -1).round().clamp(0, 255).byte().numpy()
    return soft


def _figure(name: str, dream: Sequence[Moments], game: Sequence[Moments], note: str) -> Figure:
    value, pseudo = jackknife(dream, game)
    half = Z * float(pseudo.std(ddof=1)) / sqrt(len(pseudo)) if len(pseudo) > 1 else nan
    return Figure(
        name, value, max(0.0, value - half) if half == half else nan, value + half, "", "lower", "",
        len(dream), note, tuple(float(v) for v in pseudo),
    )  # fmt: skip


def _halves(game: Sequence[Moments]) -> float:
    return frechet(pooled(game[::2]), pooled(game[1::2])) if len(game) > 1 else nan


@torch.inference_mode()
def patches(frames: Frames, probes: Probes) -> Moments:
    """Of the segmentation probe's middle level: one vector for each 8x8 pixels of frames 96 pixels high."""
    seen = probes.seg.middle(probes.seg.fine(to_input(torch.from_numpy(frames))))
    return moments(seen.movedim(1, -1).flatten(0, 2).numpy())
