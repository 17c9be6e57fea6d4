"""`worldsim train probes`: trains the two networks that measure worlds, on the game alone.

Quarter of an hour on one processor core. The folder gets a checkpoint with both networks and
what they reach on worlds they never saw; those that ship lie in worldsim/evaluate/probes/weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from worldsim.checkpoint import save_checkpoint
from worldsim.errors import UsageError
from worldsim.evaluate.probes.bundle import KIND, Probes, load_probes, to_input
from worldsim.evaluate.probes.motion import MotionNet
from worldsim.evaluate.probes.seg import SegNet

from .probe_exam import examine
from .probe_footage import Footage, film
from .probe_lessons import degrade, motion_loss

TRAINING_SEEDS, EXAM_SEEDS = 3_000_000, 800
_SEG_SHARE = 0.4  # of the time


@dataclass(frozen=True)
class TrainOptions:
    """How long, and where the probes go."""

    out: str = "runs/probes"
    """Folder of the trained probes."""
    live: str = "worldsim/Voxel-v0"
    """Game that they learn to read."""
    minutes: float = 12.0
    """Time of training, besides playing and the exam."""
    clips: int = 1500
    """Clips of six frames to learn from."""
    exam: int = 240
    """Clips of worlds never trained on that they are examined with."""
    seed: int = 0
    """Decides first weights, order and noise; two runs differ as the clock decides their length."""


def main(options: TrainOptions) -> Path:
    """Train, examine and save; returns the folder.

    Raises:
        UsageError: a number out of range.
    """
    for name in ("minutes", "clips", "exam"):
        if not getattr(options, name) > 0:
            raise UsageError(f"{name}: got {getattr(options, name)}, expected more than 0")
    torch.manual_seed(options.seed)
    size = {"engine": options.live, "width": 160, "height": 96}
    footage = film(options.clips, TRAINING_SEEDS + 10_000 * options.seed, **size)  # type: ignore[arg-type]
    seg, motion = SegNet(), MotionNet()
    seconds = 60 * options.minutes
    rng = np.random.default_rng(options.seed)
    frames = {"seg": _teach(seg, _seg_lessons(seg, footage, rng), _SEG_SHARE * seconds, "seg")}
    frames["motion"] = _teach(
        motion, _motion_lessons(motion, footage, rng), (1 - _SEG_SHARE) * seconds, "motion"
    )
    probes = Probes(seg, motion, hash="", accuracy={})
    accuracy = examine(probes, film(options.exam, EXAM_SEEDS, **size))  # type: ignore[arg-type]
    folder = Path(options.out)
    tensors = {
        f"{name}.{key}": t
        for name, net in (("seg", seg), ("motion", motion))
        for key, t in net.state_dict().items()
    }
    info = {
        "accuracy": accuracy,
        "frames": sum(frames.values()),
        "minutes": options.minutes,
        "exam": options.exam,
    }
    save_checkpoint(folder, tensors, {"kind": KIND}, info=info, dtype=torch.float16)
    load_probes.cache_clear()
    print(f"{folder}: {load_probes(folder).hash[:12]}")
    for name, value in accuracy.items():
        if f"{name}_degraded" in accuracy:
            print(f"  {name:12} {value:7.3f}  degraded {accuracy[f'{name}_degraded']:7.3f}")
    return folder


def _seg_lessons(
    net: SegNet, footage: Footage, rng: np.random.Generator
) -> Callable[[], tuple[Tensor, int, str]]:
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    order = _shuffled(len(footage.frames), 16, rng)
    counts = np.bincount(footage.classes.ravel(), minlength=37) + 1000.0
    weight = torch.from_numpy((counts.mean() / counts) ** 0.3).float().clamp(0.5, 3.0)

    def lesson() -> tuple[Tensor, int, str]:
        rows = next(order)
        classes = torch.from_numpy(footage.classes[rows]).long()
        images = degrade(to_input(torch.from_numpy(footage.frames[rows, -1:])), noise)[:, 0]
        if rng.random() < 0.5:
            images, classes = images.flip(3), classes.flip(2)
        with torch.autocast("cpu", torch.bfloat16, enabled=_fast()):
            logits = net(images.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), classes, weight)
        return loss, len(rows), f"{float((logits.argmax(1) == classes).float().mean()):.3f} right"

    return lesson


def _motion_lessons(
    net: MotionNet, footage: Footage, rng: np.random.Generator
) -> Callable[[], tuple[Tensor, int, str]]:
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    order = _shuffled(len(footage.frames), 5, rng)
    names = ("depth", "step", "turn", "pitch", "pressed", "known", "slot")

    def lesson() -> tuple[Tensor, int, str]:
        rows = next(order)
        images = degrade(to_input(torch.from_numpy(footage.frames[rows])), noise)
        with torch.autocast("cpu", torch.bfloat16, enabled=_fast()):
            seen = net(images)
        loss, parts = motion_loss(
            seen, {name: torch.from_numpy(getattr(footage, name)[rows]) for name in names}
        )
        return (
            loss,
            images.shape[0] * images.shape[1],
            " ".join(f"{name} {part:.2f}" for name, part in parts.items()),
        )

    return lesson


def _teach(net: nn.Module, lesson: Callable[[], tuple[Tensor, int, str]], seconds: float, name: str) -> int:
    """Train until the time is over; the averaged weights stay. Returns frames seen."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    start, frames, steps = time.monotonic(), 0, 0
    with tqdm(total=100, desc=name, unit="%", bar_format="{desc} {percentage:3.0f}% {postfix}") as bar:
        while (done := (time.monotonic() - start) / seconds) < 1.0:
            rate = 2e-3 * min(1.0, (steps + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss, count, text = lesson()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            frames, steps = frames + count, steps + 1
            with torch.no_grad():
                for kept, new in zip(average.parameters(), net.parameters()):
                    kept.lerp_(new, max(0.01, 1 / steps))
            bar.set_postfix_str(f"{frames} frames, loss {float(loss):.3f}, {text}", refresh=False)
            bar.update(int(100 * done) - bar.n)
    net.load_state_dict(average.state_dict())
    return frames


def _shuffled(count: int, batch: int, rng: np.random.Generator) -> Iterator[Any]:
    batch = min(batch, count)
    while True:
        order = rng.permutation(count)
        for first in range(0, count - batch + 1, batch):
            yield order[first : first + batch]


def _fast() -> bool:
    return bool(torch.cpu._is_amx_tile_supported())
