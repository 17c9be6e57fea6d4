"""Other people's recordings into a dataset of ours, one episode a recording, a frame at a time.

import_recordings("contractor/", "runs/vpt", settings=ImportSettings(size=(160, 96)))
"""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.codec.vpt_reader import Compat, Escape, RowReader
from worldsim.data.action_file import SUFFIXES
from worldsim.data.bright import bright_stretches
from worldsim.data.foreign_video import Fit, ForeignVideo, check_size
from worldsim.data.recordings import Recording, find_recordings, game_of, is_vpt
from worldsim.data.storage import EpisodeStore
from worldsim.data.ticks import Tick, merged, store_ticks
from worldsim.data.video_clip import labelled_ticks, video_ticks
from worldsim.data.vpt_segment import vpt_ticks
from worldsim.errors import DatasetError, MediaError, UsageError, WorldSimError

Format = Literal["auto", "vpt", "video"]


class Label(Protocol):
    """Makes actions for a video that has none: float32 `[n - 1, 25]` for its `n` frames, each `every`-th."""

    hash: str

    def __call__(self, video: Path, *, every: int = 1) -> NDArray[np.float32]: ...


Progress = Callable[[int, int], None]
"""Called after every frame with recordings done and recordings in all."""


@dataclass(frozen=True)
class ImportSettings:
    """What is done to recordings on the way."""

    size: tuple[int, int] | None = None
    """(width, height) of the frames; None leaves them as they are."""
    fit: Fit = "crop"
    """How another shape becomes that size: cut two sides off, or stretch."""
    every: int = 1
    """Keep one frame of so many: 3 makes 20 frames a second out of 60."""
    cursor: bool = True
    """VPT: draw the mouse pointer where a screen is open."""
    skip_null: bool = False
    """Leave ticks out in which nobody did anything, as VPT's training did; time then jumps."""
    compat: Compat | None = None
    """VPT: "openai" reproduces the published loader's bugs."""
    escape: Escape = "keep"
    """VPT: "inventory" reads ESC as VPT's training did."""
    min_light: float = 0.0
    """Leave out frames that are darker in the mean, in grey levels; each bright stretch becomes an episode."""


@dataclass
class ImportReport:
    """What an import did.

    frames: new ones. played: how long the new episodes are, seconds: how long it took, in seconds.
    already: recordings that the dataset had. labelled: those whose actions a model made up. failed: a
    line for each recording that could not be read. notices: what deserves a look.
    """

    folder: str
    format: str
    episodes: list[str] = field(default_factory=list)
    frames: int = 0
    played: float = 0.0
    seconds: float = 0.0
    already: int = 0
    labelled: int = 0
    failed: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def import_recordings(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    format: Format = "auto",
    settings: ImportSettings = ImportSettings(),
    actions: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    label: Label | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Add every recording of `source` to the dataset `out`, which is made if it is not there.

    A recording that the dataset has (same name and size) is left out, so that an import which was
    cut short goes on. One that can't be read is reported and the others are imported; a full disk
    ends it at once.

    Args:
        format: "vpt" for mp4 + jsonl of the VPT recorder, "video" for videos with an action file
            (`action_file`), "auto" to tell by the first that has
            actions.
        actions: the action file of a source that is a single video; default: the file beside it.
        root: where the files of an index lie.
        label: makes the actions of videos that have none, such as `worldsim.sim.labeller.Labeller`.

    Raises:
        DatasetError, MediaError: no such source, nothing in it, or its only recording can't be read.
        UsageError: arguments that contradict each other, or `out` is no dataset.
        ResourceLimitError: the disk is full, or a size beyond the limits.
    """
    if settings.size is not None:
        check_size(settings.size)
    if settings.every < 1:
        raise UsageError(f"every: got {settings.every}, expected 1 or more")
    if not 0 <= settings.min_light <= 255:
        raise UsageError(f"min-light: got {settings.min_light:g}, expected 0 to 255 grey levels")
    notices: list[str] = []
    recordings = _with_actions(find_recordings(source, root=root, notice=notices.append), actions)
    chosen = _format(recordings, format)
    if label is None and all(recording.actions is None for recording in recordings):
        raise _no_actions(recordings[0], chosen)
    report = ImportReport(str(out), chosen, notices=notices)
    began, fresh = time.monotonic(), not os.path.lexists(out)
    error: DatasetError | MediaError | None = None
    with EpisodeStore(out, write=True) as store:
        known = _known(store)
        for number, recording in enumerate(recordings):
            if not settings.min_light and (*_identity(recording), 0) in known:
                report.already += 1
                continue
            counted = None if progress is None else (lambda n=number: progress(n, len(recordings)))
            error = _import_one(store, recording, settings, report, label, known, counted)
    report.seconds = time.monotonic() - began
    if fresh and not report.episodes:
        shutil.rmtree(out, ignore_errors=True)  # it holds nothing, and nobody asked for an empty one
    if error is not None and len(recordings) == 1:
        raise error
    return report


def _import_one(
    store: EpisodeStore,
    recording: Recording,
    settings: ImportSettings,
    report: ImportReport,
    label: Label | None,
    known: set[tuple[str, int, int]],
    counted: Callable[[], None] | None,
) -> DatasetError | MediaError | None:
    """Add one recording to the store and the report; returns why it could not be read."""
    before = len(report.episodes)
    try:
        with closing(ForeignVideo(recording.video, size=settings.size, fit=settings.fit)) as video:
            ticks = _ticks(recording, video, settings, report, label)
            fps = video.fps / settings.every
            part = -1
            for part, stretch in enumerate(_parts(ticks, settings.min_light)):
                if (*_identity(recording), part) in known:
                    deque(stretch, maxlen=0)
                    continue
                meta = _meta(recording, report.format, label, part)
                name, frames = store_ticks(store, stretch, fps=fps, meta=meta, counted=counted)
                report.episodes.append(name)
                report.frames += frames
                report.played += (frames - 1) / fps
    except (DatasetError, MediaError) as error:
        report.failed.append(_line(recording, error))
        return type(error)(report.failed[-1])
    if part < 0:
        report.notices.append(f"{recording.name}: is darker than {settings.min_light:g} throughout; left out")
    report.already += part >= 0 and len(report.episodes) == before
    report.labelled += recording.actions is None and len(report.episodes) > before
    return None


def _parts(ticks: Iterator[Tick], min_light: float) -> Iterator[Iterator[Tick]]:
    """The stretches of a recording that become episodes: all of it, or where it is not dark."""
    return bright_stretches(ticks, min_light) if min_light else iter([ticks])


def _ticks(
    recording: Recording,
    video: ForeignVideo,
    settings: ImportSettings,
    report: ImportReport,
    label: Label | None,
) -> Iterator[Tick]:
    if recording.actions is None:
        if label is None:
            raise _no_actions(recording, report.format)
        ticks = labelled_ticks(video, label(recording.video, every=settings.every), settings.every)
    elif report.format == "video":
        ticks = merged(video_ticks(video, recording.actions), settings.every)
    else:
        reader = RowReader(compat=settings.compat, escape=settings.escape, version=recording.version)

        def notice(text: str) -> None:
            report.notices.append(f"{recording.name}: {text}")

        rows = vpt_ticks(video, recording.actions, reader, cursor=settings.cursor, notice=notice)
        ticks = merged(rows, settings.every)
    return (tick for tick in ticks if not tick.null) if settings.skip_null else ticks


def _no_actions(recording: Recording, format: str) -> DatasetError:
    if format == "vpt":
        return DatasetError(
            f"{recording.video}: has no actions; expected {recording.video.stem}.jsonl beside it"
        )
    names = " or ".join(recording.video.stem + suffix for suffix in SUFFIXES)
    return DatasetError(
        f"{recording.video}: has no actions; write them into {names} beside it (docs/data.md has the columns), "
        "or have a model label it: --label MODEL, made by  worldsim train idm"
    )


def _with_actions(recordings: list[Recording], actions: Any) -> list[Recording]:
    if actions is None:
        return recordings
    if len(recordings) > 1:
        raise UsageError(f"actions: got one file for {len(recordings)} videos; put a file beside each")
    path = Path(actions)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"actions: got {path.name}, expected a file ending in {' or '.join(SUFFIXES)}")
    (one,) = recordings
    return [Recording(one.name, one.video, path, one.version)]


def _format(recordings: list[Recording], format: Format) -> str:
    if format != "auto":
        return format
    for recording in recordings:
        try:
            if recording.actions is not None:
                return "vpt" if is_vpt(recording) else "video"
        except DatasetError:  # reported when its turn comes; the next one may tell
            continue
    return "video"


def _identity(recording: Recording) -> tuple[str, int]:
    return recording.name, recording.video.stat().st_size


def _known(store: EpisodeStore) -> set[tuple[str, int, int]]:
    sources = [store.manifest(i).meta.get("source") for i in range(len(store))]
    return {(s.get("name", ""), s.get("bytes", -1), s.get("part", 0)) for s in sources if isinstance(s, dict)}


def _meta(recording: Recording, format: str, label: Label | None, part: int) -> dict[str, Any]:
    name, size = _identity(recording)
    source: dict[str, Any] = {"name": name, "bytes": size, "format": format, "version": recording.version}
    if part:
        source["part"] = part
    if recording.actions is None and label is not None:
        source["labelled_by"] = label.hash
    return {
        "env": game_of(recording) if format == "vpt" else "video",
        "seed": None,
        "policy": "recorded",
        "action_space": "minerl",
        "source": source,
    }


def _line(recording: Recording, error: WorldSimError) -> str:
    return str(error) if str(recording.video.parent) in str(error) else f"{recording.video}: {error}"
