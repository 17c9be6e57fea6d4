"""`worldsim train probes`: trains and examines what measures worlds, on the game alone.

A quarter of an hour on one processor core. The folder gets a checkpoint with the networks and
what the probes reach on worlds they never saw; what ships lies in worldsim/evaluate/probes/weights.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from worldsim.checkpoint import load_checkpoint, load_into, save_checkpoint
from worldsim.errors import UsageError
from worldsim.evaluate.probes.bundle import KIND, Probes, load_probes
from worldsim.evaluate.probes.motion import HotbarNet
from worldsim.evaluate.probes.seg import SegNet
from worldsim.evaluate.twin import overlay

from .probe_exam import examine
from .probe_footage import film
from .probe_lessons import Lesson, hotbar_lessons, seg_lessons

TRAINING_SEEDS, EXAM_SEEDS = 3_000_000, 800
WIDTH, HEIGHT = 160, 96
SHARES = {"seg": 0.95, "hotbar": 0.05}
"""Of the time. The motion probe has nothing to learn."""
_LESSONS = {"seg": seg_lessons, "hotbar": hotbar_lessons}
_RATE = 2e-3


@dataclass(frozen=True)
class TrainOptions:
    """How long, and where the probes go."""

    out: str = "runs/probes"
    """Folder of the trained probes."""
    live: str = "worldsim/Voxel-v0"
    """Game that they learn to read."""
    minutes: float = 12.0
    """Time of training, besides playing and the exam."""
    clips: int = 1600
    """Clips to learn from, a frame of each."""
    exam: int = 240
    """Clips of worlds never trained on that they are examined with."""
    start: str = ""
    """Folder of probes to go on from."""
    only: Literal["all", "seg", "hotbar", "exam"] = "all"
    """Which network to train, the other one staying as it was at the start; or none, only to examine them."""
    seed: int = 0
    """Decides first weights, worlds and order; two runs still differ, as the clock decides their length."""


def main(options: TrainOptions) -> Path:
    """Train, examine and save; returns the folder.

    Raises:
        UsageError: a number out of range.
        CheckpointError: there are no probes at the start.
    """
    for name in ("minutes", "clips", "exam"):
        if not getattr(options, name) > 0:
            raise UsageError(f"{name}: got {getattr(options, name)}, expected more than 0")
    torch.manual_seed(options.seed)
    networks = {"seg": SegNet(), "hotbar": HotbarNet()}
    saved = load_checkpoint(Path(options.start)) if options.start else None
    if saved is not None:
        _take_over(networks, saved.tensors)
    frames = 0 if saved is None else saved.frames
    shares = SHARES if options.only == "all" else {name: 1.0 for name in SHARES if name == options.only}
    if shares:
        footage = film(
            options.clips,
            TRAINING_SEEDS + 10_000 * options.seed,
            engine=options.live,
            width=WIDTH,
            height=HEIGHT,
        )
        rng = np.random.default_rng(options.seed)
        for name, share in shares.items():
            lesson = _LESSONS[name](networks[name], footage, rng)
            frames += teach(networks[name], lesson, share * 60 * options.minutes, name)
    seg, hotbar = networks["seg"], networks["hotbar"]
    assert isinstance(seg, SegNet) and isinstance(hotbar, HotbarNet)
    unseen = film(options.exam, EXAM_SEEDS, engine=options.live, width=WIDTH, height=HEIGHT)
    accuracy = examine(Probes(seg, hotbar, hash="", accuracy={}), unseen, overlay(WIDTH, HEIGHT))
    tensors = {f"{name}.{key}": t for name, net in networks.items() for key, t in net.state_dict().items()}
    info = {"accuracy": accuracy, "frames": frames, "exam": options.exam}
    save_checkpoint(Path(options.out), tensors, {"kind": KIND}, info=info, dtype=torch.float16)
    load_probes.cache_clear()
    print(f"{options.out}: {load_probes(Path(options.out)).hash[:12]}")
    for name in (name for name in accuracy if f"{name}_degraded" in accuracy):
        print(f"  {name:12} {accuracy[name]:7.3f}  degraded {accuracy[f'{name}_degraded']:7.3f}")
    return Path(options.out)


def teach(net: nn.Module, lesson: Lesson, seconds: float, name: str) -> int:
    """Train until the time is over; the averaged weights stay. Returns frames seen."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, betas=(0.9, 0.98), weight_decay=0.01)
    start, frames, steps = time.monotonic(), 0, 0
    with tqdm(total=100, desc=name, unit="%", bar_format="{desc} {percentage:3.0f}% {postfix}") as bar:
        while (done := (time.monotonic() - start) / seconds) < 1.0:
            rate = _RATE * min(1.0, (steps + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
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


def _take_over(networks: dict[str, nn.Module], saved: dict[str, Tensor]) -> None:
    for name, net in networks.items():
        load_into(
            net, {key: saved[f"{name}.{key}"].float() for key in net.state_dict() if f"{name}.{key}" in saved}
        )
