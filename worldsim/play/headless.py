"""Play with no display: a policy at the keys, a video, figures of speed and latency."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import noop
from worldsim.errors import UsageError
from worldsim.play.clock import Meter
from worldsim.play.options import PlayOptions
from worldsim.play.session import Session
from worldsim.play.view import View

DEFAULT_TICKS = 200


@dataclass(frozen=True)
class PlayReport:
    """What a run without a window measured."""

    env: str
    world: str
    """The env's own name for its world, with the weights' hash if it has any."""
    policy: str
    seed: int
    width: int
    height: int
    ticks: int
    episodes: int
    """Episodes begun."""
    frames_per_second: float
    """Ticks divided by the time spent in them, without the writing of the video."""
    latency_median_ms: float
    """From the sampling of an action to its frame."""
    latency_p95_ms: float
    latency_p99_ms: float
    seconds_to_first_frame: float
    """From the start of this function: importing, loading, reset."""
    video: str | None


class Headless:
    """Lives a session as fast as it goes; `run` returns the report.

    Ctrl-C and SIGTERM end it after the tick it is in: the video and the recording so far are
    committed, then KeyboardInterrupt or SystemExit is raised.
    """

    def __init__(self, options: PlayOptions, session: Session | None = None) -> None:
        self._began = time.perf_counter()
        self._ticks = options.ticks or DEFAULT_TICKS
        self._options = options
        self._session = session or Session(headless_options(options), auto_restart=True)
        self._first = time.perf_counter() - self._began
        self._meter = Meter(size=self._ticks)
        self._spent = 0.0
        self._lived = 0
        self._stopped = 0

    def run(self) -> PlayReport:
        """Play all ticks, with a progress bar on stderr."""
        try:
            with self._gentle_interrupt():
                if self._options.video is None:
                    for _ in self._frames():
                        pass
                else:
                    self._write_video(Path(self._options.video))
                report = self._report()
        finally:
            self._session.close()
        if self._stopped == signal.SIGINT:
            raise KeyboardInterrupt
        if self._stopped:
            raise SystemExit(128 + self._stopped)
        return report

    def _frames(self) -> Iterator[NDArray[np.uint8]]:
        from tqdm import tqdm

        session = self._session
        yield side_by_side(session.view())
        with tqdm(
            total=self._ticks, unit=" frames", file=sys.stderr, dynamic_ncols=True, disable=None
        ) as bar:
            while self._lived < self._ticks and not self._stopped:
                begun = time.perf_counter()
                session.tick(noop)
                took = time.perf_counter() - begun
                view = session.view()
                if session.failure is not None:
                    raise session.failure
                self._meter.add(took)
                self._spent += took
                self._lived += 1
                bar.update()
                yield side_by_side(view)

    def _write_video(self, path: Path) -> None:
        from worldsim.data.video import write_video

        write_video(path, self._frames(), fps=self._options.fps)

    def _report(self) -> PlayReport:
        width, height = self._session.world.size
        return PlayReport(
            env=self._options.env,
            world=self._session.world.world_id,
            policy=self._session.autopilot.name,
            seed=self._options.seed or 0,
            width=width,
            height=height,
            ticks=self._lived,
            episodes=self._session.begun,
            frames_per_second=round(self._lived / max(self._spent, 1e-9), 2),
            latency_median_ms=round(self._meter.percentile_ms(50), 2),
            latency_p95_ms=round(self._meter.percentile_ms(95), 2),
            latency_p99_ms=round(self._meter.percentile_ms(99), 2),
            seconds_to_first_frame=round(self._first, 3),
            video=self._options.video,
        )

    @contextmanager
    def _gentle_interrupt(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM asks the loop to end; a second Ctrl-C breaks it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._stopped = number
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def run_headless(options: PlayOptions) -> PlayReport:
    """Play without a display, print the figures, and write them as JSON if asked."""
    check_video_path(options.video)
    report = Headless(options).run()
    text = json.dumps(asdict(report), indent=2)
    if options.json == "-":
        print(text)
        return report
    if options.json is not None:
        from worldsim.data.disk import disk_errors, replace_file

        target = Path(options.json)
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, f"{text}\n".encode())
    print(summary(report))
    return report


def summary(report: PlayReport) -> str:
    """The report in a line or two, for people."""
    lines = [
        f"{report.world}: {report.ticks} ticks of {report.width}x{report.height} by {report.policy}, "
        f"{report.frames_per_second:.1f} frames/s, latency median {report.latency_median_ms:.0f} ms, "
        f"p95 {report.latency_p95_ms:.0f} ms"
    ]
    if report.video is not None:
        lines.append(f"video: {report.video}")
    return "\n".join(lines)


def headless_options(options: PlayOptions) -> PlayOptions:
    """The same options with a policy at the keys, and no end but the caller's."""
    from dataclasses import replace

    return replace(options, policy="explorer" if options.policy == "human" else options.policy, ticks=None)


def check_video_path(video: str | None) -> None:
    """Refuse a video that can't be written, before any time is spent on it."""
    if video is not None and (Path(video).is_dir() or Path(video).suffix.lower() != ".mp4"):
        raise UsageError(f"--video: got {video!r}, expected the path of an .mp4 file")


def side_by_side(view: View) -> NDArray[np.uint8]:
    """All panes of a view as one frame, left to right, on black where heights differ."""
    if len(view.panes) == 1:
        return view.panes[0].frame
    height = max(pane.frame.shape[0] for pane in view.panes)
    padded = [np.pad(pane.frame, ((0, height - pane.frame.shape[0]), (0, 0), (0, 0))) for pane in view.panes]
    return np.concatenate(padded, axis=1)
