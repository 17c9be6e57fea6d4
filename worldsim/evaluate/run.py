"""Evaluate a dream: play the twins, roll the dream along them, measure, metric by metric."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from worldsim.evaluate.dreamer import Dreamer, WorldDreamer
from worldsim.evaluate.dreamt import Dreamt
from worldsim.evaluate.plan import Plan
from worldsim.evaluate.result import Report, Section
from worldsim.evaluate.suite import METRICS, ORDER, Suite, find_metric
from worldsim.evaluate.twin import GAME
from worldsim.sim.network import Backend
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import load_world

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes


@dataclasses.dataclass
class Survey:
    """What the metrics found, so far."""

    sections: list[Section] = dataclasses.field(default_factory=list)
    frames: int = 0
    """Frames dreamt."""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    """Wall time of each metric; an episode that several share counts for the first."""
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    """Metrics with a mistake in them, and what it was."""


def survey(
    dreamer: Dreamer,
    suite: Suite,
    *,
    metrics: Sequence[str] = METRICS,
    probes: Probes | None = None,
    engine: str = GAME,
    batch: int = 8,
    progress: Callable[[int, int, str], None] | None = None,
    strict: bool = False,
) -> Survey:
    """Measure a dreamer; episodes that metrics share are played and dreamt once.

    Ctrl-C while episodes are dreamt leaves what was measured before, and names the rest as failed.

    Args:
        progress: told (frames dreamt, frames in all, metric).
        strict: raise a metric's mistake, in place of noting it and going on with the others.
    """
    chosen = [name for name in ORDER if name in metrics]
    plan = Plan({name: find_metric(name).scenarios(suite) for name in chosen})
    found, dreamt = Survey(), Dreamt(dreamer, plan, engine, batch)
    for name in chosen:
        began = time.perf_counter()

        def tell(frames: int, name: str = name) -> None:
            found.frames += frames
            if progress:
                progress(found.frames, plan.frames, name)

        try:
            rollouts = dreamt.rollouts(name, tell)
        except KeyboardInterrupt:  # hours of dreaming are not lost to impatience either
            if not found.sections:
                raise
            left = chosen[chosen.index(name) :]
            found.failed |= dict.fromkeys(left, "interrupted before it was measured")
            return found
        try:
            section = find_metric(name).measure(rollouts, probes)
            found.sections.append(_own(section))
        except Exception as error:  # hours of dreaming are not lost to one metric's mistake
            if strict:
                raise
            found.failed[name] = f"{type(error).__name__}: {error}"
            traceback.print_exception(error)
        del rollouts  # or they would lie beside those of the next metric
        found.seconds[name] = time.perf_counter() - began
    return found


def _own(section: Section) -> Section:
    strips = tuple(strip.copied() for strip in section.strips)
    return dataclasses.replace(section, strips=strips)


def evaluate(
    world: str | Path,
    suite: Suite,
    *,
    metrics: Sequence[str] = METRICS,
    steps: int | None = None,
    backend: Backend = "eager",
    device: str = "cpu",
    batch: int = 8,
    probes: Probes | None = None,
    machine: str = "",
    command: str = "",
    progress: Callable[[int, int, str], None] | None = None,
) -> Report:
    """Evaluate a learned world against the game.

    Args:
        world: a shipped world's name, or a folder.
        steps: sampler steps a frame; None for the world's own.
        backend: what runs the network; other than eager it draws one world at a time.
        machine, command: in words, for the report.

    Raises:
        UsageError, CheckpointError: no such world, or damaged weights.
    """
    began = time.perf_counter()
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    loaded = load_world(world, device)
    config = SimulatorConfig(backend=backend)
    config = config if steps is None else dataclasses.replace(config, steps=steps)
    dreamer = WorldDreamer(loaded, config)
    found = survey(dreamer, suite, metrics=metrics, probes=probes, batch=batch, progress=progress)
    settings = {
        "size": f"{dreamer.size[1]}x{dreamer.size[0]}",
        "sampler steps": str(config.steps),
        "given frames": str(suite.context),
        "device": device,
        "backend": dreamer.simulator.network.name,
        "precision": str(dreamer.simulator.dtype).removeprefix("torch."),
        "seconds by metric": ", ".join(f"{name} {s:.0f}" for name, s in found.seconds.items()),
    }
    return Report(
        world=loaded.name,
        world_hash=loaded.hash,
        suite=suite.name,
        sections=tuple(found.sections),
        seconds=time.perf_counter() - began,
        frames=found.frames,
        machine=machine,
        command=command,
        settings=settings,
        probes={} if probes is None else {"probes": probes.hash},
        version=_version(),
        date=date,
        failed=found.failed,
    )


def _version() -> str:
    try:
        return version("worldsim")
    except PackageNotFoundError:
        return ""
