"""LPIPS, FID and FVD as others report them, on the networks that they are defined on (extra `metrics`).

Not part of any suite: `worldsim evaluate --standard` asks for them. The networks' weights do not come
with the packages; those fetch them on first use, or take them from where torch keeps its downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.errors import MissingDependency
from worldsim.evaluate.realism import window
from worldsim.evaluate.result import Curve, Figure, Section
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.stats import bootstrap_mean
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

HORIZONS = (1, 16, 64, 200)
CLIP = 16
"""Frames of a clip that FVD is taken of."""
PACKAGES = ("torchmetrics", "torchvision", "torch_fidelity", "cdfvd")
INSTALL = 'pip install "worldsim[metrics]"'
TEXT = (
    "The metrics that papers report, on ImageNet and Kinetics networks: LPIPS (AlexNet) of dream and game at "
    "the same time, FID of frames, FVD (I3D) of 16-frame clips. FID and FVD of few samples are far too large: "
    "compare them only between worlds measured by the same suite."
)

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Backbones:
    """The three metrics, ready to use."""

    lpips: Callable[[Frames, Frames], NDArray[np.float64]]
    """Of frames `[n, H, W, 3]` one by one, `[n]`."""
    fid: Callable[[Frames, Frames], float]
    """Of two sets of frames, the game's first."""
    fvd: Callable[[Frames, Frames], float]
    """Of two sets of clips `[n, CLIP, H, W, 3]`, the game's first."""


def scenarios(suite: Suite) -> list[Scenario]:
    """The explorer's episodes that other metrics dream too.

    Raises:
        MissingDependency: the extra is not installed.
    """
    check()
    play = suite.count("play")
    return [
        explored(suite.first_seed + i, "explorer", play.frames, context=suite.context)
        for i in range(play.episodes)
    ]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """LPIPS, FID and FVD at growing horizons.

    Raises:
        MissingDependency: a package or a network's weights are not here.
    """
    networks = load()
    figures: list[Figure] = []
    horizons = [h for h in HORIZONS if any(len(r.frames) >= h for r in rollouts)]
    for h in horizons:
        reached = [r for r in rollouts if len(r.frames) >= h]
        figures.append(_lpips(networks, reached, h))
        if h >= CLIP and len(reached) > 1:
            figures += [_fid(networks, reached, h), _fvd(networks, reached, h)]
    shown = [f for f in figures if f.name.startswith("lpips")]
    curve = Curve(
        "lpips", [float(h) for h in horizons], {"dream": [f.value for f in shown]}, "frames dreamt", "LPIPS"
    )
    return Section("standard", "Standard metrics", TEXT, tuple(figures), (curve,))  # fmt: skip


def check() -> None:
    """Raise MissingDependency, one line that names the extra, unless its packages are installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"standard metrics: {', '.join(missing)} not installed; run  {INSTALL}  "
            "(torchvision has to be of the same build as torch)"
        )


def load() -> Backbones:
    """The real networks.

    Raises:
        MissingDependency: a package is missing, or weights are neither here nor to be fetched.
    """
    check()
    try:
        from cdfvd import fvd
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        lpips = LearnedPerceptualImagePatchSimilarity(net_type="alex", reduction="mean", normalize=True)
        inception = FrechetInceptionDistance(feature=2048).set_dtype(torch.float64)
        video = fvd.cdfvd("i3d", n_fake="full", device="cpu")
    except ImportError as error:
        raise MissingDependency(f"standard metrics: {error}; run  {INSTALL}") from error
    except OSError as error:  # whatever fetches the weights raises a child of it
        raise MissingDependency(
            f"standard metrics: weights can't be fetched ({str(error)[:120]}); put them where "
            "docs/evaluate.md says, or leave --standard out"
        ) from error
    return Backbones(_each(lpips), _whole(inception), _clips(video))


def _each(metric: Any) -> Callable[[Frames, Frames], NDArray[np.float64]]:
    def lpips(real: Frames, dreamt: Frames) -> NDArray[np.float64]:
        pairs = zip(_images(real) / 255.0, _images(dreamt) / 255.0)
        return np.array([float(metric(a[None], b[None])) for a, b in pairs], np.float64)

    return lpips


def _whole(metric: Any) -> Callable[[Frames, Frames], float]:
    def fid(real: Frames, dreamt: Frames) -> float:
        metric.reset()
        for frames, genuine in ((real, True), (dreamt, False)):
            for first in range(0, len(frames), 16):
                metric.update(_images(frames[first : first + 16]), real=genuine)
        return float(metric.compute())

    return fid


def _clips(metric: Any) -> Callable[[Frames, Frames], float]:
    def fvd(real: Frames, dreamt: Frames) -> float:
        metric.empty_real_stats()
        metric.empty_fake_stats()
        return float(metric.compute_fvd(real, dreamt))

    return fvd


def _images(frames: Frames) -> torch.Tensor:
    """uint8 `[n, H, W, 3]` to `[n, 3, H, W]`."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1)


def _lpips(networks: Backbones, reached: Sequence[Rollout], h: int) -> Figure:
    truth, dreamt = (np.stack([getattr(r, part)[h - 1] for r in reached]) for part in ("truth", "frames"))
    each = networks.lpips(truth, dreamt)
    value, low, high = bootstrap_mean(each)
    episodes = tuple(float(v) for v in each)
    return Figure(f"lpips_{h}", value, low, high, "", "lower", count=len(each), episodes=episodes)


def _fid(networks: Backbones, reached: Sequence[Rollout], h: int) -> Figure:
    times = window(h)
    truth, dreamt = (
        np.concatenate([getattr(r, part)[times] for r in reached]) for part in ("truth", "frames")
    )
    note = f"{len(truth)} frames, {times[0] + 1} to {times[-1] + 1} of each episode"
    return Figure(f"fid_{h}", networks.fid(truth, dreamt), better="lower", count=len(reached), note=note)


def _fvd(networks: Backbones, reached: Sequence[Rollout], h: int) -> Figure:
    truth, dreamt = (
        np.stack([getattr(r, part)[h - CLIP : h] for r in reached]) for part in ("truth", "frames")
    )
    note = f"{len(truth)} clips of frames {h - CLIP + 1} to {h}"
    return Figure(f"fvd_{h}", networks.fvd(truth, dreamt), better="lower", count=len(reached), note=note)
