"""How good the probes are on worlds they never saw, clean and degraded."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.evaluate.probes.acting import KEYS
from worldsim.evaluate.probes.bundle import Probes

from .probe_footage import Footage
from .probe_lessons import blur

_LARGE = 30.0  # degrees: of a larger turn too little stays in view


def examine(probes: Probes, footage: Footage, hud: NDArray[np.bool_]) -> dict[str, float]:
    """Accuracies by name; those of frames blurred by 3x3 and with noise of 4 grey levels end in "_degraded"."""
    clean = _examine(probes, footage, footage.frames, hud)
    rough = _examine(probes, footage, _degraded(footage.frames), hud)
    return {**clean, **{f"{name}_degraded": value for name, value in rough.items()}}


def _examine(
    probes: Probes, footage: Footage, frames: NDArray[np.uint8], hud: NDArray[np.bool_]
) -> dict[str, float]:
    found: dict[str, float] = {}
    classes = probes.blocks(frames[:, -1])
    found["blocks"] = float((classes == footage.classes).mean())
    found["blocks_iou"] = _mean_iou(classes, footage.classes)
    moves = [
        probes.moves(
            clip, depth=footage.depth[i], pitch=footage.pitch[i, :-1], expected=footage.turn[i], hud=hud
        )
        for i, clip in enumerate(frames)
    ]
    step, turn = np.stack([m.step for m in moves]), np.stack([m.turn for m in moves])
    fair = np.abs(footage.turn).max(2) < _LARGE
    for i, name in enumerate(("yaw", "pitch")):
        true, said = footage.turn[..., i][fair], turn[..., i][fair]
        found |= _numbers(name, true, said)
        found[f"{name}_sign"] = float((np.sign(said) == np.sign(true))[np.abs(true) > 1.0].mean())
    for i, name in enumerate(("right", "up", "ahead")):
        found |= _numbers(name, footage.step[..., i][fair], step[..., i][fair])
    # The first tick of a clip has no step before it to be read off.
    known = (footage.known & fair[..., None])[:, 1:]
    keys = np.stack([m.keys for m in moves])[:, 1:]
    scores = {
        key: f1((footage.pressed[:, 1:] & known)[..., i], (keys & known)[..., i])
        for i, key in enumerate(KEYS)
    }
    found |= {f"f1_{key}": score for key, score in scores.items()}
    found["f1"] = float(np.nanmean(list(scores.values())))
    found["slot"] = float((np.stack([m.slot for m in moves]) == footage.slot).mean())
    return {name: round(value, 4) for name, value in found.items() if np.isfinite(value)}


def f1(pressed: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; nan if never pressed."""
    hits = float((pressed & said).sum())
    return float("nan") if not pressed.any() else 2 * hits / max(1.0, float(pressed.sum() + said.sum()))


def _numbers(name: str, true: NDArray[Any], said: NDArray[Any]) -> dict[str, float]:
    return {
        f"{name}_error": float(np.median(np.abs(said - true))),
        f"{name}_gain": float((said * true).sum() / (true * true).sum()),
        f"{name}_r2": float(1 - ((said - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()),
    }


def _mean_iou(said: NDArray[Any], true: NDArray[Any]) -> float:
    both = [((said == k) & (true == k)).sum() / ((said == k) | (true == k)).sum() for k in np.unique(true)]
    return float(np.mean(both))


def _degraded(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    rows = []
    for clip in frames:
        soft = blur(torch.from_numpy(clip).movedim(-1, -3).float()).movedim(-3, -1).numpy()
        rows.append(np.clip(soft + rng.normal(0, 4.0, soft.shape), 0, 255).astype(np.uint8))
    return np.stack(rows)
