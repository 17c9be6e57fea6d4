"""Episodes of ours in the layout of the VPT recordings: `NAME.mp4`, `NAME.jsonl` and an index.

Row `i` belongs to frame `i`; the last frame, after which nobody acted, has a row that presses
nothing. Kept: frames (to the bit, unless `viewable`), actions, slots, poses, whether a screen is open.
Lost: rewards, depth, captions, all other columns, and how the episode ended.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.atomic import new_folder
from worldsim.codec import vpt
from worldsim.data.manifest import VIDEO, Manifest
from worldsim.data.parts import open_checked, open_video, read_steps
from worldsim.data.storage import EpisodeStore
from worldsim.data.video import write_video
from worldsim.errors import DatasetError, UsageError

VPT_INDEX = "index.json"


@dataclass(frozen=True)
class ExportReport:
    """What was written: a video and a jsonl for each of `episodes`."""

    folder: str
    episodes: tuple[str, ...]
    frames: int


def export_vpt(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    viewable: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write every episode of the dataset `source` into the new folder `out`, all of it or nothing.

    Args:
        viewable: 4:2:0 video that browsers play, with a loss, instead of the lossless one.
        progress: called with episodes done and episodes in all.

    Raises:
        UsageError: `out` holds something.
        DatasetError: no dataset, or its actions are not MineRL's.
        IntegrityError: an episode is not as it was committed.
        ResourceLimitError: the disk is full or can't be written.
    """
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: is there already; choose another folder")
    store = EpisodeStore(source)
    manifests = [store.manifest(i) for i in range(len(store))]
    for name, manifest in zip(store.names, manifests):
        _check(store.folder / name, manifest)
    with new_folder(target) as fresh:
        for number, (name, manifest) in enumerate(zip(store.names, manifests)):
            _write_rows(store.folder / name, manifest, fresh / f"{name}.jsonl")
            _write_video(store.folder / name, manifest, fresh / f"{name}.mp4", viewable)
            if progress is not None:
                progress(number + 1, len(manifests))
        index = {"basedir": "./", "relpaths": list(store.names)}
        (fresh / VPT_INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return ExportReport(str(out), store.names, sum(manifest.frames for manifest in manifests))


def _check(folder: Path, manifest: Manifest) -> None:
    width = manifest.arrays["actions"][1][1:]
    if width != (ACTION_SIZE,) or manifest.meta.get("action_space", "minerl") != "minerl":
        raise DatasetError(f"{folder}: its actions are not MineRL's; only those can be written as VPT's rows")


def _write_rows(folder: Path, manifest: Manifest, path: Path) -> None:
    actions, _rewards, columns, _captions = read_steps(folder, manifest, check=True)
    with open(path, "w", encoding="utf-8") as file:
        for row in _rows(actions, columns, manifest.fps):
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _rows(
    actions: NDArray[np.float32], columns: dict[str, NDArray[Any]], fps: float
) -> Iterator[dict[str, Any]]:
    nothing = np.zeros((1, ACTION_SIZE), np.float32)
    return vpt.rows(
        np.concatenate([actions, nothing]),
        slots=columns.get("slot"),
        poses=columns.get("pose"),
        gui=columns.get("gui"),
        fps=fps,
    )


def _write_video(folder: Path, manifest: Manifest, path: Path, viewable: bool) -> None:
    if not viewable:
        with open_checked(folder, VIDEO, manifest) as file, open(path, "wb") as copy:
            shutil.copyfileobj(file, copy)
        return
    with closing(open_video(folder, manifest, check=True)) as video:
        frames = (video.read(i, 1)[0] for i in range(manifest.frames))
        write_video(path, frames, fps=manifest.fps)
