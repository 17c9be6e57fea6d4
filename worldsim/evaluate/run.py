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
from worldsim.evaluate.resume import SECONDS, check_alike, joined, missing, seconds_in_words
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.suite import METRICS, ORDER, Suite, find_metric
from worldsim.evaluate.twin import GAME
from worldsim.sim.network import Backend
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import load_world

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

NOT_YET = "not measured yet"
INTERRUPTED = "interrupted before it was measured"
CHOOSING = "choosing episodes"
Tell = Callable[[int, int, str, str], None]
"""Told (frames dreamt, frames in all, metric, what is done for it, "" while it is dreamt).

Before the first metric it is told (0, 0, `CHOOSING`, metric): a full suite's takes minutes, too.
"""


@dataclasses.dataclass
class Survey:
    """What the metrics found, so far."""

    sections: list[Section] = dataclasses.field(default_factory=list)
    frames: int = 0
    """Frames dreamt."""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    """Wall time of each metric; an episode that several share counts for the first."""
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    """Metrics with a mistake in them, and what it was; those still to come are `NOT_YET`."""


def survey(
    dreamer: Dreamer,
    suite: Suite,
    *,
    metrics: Sequence[str] = METRICS,
    probes: Probes | None = None,
    engine: str = GAME,
    batch: int = 8,
    progress: Tell | None = None,
    keep: Callable[[Survey], None] | None = None,
    strict: bool = False,
) -> Survey:
    """Measure a dreamer; episodes that metrics share are played and dreamt once.

    Ctrl-C leaves what was measured before, and names the rest as failed.

    Args:
        keep: given what was found so far after each metric but the last, once there is a section.
        strict: raise a metric's mistake, in place of noting it and going on with the others.
    """
    chosen = [name for name in ORDER if name in metrics]
    found = Survey(failed=dict.fromkeys(chosen, NOT_YET))
    dreamt = Dreamt(dreamer, _plan(chosen, suite, progress), engine, batch)
    try:
        for name in chosen:
            _add(name, found, dreamt, probes, progress, strict)
            if keep and found.sections and name != chosen[-1]:
                keep(found)
    except KeyboardInterrupt:  # hours of dreaming are not lost to impatience
        if not found.sections:
            raise
        for name, why in found.failed.items():
            found.failed[name] = INTERRUPTED if why == NOT_YET else why
    return found


def _plan(metrics: Sequence[str], suite: Suite, progress: Tell | None) -> Plan:
    wanted: dict[str, list[Scenario]] = {}
    for name in metrics:
        if progress:
            progress(0, 0, CHOOSING, name)
        wanted[name] = find_metric(name).scenarios(suite)
    return Plan(wanted)


def _add(
    name: str, found: Survey, dreamt: Dreamt, probes: Probes | None, progress: Tell | None, strict: bool
) -> None:
    """Measure one metric. No rollout outlives this call but those which later metrics share."""
    began = time.perf_counter()

    def tell(frames: int = 0, doing: str = "") -> None:
        found.frames += frames
        if progress:
            progress(found.frames, dreamt.plan.frames, name, doing)

    rollouts = dreamt.rollouts(name, tell, lambda i, n: tell(doing=f"playing twin {i} of {n}"))
    tell(doing="measuring")
    try:
        section = find_metric(name).measure(rollouts, probes)
    except Exception as error:  # nor to one metric's mistake
        if strict:
            raise
        found.failed[name] = f"{type(error).__name__}: {error}"
        traceback.print_exception(error)
    else:
        strips = tuple(strip.copied() for strip in section.strips)
        found.sections.append(dataclasses.replace(section, strips=strips))
        del found.failed[name]
    found.seconds[name] = time.perf_counter() - began


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
    earlier: Report | None = None,
    progress: Tell | None = None,
    keep: Callable[[Report], None] | None = None,
) -> Report:
    """Evaluate a learned world against the game.

    Args:
        world: a shipped world's name, or a folder.
        steps: sampler steps a frame; None for the world's own.
        backend: what runs the network; other than eager it draws one world at a time.
        machine, command: in words, for the report.
        earlier: a report to go on from: only those of `metrics` are measured that it has no section of.
        keep: given the report so far after each metric but the last, once it holds something new.

    Returns:
        The report, with all that `earlier` holds; `earlier` itself if nothing was to be measured.

    Raises:
        UsageError, CheckpointError: no such world, or damaged weights.
        ConfigError: `earlier` is of another world, suite or setting; nothing has been dreamt then.
    """
    began = time.perf_counter()
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    loaded = load_world(world, device)
    config = SimulatorConfig(backend=backend)
    config = config if steps is None else dataclasses.replace(config, steps=steps)
    dreamer = WorldDreamer(loaded, config)
    settings = {
        "size": f"{dreamer.size[1]}x{dreamer.size[0]}",
        "sampler steps": str(config.steps),
        "given frames": str(suite.context),
        "device": device,
        "backend": dreamer.simulator.network.name,
        "precision": str(dreamer.simulator.dtype).removeprefix("torch."),
    }
    blank = Report(
        world=loaded.name,
        world_hash=loaded.hash,
        suite=suite.name,
        sections=(),
        seconds=0.0,
        frames=0,
        machine=machine,
        command=command,
        settings=settings,
        probes={} if probes is None else {"probes": probes.hash},
        version=_version(),
        date=date,
    )
    if earlier is not None:
        check_alike(earlier, blank)
        metrics = missing(earlier, metrics)
        if not metrics:
            return earlier

    def so_far(found: Survey) -> Report:
        fresh = dataclasses.replace(
            blank,
            sections=tuple(found.sections),
            seconds=time.perf_counter() - began,
            frames=found.frames,
            settings={**settings, SECONDS: seconds_in_words(found.seconds)},
            failed=dict(found.failed),
        )
        return fresh if earlier is None else joined(earlier, fresh)

    def hand_over(found: Survey) -> None:
        if keep:
            keep(so_far(found))

    return so_far(
        survey(dreamer, suite, metrics=metrics, probes=probes, batch=batch, progress=progress, keep=hand_over)
    )


def _version() -> str:
    try:
        return version("worldsim")
    except PackageNotFoundError:
        return ""
