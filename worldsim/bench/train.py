"""`worldsim bench train`: frames a second of training, by a short run through the real program."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from statistics import median
from typing import Any

from worldsim import registry
from worldsim.bench.report import Report, Row, at_least, machine
from worldsim.errors import WorldSimError


@dataclasses.dataclass(frozen=True)
class TrainBenchOptions:
    """Train for a number of optimiser steps and time them; the first ones, which compile, are left out."""

    recipe: str = "cpu"
    """Recipe to train."""
    live: str = "worldsim/Voxel-v0"
    """Game to train on."""
    steps: int = 60
    """Optimiser steps in all."""
    skip: int = 10
    """Steps at the beginning that don't count."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    set: tuple[str, ...] = ()
    """Changes of the recipe, such as batch=8."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        at_least("skip", self.skip, 1)
        at_least("steps", self.steps, self.skip + 20)


def run(options: TrainBenchOptions) -> None:
    """Measure and publish; figures are medians over stretches of about ten steps."""
    from worldsim.tracking import read_metrics

    facts = machine()
    with tempfile.TemporaryDirectory() as folder:
        _train(options, folder)
        lines = [line for line in read_metrics(folder) if "frames" in line and line["step"] > options.skip]
    Report("train", dataclasses.asdict(options), [_rates(lines)], facts).publish(options.json)


def _train(options: TrainBenchOptions, folder: str) -> None:
    import importlib

    program = registry.resolve(registry.PROGRAMS, "world", "program")
    kind: Any = importlib.import_module(program.__module__).TrainOptions
    program(
        kind(
            recipe=options.recipe, live=options.live, steps=options.steps, out=folder, device=options.device,
            set=("preview_minutes=null", "save_minutes=1000", *options.set), wandb="disabled",
        )
    )  # fmt: skip


def _rates(lines: list[Row]) -> Row:
    stretches = list(itertools.pairwise(lines))
    if not stretches:
        raise WorldSimError("bench train: the run logged too few steps; raise --steps")
    seconds = [(after["time"] - before["time"]) for before, after in stretches]
    return {
        "frames_per_s": median((b["frames"] - a["frames"]) / s for (a, b), s in zip(stretches, seconds)),
        "steps_per_s": median((b["step"] - a["step"]) / s for (a, b), s in zip(stretches, seconds)),
        "stretches": len(stretches),
        "last_loss": lines[-1].get("loss"),
    }
