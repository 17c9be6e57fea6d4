"""`worldsim bench play`: what a player waits for: the window, each frame, the answer to a key; and where it goes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from worldsim.bench.ceilings import ceilings
from worldsim.bench.report import Report, Row, at_least, machine, median_of, quantiles
from worldsim.errors import UsageError, WorldSimError
from worldsim.play.options import DREAM

TIMEOUT_S = 1800
BACKENDS = ("auto", "eager", "compiled", "onnx", "int8", "openvino", "cudagraph")
FIGURES = (
    "world", "width", "height", "ticks", "frames_per_second", "latency_median_ms", "latency_p95_ms", "latency_p99_ms",
    "seconds_to_first_frame",
)  # fmt: skip
"""What is taken from the player's own report."""


@dataclasses.dataclass(frozen=True)
class PlayBenchOptions:
    """Run the play loop without a window as fast as it goes, and time how long the window takes to open.

    Each run is a process of its own, as a player starts it. Without a display the window is
    opened on SDL's dummy driver. The first row of each backend and number of steps is the loop without a window; the
    next one draws every frame in one, and its stages follow. Milliseconds of "play and draw" go from the sampling of
    the action to the picture. `of_matrix_pct` holds the network's rate against matrix products in the same process's
    neighbourhood, see the rows of ceilings.
    """

    env: str = DREAM
    """World to play, a Gymnasium id."""
    world: str | None = None
    """Learned world: a shipped name or a folder."""
    steps: tuple[int, ...] = ()
    """Sampler steps a frame of the learned world, one or several; default: what the world was made for."""
    backend: tuple[str, ...] = ("auto",)
    """What runs the network, one or several of auto, eager, compiled, onnx, int8, openvino, cudagraph."""
    threads: int | None = None
    """Threads of the learned world; default: as the load allows."""
    device: str = "cpu"
    """Device of the learned world."""
    ticks: int = 500
    """Ticks of each run."""
    repeats: int = 3
    """Runs; the figures are medians over them."""
    window: bool = True
    """Also time the window."""
    stages: bool = True
    """Also time the stages of a frame, with drawing."""
    baselines: bool = True
    """Also time the loop in plain torch and a pixel U-Net of DIAMOND's size, at 64x64 and at this world's size."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name in ("ticks", "repeats"):
            at_least(name, getattr(self, name), 1)
        for steps in self.steps:
            at_least("steps", steps, 1)
        for name in self.backend:
            if name not in BACKENDS:
                raise UsageError(f"--backend: got {name!r}, expected {', '.join(BACKENDS)}")


def run(options: PlayBenchOptions) -> None:
    """Measure and publish."""
    facts = machine()
    start: Row = {}
    if options.window:
        _open_window(options)  # compiles and fills the page cache: the promise is for a warm machine
        start = median_of(lambda _: _open_window(options), options.repeats)
    top = ceilings(options.device) if options.env == DREAM else {}
    rows = []
    for backend, steps in itertools.product(options.backend, options.steps or (None,)):
        each = [*_chosen(options), *_arguments(backend=backend, steps=steps)]
        loop = median_of(lambda _, each=each: _play(options, each), options.repeats)  # type: ignore[misc]
        rows.append({"what": "play loop", "backend": backend, "steps": steps, **loop, **start})
        if options.stages:
            rows += stage_rows(_stages(options, each, plain=False), top.get("matrix_gflop_s"))
    if options.env == DREAM and options.baselines:
        rows += _baselines(options, rows[0])
    rows += [{"what": f"ceiling: {name}", "rate": rate} for name, rate in top.items()]
    Report("play", {**dataclasses.asdict(options), "display": _display()[1]}, rows, facts).publish(
        options.json
    )


def stage_rows(measured: Row, matrix_gflop_s: float | None) -> list[Row]:
    """The table of one run of `stages`: the whole, then the median of each stage and its share."""
    latencies, stages = measured["latencies"], measured["stages"]
    whole: Row = {
        "what": "play and draw", "backend": measured["backend"], "threads": measured["threads"],
        "frames_per_second": 1e3 * len(latencies) / sum(latencies), **quantiles(latencies, "ms"),
    }  # fmt: skip
    rows = [whole]
    total = sum(sum(row.values()) for row in stages)
    for name in stages[0]:
        values = [row[name] for row in stages]
        if any(values):
            rows.append(
                {"what": f". {name}", **quantiles(values, "ms"), "share_pct": 100 * sum(values) / total}
            )
    network = [row["context"] + row["denoise"] for row in stages]
    if measured["flops"] and matrix_gflop_s and median(network):
        whole["gflop_s"] = measured["flops"] / median(network) / 1e6
        whole["of_matrix_pct"] = 100 * whole["gflop_s"] / matrix_gflop_s
    return rows


def _stages(options: PlayBenchOptions, arguments: list[str], *, plain: bool) -> Row:
    ticks = min(options.ticks, 200) if not plain else min(options.ticks, 40)
    line = ["-m", "worldsim.bench.stages", str(ticks), str(int(plain)), *arguments]
    measured: Row = json.loads(_call(line).splitlines()[-1])
    return measured


def _baselines(options: PlayBenchOptions, loop: Row) -> list[Row]:
    """The loop in plain torch, and DIAMOND's size of network at two frame sizes; `ratio` is how much faster ours is."""
    from worldsim.bench.pixel_unet import reference

    plain = stage_rows(_stages(options, [*_chosen(options), "--backend", "eager"], plain=True), None)[0]
    rows = [{**plain, "what": "baseline: plain torch loop"}]
    for width, height in dict.fromkeys([(64, 64), (int(loop["width"]), int(loop["height"]))]):
        found = reference(width, height, 5)
        rate = 1e3 / found["ms_p50"]
        rows.append(
            {
                "what": f"baseline: pixel U-Net {width}x{height}",
                "steps": 3,
                "frames_per_second": rate,
                **found,
            }
        )
    return [{**row, "ratio": loop["frames_per_second"] / row["frames_per_second"]} for row in rows]


def _play(options: PlayBenchOptions, chosen: list[str]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "play.json"
        arguments = ["--headless", "--ticks", str(options.ticks), "--json", str(path)]
        begin = time.perf_counter()
        _call(["-m", "worldsim", "play", *chosen, *arguments])
        command_s = time.perf_counter() - begin
        figures = json.loads(path.read_text(encoding="utf-8"))
        return {**{name: figures[name] for name in FIGURES if name in figures}, "command_s": command_s}


def _open_window(options: PlayBenchOptions) -> Row:
    probe = ["-m", "worldsim.bench.window_probe", str(time.time())]
    figures: Row = json.loads(_call([*probe, *_chosen(options)]).splitlines()[-1])
    return figures


def _chosen(options: PlayBenchOptions) -> list[str]:
    return _arguments(env=options.env, world=options.world, device=options.device, threads=options.threads)


def _arguments(**values: Any) -> list[str]:
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
