"""What the programs share that teach a finished world one part more: from a game that is played for that alone."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm

from worldsim import registry
from worldsim.atomic import write_file
from worldsim.checkpoint import load_checkpoint, save_checkpoint
from worldsim.config import to_json
from worldsim.errors import NumericalError, UsageError
from worldsim.locate import find_world
from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.world_model import WorldModel
from worldsim.sim.world import load_world

from .ema import EMA
from .lesson_pool import together
from .schedule import ema_decay

_AVERAGE = 0.998


@dataclass(frozen=True)
class PartOptions:
    """Which world is given a part, from what game, and where the result goes."""

    world: str = "voxel"
    """World to teach: a shipped name or a folder; it is not changed. The part that it has is where training begins."""
    env: str = registry.GAME
    """Game that is played, of the size of the world's frames."""
    minutes: float = 20.0
    """Time of training, besides the exam."""
    steps: int | None = None
    """Optimiser steps, in place of minutes; needed, with --workers 0, for runs that repeat."""
    out: str = "runs/part"
    """Folder of the world with the part."""
    width: int = 128
    """Units of the hidden layers of a new part."""
    workers: int = 1
    """Processes that play; 0: this one."""
    exam: int = 600
    """Ticks of unseen worlds that it is examined with."""
    seed: int = 0
    """Decides first weights and the worlds that are played in."""


@dataclass(frozen=True)
class Course:
    """What is particular to one part."""

    name: str
    """Of the part in `WorldModel`, and of the file that tells what it reached."""
    play: Callable[..., Iterator[Any]]
    """`play(engine, seed, width=, height=)`: lessons without end."""
    batch: int
    """Lessons that are brought at once."""
    make: Callable[[int, DenoiserConfig], nn.Module]
    """A new part of a width, for a world."""
    teach: Callable[..., int]
    """`teach(part, batches, minutes=, steps=, seed=)`: trains it and returns the steps."""
    examine: Callable[[Any, Any], dict[str, float]]
    """`examine(part, batch)`: what it reaches."""
    exam_seed: int
    """Of the worlds that nobody learns from."""

    def exam(self, engine: str, *, count: int, width: int, height: int) -> Any:
        """Lessons of unseen worlds, always the same."""
        return together(list(islice(self.play(engine, self.exam_seed, width=width, height=height), count)))


def give(options: PartOptions, course: Course) -> Path:
    """Teach a part, examine it and write a copy of the world that has it; returns the folder.

    Raises:
        UsageError: no such world or game, or a number out of range.
        NumericalError: the weights are no longer finite.
    """
    home, out = check_target(options)
    model = load_world(home).model
    d = model.config.denoiser
    size = {"width": d.width, "height": d.height}
    torch.manual_seed(options.seed)
    part = getattr(model, course.name) or course.make(options.width, d)
    stream = Stream(course.play, options.env, options.seed, size)
    loader = DataLoader(stream, course.batch, num_workers=options.workers, collate_fn=together)
    minutes = math.inf if options.steps is not None else options.minutes
    steps = course.teach(part, iter(loader), minutes=minutes, steps=options.steps, seed=options.seed)
    unseen = course.exam(options.env, count=options.exam, **size)
    return keep(home, model, out, course.name, part, {"steps": steps, **course.examine(part, unseen)})


def keep(
    home: Path, model: WorldModel, out: Path, name: str, part: nn.Module, found: dict[str, float]
) -> Path:
    """Write a copy of a world that has this part, with what its exam found, and say so; returns the folder."""
    _write(home, model, out, name, part)
    write_file(out / f"{name}.json", (json.dumps(found, indent=1) + "\n").encode())
    for figure, value in found.items():
        print(f"{figure:>24} {value:g}")
    print(f"{out}: the world with its {name}; try it with  worldsim play --world {out}")
    return out


def check_target(options: PartOptions) -> tuple[Path, Path]:
    """The world's folder and the one to write, which holds nothing yet; nothing was done if either is wrong."""
    check_above_nothing(options, ("minutes", "steps", "width", "exam"))
    home, out = find_world(options.world), Path(options.out)
    registry.resolve(registry.ENGINES, options.env, "engine")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"--out: {out} holds something already; choose another folder")
    return home, out


def check_above_nothing(options: Any, names: Sequence[str]) -> None:
    """Raise UsageError unless these options are above 0, or None."""
    for name in names:
        if (value := getattr(options, name)) is not None and not value > 0:
            raise UsageError(f"{name}: got {value}, expected more than 0")


class Stream(IterableDataset[Any]):
    """Lessons without end, for workers that play beside training."""

    def __init__(
        self, play: Callable[..., Iterator[Any]], engine: str, seed: int, size: dict[str, int]
    ) -> None:
        self.play, self.engine, self.seed, self.size = play, engine, seed, size

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        torch.set_num_threads(1)
        return self.play(self.engine, self.seed + (worker.id if worker else 0), **self.size)


def fit(
    part: nn.Module, batches: Iterator[Any], take: Callable[[Any], bool], loss: Callable[[], Tensor], *,
    name: str, rate: float, weight_decay: float, minutes: float, steps: int | None, reuse: int,
) -> int:  # fmt: skip
    """Train until the time or the steps are over; the averaged weights stay. Returns the steps.

    Args:
        batches: lessons that come in.
        take: keeps a batch, and says whether there are enough to begin.
        loss: of lessons that are drawn from what was kept.
        reuse: steps a batch that comes in.
    """
    optimiser = torch.optim.AdamW(
        part.train().requires_grad_(True).parameters(), lr=rate, weight_decay=weight_decay
    )
    # It follows closely at first, so that a short run is not its first weights.
    average = EMA(part, lambda n: ema_decay(n, _AVERAGE))
    begin, done = time.monotonic(), 0
    with tqdm(desc=name, unit=" steps", disable=None) as shown:
        for batch in batches:
            if not take(batch):
                continue
            for _ in range(reuse):
                share = max((time.monotonic() - begin) / 60 / minutes, done / steps if steps else 0.0)
                if share >= 1:
                    part.load_state_dict(average.module_state())
                    return done
                for group in optimiser.param_groups:
                    group["lr"] = rate * min(1.0, (done + 1) / 100) * min(1.0, 2.5 * (1 - share) + 0.01)
                off = loss()
                descend(part, optimiser, off, f"{name}: after {done} steps")
                average.update()
                done += 1
            shown.update(reuse)
            if done % 50 < reuse:
                shown.set_postfix(loss=f"{float(off.detach()):.4f}")
    return done


def descend(part: nn.Module, optimiser: torch.optim.Optimizer, off: Tensor, when: str) -> None:
    """One step down a loss.

    Raises:
        NumericalError: the loss is not finite; `when` says where that was.
    """
    if not bool(off.isfinite()):
        raise NumericalError(f"{when} the loss is {float(off.detach())}")
    optimiser.zero_grad()
    off.backward()
    nn.utils.clip_grad_norm_(part.parameters(), 1.0)
    optimiser.step()


def _write(home: Path, model: WorldModel, out: Path, name: str, part: nn.Module) -> None:
    """Write a copy of a world's folder with this part in place of its own."""
    config = replace(model.config, **{name: part.config})
    taught = WorldModel(config)
    others = {k: v for k, v in model.state_dict().items() if not k.startswith(f"{name}.")}
    taught.load_state_dict({**others, **{f"{name}.{k}": v for k, v in part.state_dict().items()}})
    info = load_checkpoint(home).info
    save_checkpoint(out, taught.state_dict(), to_json(config), info=info, dtype=torch.float16)
    for path in home.glob("*.npz"):
        shutil.copy(path, out)
