"""`worldsim train idm`: trains an inverse-dynamics model, which labels videos that have no actions.

It learns from recordings with actions, and is examined on the last tenth of them, which it never
sees. The folder gets its weights and what it reached; `worldsim data import --label` uses it.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from worldsim.actions import CAMERA, INDEX, KEYS
from worldsim.checkpoint import save_checkpoint
from worldsim.config import to_json
from worldsim.data.dataset import ClipDataset
from worldsim.data.storage import EpisodeStore
from worldsim.errors import DatasetError, NumericalError
from worldsim.model.inverse import AFTER, BEFORE, PAIRS, InverseConfig, InverseModel, compand
from worldsim.model.tokenizer import frames_to_float

from .device import pick_device
from .parts import check_above_nothing

WINDOW = BEFORE + 2 + AFTER
HELD_OUT = 0.1
"""Share of the recordings, at their end, that it is examined on."""
_RATE = 2e-3
_CAMERA_WEIGHT = 20.0
_KEYS = [INDEX[key] for key in KEYS]


@dataclass(frozen=True)
class TrainOptions:
    """What to learn from, how long, and where the model goes."""

    data: str
    """Folder of recordings with actions, in frames of one size."""
    out: str = "runs/idm"
    """Folder of the trained model."""
    minutes: float = 10.0
    """Time of training, besides the exam."""
    steps: int | None = None
    """Optimiser steps, in place of minutes; needed for runs that repeat."""
    batch: int = 32
    """Windows a step."""
    channels: int = 32
    """Size of the network, a multiple of 8."""
    exam: int = 2000
    """Windows that it is examined with, at most."""
    seed: int = 0
    """Decides first weights and the order of windows."""
    device: str = "auto"
    """cpu, cuda or auto."""


def main(options: TrainOptions) -> Path:
    """Train, examine and save; returns the folder.

    Raises:
        UsageError: a number out of range.
        DatasetError: no recordings, or too short ones.
    """
    check_above_nothing(options, ("minutes", "batch", "exam"))
    device = pick_device(options.device)
    torch.manual_seed(options.seed)
    source = ClipDataset(options.data, length=WINDOW)
    split = int(len(source) * (1 - HELD_OUT))
    if len(source) < 20 * WINDOW:
        raise DatasetError(
            f"{options.data}: has {len(source)} windows of {WINDOW} frames, expected {20 * WINDOW} or more; "
            "record more"
        )
    model = InverseModel(InverseConfig(source.width, source.height, options.channels)).to(device)
    try:
        lessons = Lessons(source, model, EpisodeStore(options.data))
        # A window may not reach from one part into the other.
        known = split - WINDOW
        model.fit(lessons.moved[:known, BEFORE], lessons.actions[:known, CAMERA])
        frames = _teach(model, lessons, known, options)
        unseen = np.random.default_rng(options.seed).permutation(np.arange(split, len(source)))
        accuracy = examine(model, lessons, unseen[: options.exam])
    finally:
        source.close()
    info = {"kind": "idm", "frames": frames, "accuracy": accuracy, "data": Path(options.data).name}
    save_checkpoint(Path(options.out), model.state_dict(), to_json(model.config), info=info)
    _print(Path(options.out), accuracy)
    return Path(options.out)


class Lessons:
    """Windows of recordings, with the motion of their pairs worked out once: it has nothing to learn."""

    def __init__(self, source: ClipDataset, model: InverseModel, store: EpisodeStore) -> None:
        self._source = source
        parts, actions = [], []
        for number in tqdm(range(len(store)), desc="motion", unit=" episodes", disable=None):
            if store.manifest(number).frames >= WINDOW:
                episode = store.read(number)
                parts.append(model.motion(episode.frames).unfold(0, PAIRS, 1).movedim(-1, 1))
                actions.append(episode.actions[BEFORE : BEFORE + len(parts[-1])])
        self.moved = torch.cat(parts)
        """`[N, 5, 99]`, in the order of the source's clips."""
        self.actions = torch.from_numpy(np.concatenate(actions))
        """`[N, 25]`: what led from frame 2 of each window to frame 3."""

    def windows(self, numbers: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Windows `[B, 6, 3, H, W]` in [-1, 1], their motion `[B, 5, 99]`, the actions inside `[B, 25]`."""
        clips = [self._source.clip(int(number)) for number in numbers]
        frames = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(device)
        return frames_to_float(frames), self.moved[numbers].to(device), self.actions[numbers].to(device)


def loss_of(model: InverseModel, window: Tensor, moved: Tensor, actions: Tensor) -> Tensor:
    """Cross-entropy of the keys and a robust error of the companded turns."""
    keys, turns = model(window, moved)
    pressed = F.binary_cross_entropy_with_logits(keys, actions[:, _KEYS], reduction="none").sum(1).mean()
    return pressed + _CAMERA_WEIGHT * F.smooth_l1_loss(compand(turns), compand(actions[:, CAMERA]), beta=0.02)


def _teach(model: InverseModel, lessons: Lessons, count: int, options: TrainOptions) -> int:
    """Train until the time or the steps are over; the averaged weights stay. Returns windows seen."""
    device = next(model.parameters()).device
    rng = np.random.default_rng([options.seed, 1])
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), _RATE, betas=(0.9, 0.98), weight_decay=0.05)
    start, step = time.monotonic(), 0
    with tqdm(
        total=100, desc="idm", unit="%", disable=None, bar_format="{desc} {percentage:3.0f}% {postfix}"
    ) as bar:
        while (done := _done(options, step, time.monotonic() - start)) < 1:
            rate = _RATE * min(1.0, (step + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = loss_of(model, *lessons.windows(rng.integers(0, count, options.batch), device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            step += 1
            with torch.no_grad():
                for kept, new in zip(average.parameters(), model.parameters()):
                    kept.lerp_(new, max(0.005, min(1.0, 10 / step)))  # over the last tenth
            if not math.isfinite(float(loss.detach())):
                raise NumericalError(f"loss: got {float(loss.detach())} at step {step}; lower the rate")
            bar.set_postfix_str(f"{step} steps, loss {float(loss.detach()):.3f}", refresh=False)
            bar.update(int(100 * done) - bar.n)
    model.load_state_dict(average.state_dict())
    return step * options.batch


def _done(options: TrainOptions, step: int, seconds: float) -> float:
    return step / options.steps if options.steps is not None else seconds / (60 * options.minutes)


def examine(
    model: InverseModel, lessons: Lessons, numbers: NDArray[np.int64], batch: int = 64
) -> dict[str, Any]:
    """What the model gets right on windows it never saw.

    `camera_error` and `camera_size`: mean absolute error and size of turns in degrees, both axes;
    `camera_median`: the error that half of the turns stay below; `camera_still`: the error where nothing turns.
    For every key that was pressed and let go: its `share`, how much of what is labelled pressed is
    pressed (`precision`), and how much of what is pressed is labelled (`recall`).
    """
    model.eval()
    device = next(model.parameters()).device
    truth, found = [], []
    for start in range(0, len(numbers), batch):
        window, moved, actions = lessons.windows(numbers[start : start + batch], device)
        truth.append(actions.cpu().numpy())
        found.append(model.read(window, moved))
    real, labels = np.concatenate(truth), np.concatenate(found)
    turned = np.abs(real[:, CAMERA])
    error = np.abs(labels[:, CAMERA] - real[:, CAMERA])
    keys: dict[str, Any] = {}
    for key in KEYS:
        down, said = real[:, INDEX[key]] > 0.5, labels[:, INDEX[key]] > 0.5
        if 0 < down.sum() < len(down):
            keys[key] = {
                "share": float(down.mean()),
                "precision": float((down & said).sum() / max(1, said.sum())),
                "recall": float((down & said).sum() / down.sum()),
            }
    return {
        "windows": len(real),
        "camera_error": float(error.mean()),
        "camera_size": float(turned.mean()),
        "camera_median": float(np.median(error[turned > 0])) if (turned > 0).any() else 0.0,
        "camera_still": float(error[turned == 0].mean()) if (turned == 0).any() else 0.0,
        "keys": keys,
    }


def _print(folder: Path, accuracy: dict[str, Any]) -> None:
    print(f"{folder}: examined on {accuracy['windows']} windows that it never saw")
    error, size, median, still = (accuracy[f"camera_{name}"] for name in ("error", "size", "median", "still"))
    print(f"  camera        {error:.2f} degrees off where turns are of {size:.2f} (means)")
    print(f"                half of the turns within {median:.2f}, {still:.2f} off where nothing turns")
    for key, row in accuracy["keys"].items():
        print(
            f"  {key:<12}  pressed {row['share']:6.1%}, precision {row['precision']:4.0%}, recall {row['recall']:4.0%}"
        )
