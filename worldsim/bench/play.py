"""`worldsim bench play`: what a player waits for: the window, each frame, the answer to a key."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from worldsim.bench.report import Report, Row, at_least, machine, median_of
from worldsim.errors import WorldSimError
from worldsim.play.options import DREAM

TIMEOUT_S = 1800
FIGURES = (
    "world", "width", "height", "ticks", "frames_per_second", "latency_median_ms", "latency_p95_ms", "latency_p99_ms",
    "seconds_to_first_frame",
)  # fmt: skip
"""What is taken from the player's own report."""


@dataclasses.dataclass(frozen=True)
class PlayBenchOptions:
    """Run the play loop without a window as fast as it goes, and time how long the window takes to open.

    Each run is a process of its own, as a player starts it. Without a display the window is
    opened on SDL's dummy driver.
    """

    env: str = DREAM
    """World to play, a Gymnasium id."""
    world: str | None = None
    """Learned world: a shipped name or a folder."""
    steps: int | None = None
    """Sampler steps a frame of the learned world; default: what the world was made for."""
    device: str = "cpu"
    """Device of the learned world."""
    ticks: int = 500
    """Ticks of each run."""
    repeats: int = 3
    """Runs; the figures are medians over them."""
    window: bool = True
    """Also time the window."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name in ("ticks", "repeats"):
            at_least(name, getattr(self, name), 1)


def run(options: PlayBenchOptions) -> None:
    """Measure and publish."""
    facts = machine()
    start: Row = {}
    if options.window:
        _open_window(options)  # compiles and fills the page cache: the promise is for a warm machine
        start = median_of(lambda _: _open_window(options), options.repeats)
    loop = median_of(lambda _: _play(options), options.repeats)
    rows = [{"env": options.env, **loop, **start}]
    Report("play", {**dataclasses.asdict(options), "display": _display()[1]}, rows, facts).publish(
        options.json
    )


def _play(options: PlayBenchOptions) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "play.json"
        arguments = ["--headless", "--ticks", str(options.ticks), "--json", str(path)]
        begin = time.perf_counter()
        _call(["-m", "worldsim", "play", *_chosen(options), *arguments])
        command_s = time.perf_counter() - begin
        figures = json.loads(path.read_text(encoding="utf-8"))
        return {**{name: figures[name] for name in FIGURES if name in figures}, "command_s": command_s}


def _open_window(options: PlayBenchOptions) -> Row:
    probe = ["-m", "worldsim.bench.window_probe", str(time.time())]
    figures: Row = json.loads(_call([*probe, *_chosen(options)]).splitlines()[-1])
    return figures


def _chosen(options: PlayBenchOptions) -> list[str]:
    values = {"env": options.env, "world": options.world, "steps": options.steps, "device": options.device}
    return [text for name, value in values.items() if value is not None for text in (f"--{name}", str(value))]


def _display() -> tuple[dict[str, str], str]:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return {**os.environ, "SDL_VIDEODRIVER": "dummy"}, "dummy"
    return dict(os.environ), "window"


def _call(arguments: list[str]) -> str:
    done: Any = subprocess.run(
        [sys.executable, *arguments], env=_display()[0], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WorldSimError(f"bench play: the player ended with {done.returncode}: {last}")
    text: str = done.stdout
    return text
