"""`worldsim bench engine`: how fast a game's engine steps and draws, with a scripted player in it."""

from __future__ import annotations

import dataclasses
import os
import time
from functools import partial
from typing import Any

from worldsim import registry
from worldsim.bench.report import Report, Row, at_least, machine, median_of
from worldsim.errors import UsageError


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """Step and draw a game in one process.

    The scripted player decides outside the measured time; each repeat is another world.
    """

    engine: str = "worldsim/Voxel-v0"
    """Which engine, by its id."""
    sizes: tuple[str, ...] = ("96x64", "128x80", "160x96", "320x192")
    """Frame sizes, width x height."""
    frames: int = 400
    """Frames each repeat."""
    repeats: int = 5
    """Worlds a size; the figures are medians over them."""
    threads: int = 1
    """Threads the compiled code may use."""
    seed: int = 0
    """Seed of the first world."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name in ("frames", "repeats", "threads"):
            at_least(name, getattr(self, name), 1)
        at_least("seed", self.seed, 0)
        for size in self.sizes:
            parse_size(size)


def run(options: EngineOptions) -> None:
    """Measure every size and publish the table."""
    # Read by numba when it is first imported.
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)
    facts = machine()
    rows = []
    for size in options.sizes:
        width, height = parse_size(size)
        engine = registry.resolve(registry.ENGINES, options.engine, "engine")(width=width, height=height)
        _play(engine, options.seed, 20)  # compiles
        rows.append({"size": size, **median_of(partial(_world, engine, options), options.repeats)})
    Report("engine", dataclasses.asdict(options), rows, facts).publish(options.json)


def parse_size(text: str) -> tuple[int, int]:
    """Read "160x96" as (width, height).

    Raises:
        UsageError: not two positive numbers.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"size {text!r}: expected WIDTHxHEIGHT such as 160x96")
    return int(width), int(height)


def _world(engine: Any, options: EngineOptions, repeat: int) -> Row:
    return _play(engine, options.seed + repeat, options.frames)


def _play(engine: Any, seed: int, frames: int) -> Row:
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(seed)
    start = time.perf_counter()
    engine.reset(seed)
    reset_ms = (time.perf_counter() - start) * 1e3
    stepping = drawing = 0.0
    for _ in range(frames):
        action = player.act(engine.state())
        start = time.perf_counter()
        engine.step(action)
        middle = time.perf_counter()
        engine.render()
        stepping += middle - start
        drawing += time.perf_counter() - middle
    return {
        "fps": frames / (stepping + drawing),
        "step_ms": stepping / frames * 1e3,
        "render_ms": drawing / frames * 1e3,
        "reset_ms": reset_ms,
    }
