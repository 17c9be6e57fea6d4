"""`worldsim bench data`: how fast clips come from recordings and straight from the game."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from worldsim.bench.engine import parse_size
from worldsim.bench.report import Report, Row, at_least, machine, median_of


@dataclasses.dataclass(frozen=True)
class DataBenchOptions:
    """Record a few episodes into a temporary folder, then read clips of them and of a live source.

    For the live source `frames_per_s` is what can be drawn from its memory and `played_per_s` how many new frames
    its workers play meanwhile; times `reuse`, that is what training can take for ever.
    """

    game: str = "worldsim/Voxel-v0"
    """Game that is recorded and played live."""
    size: str = "160x96"
    """Frame size, width x height."""
    episodes: int = 4
    """Episodes to record."""
    steps: int = 300
    """Actions an episode."""
    length: int = 40
    """Frames a clip."""
    batch: int = 16
    """Clips a batch."""
    batches: int = 20
    """Batches each repeat."""
    repeats: int = 5
    """Repeats; the figures are medians over them."""
    workers: int = 1
    """Processes of the live source."""
    reuse: float = 32.0
    """How often the live source gives each frame."""
    seed: int = 0
    """Seed of everything."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        parse_size(self.size)
        for name in ("episodes", "length", "batch", "batches", "repeats", "workers"):
            at_least(name, getattr(self, name), 1)
        at_least("steps", self.steps, self.length)
        at_least("seed", self.seed, 0)


def run(options: DataBenchOptions) -> None:
    """Measure and publish."""
    facts = machine()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*_recordings(options, Path(folder)), _live(options)]
    Report("data", dataclasses.asdict(options), rows, facts).publish(options.json)


def _recordings(options: DataBenchOptions, folder: Path) -> Iterator[Row]:
    from worldsim.data.dataset import ClipDataset
    from worldsim.data.info import info
    from worldsim.data.rollout import record

    width, height = parse_size(options.size)
    begin = time.perf_counter()
    record(
        options.game, "explorer", episodes=options.episodes, steps=options.steps, out=folder / "data",
        seed=options.seed, env_options={"width": width, "height": height},
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    report = info(folder / "data")
    yield {
        "what": "record",
        "frames_per_s": report.frames / seconds,
        "kib_per_frame": report.size / report.frames / 1024,
    }
    for what, cache in (("clips, cached", folder / "cache"), ("clips, decoded", None)):
        clips = ClipDataset(
            folder / "data", length=options.length, batch=options.batch, seed=options.seed, cache=cache
        )
        with closing(clips):
            for _ in range(3 if cache else 1):  # fills the cache, opens the videos
                clips.sample()
            yield {"what": what, **median_of(partial(_sample, clips, options), options.repeats)}


def _live(options: DataBenchOptions) -> Row:
    from worldsim.data.live import LiveSource

    width, height = parse_size(options.size)
    source = LiveSource(
        options.game, "explorer", length=options.length, batch=options.batch, workers=options.workers,
        seed=options.seed, width=width, height=height, reuse=options.reuse,
    )  # fmt: skip
    with source:
        begin = time.perf_counter()
        source.sample()
        first_s = time.perf_counter() - begin
        played, begin = source.played, time.perf_counter()
        row = median_of(partial(_sample, source, options), options.repeats)
        row["played_per_s"] = (source.played - played) / (time.perf_counter() - begin)
    return {"what": f"live, {options.workers} workers", **row, "first_batch_s": first_s}


def _sample(source: Any, options: DataBenchOptions, repeat: int) -> Row:
    begin = time.perf_counter()
    for _ in range(options.batches):
        source.sample()
    seconds = time.perf_counter() - begin
    frames = options.batches * options.batch * options.length
    return {"frames_per_s": frames / seconds, "clips_per_s": frames / options.length / seconds}
