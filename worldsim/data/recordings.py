"""Which recordings a source holds: a video, a folder of videos, or an index of VPT's.

A recording's files share what stands before the first dot of their names (VPT's have dots only in
the folder, `8.0/cheeky-…`), or all but the ending.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from worldsim.data.action_file import SUFFIXES
from worldsim.data.folder import ROOT
from worldsim.data.foreign_video import CONTAINERS
from worldsim.data.source import open_source, parse_object, read_objects
from worldsim.errors import DatasetError, UsageError

INDEX_LIMIT = 64_000_000
_VERSION = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Recording:
    """One recording. name: path inside the source, without ending. actions: the file beside the
    video, if there is one. version: VPT's recorder version, if its folder is called so.
    """

    name: str
    video: Path
    actions: Path | None
    version: str | None


@dataclass(frozen=True)
class VptIndex:
    """An index of VPT's, such as `all_8xx_Jun_29.json`: where the files are, and their paths there."""

    basedir: str
    relpaths: tuple[str, ...]


def read_vpt_index(path: str | os.PathLike[str]) -> VptIndex:
    """Read an index file.

    Raises:
        DatasetError: it is no index, or names a file outside its folder.
    """
    path = Path(path)
    with open_source(path) as file:
        data = file.read(INDEX_LIMIT + 1)
    if len(data) > INDEX_LIMIT:
        raise DatasetError(f"{path}: is larger than {INDEX_LIMIT} bytes; it is no index")
    values = parse_object(data, str(path))
    basedir, relpaths = values.get("basedir"), values.get("relpaths")
    if not isinstance(basedir, str) or not isinstance(relpaths, list):
        raise DatasetError(f"{path}: is no index; expected an object with a text basedir and a list relpaths")
    return VptIndex(basedir, tuple(_inside(path, number, value) for number, value in enumerate(relpaths)))


def find_recordings(
    source: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> list[Recording]:
    """List the recordings of a source in the order of their names (an index: in its own).

    `root` is where the files of an index lie; default: beside it. Files that an index lists and that
    are not there are told to `notice`: VPT's own lists have gaps.

    Raises:
        DatasetError: no such source, or it holds none.
    """
    path = Path(source)
    if path.suffix.lower() == ".json":
        found = _of_index(path, Path(root) if root is not None else path.parent, notice)
    elif root is not None:
        raise UsageError(f"--root: says where the files of an index lie; {path} is no index (.json)")
    elif path.is_dir():
        found = _of_folder(path)
    elif path.suffix.lower() in CONTAINERS:
        found = [_recording(path, path.parent)]
    else:
        kinds = ", ".join(CONTAINERS)
        what = (
            "is neither a folder nor a file ending in"
            if path.exists()
            else "is not there; expected a folder or"
        )
        raise DatasetError(f"{path}: {what} {kinds}, or an index (.json)")
    if not found:
        raise DatasetError(f"{path}: holds no videos; expected files ending in {', '.join(CONTAINERS)}")
    return found


def is_vpt(recording: Recording) -> bool:
    """Whether its actions are rows of VPT's: the first one has a `mouse` or a `keyboard`."""
    first = _first_row(recording)
    return "mouse" in first or "keyboard" in first


def game_of(recording: Recording) -> str:
    """The game that VPT rows are of: "luanti" if their first one has its truth, else "minecraft"."""
    return "luanti" if "truth" in _first_row(recording) else "minecraft"


def _first_row(recording: Recording) -> dict[str, Any]:
    if recording.actions is None or recording.actions.suffix.lower() != ".jsonl":
        return {}
    first: tuple[str, dict[str, Any]] | None = next(read_objects(recording.actions), None)
    return {} if first is None else first[1]


def _of_folder(folder: Path) -> list[Recording]:
    """Every video below a folder, except in datasets of ours: the import's own may lie there."""
    if (folder / ROOT).exists():
        raise UsageError(f"{folder}: is a dataset of ours already; nothing to import")
    videos = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and not Path(parent, n, ROOT).exists()]
        videos += [Path(parent, name) for name in files if not name.startswith(".")]
    return [_recording(path, folder) for path in sorted(videos) if path.suffix.lower() in CONTAINERS]


def _of_index(path: Path, root: Path, notice: Callable[[str], None]) -> list[Recording]:
    index = read_vpt_index(path)
    found, missing = [], []
    for name in index.relpaths:
        for video in (root / f"{name}.mp4", root / f"{PurePosixPath(name).name}.mp4"):
            if video.exists():
                version = _version(PurePosixPath(name).parent.name)
                found.append(Recording(name, video, _beside(video), version))
                break
        else:
            missing.append(name)
    if missing:
        notice(
            f"{path}: {len(missing)} of {len(index.relpaths)} listed videos are not in {root}, {missing[0]} first"
        )
    if not found:
        raise DatasetError(
            f"{path}: none of its {len(index.relpaths)} videos are in {root}; say where with --root"
        )
    return found


def _recording(video: Path, folder: Path) -> Recording:
    name = video.relative_to(folder).with_suffix("").as_posix()
    return Recording(name, video, _beside(video), _version(video.parent.name))


def _beside(video: Path) -> Path | None:
    stems = dict.fromkeys((video.stem, video.name.split(".")[0]))
    return next(
        (path for stem in stems for suffix in SUFFIXES if (path := video.with_name(stem + suffix)).exists()),
        None,
    )


def _version(folder: str) -> str | None:
    return folder if _VERSION.fullmatch(folder) else None


def _inside(path: Path, number: int, value: Any) -> str:
    parts = PurePosixPath(value).parts if isinstance(value, str) else ()
    if not parts or ".." in parts or parts[0] == "/" or "\0" in value or "\\" in value:
        raise DatasetError(
            f"{path}: relpaths[{number}] is {str(value)[:60]!r}, expected a path inside basedir such as 8.0/name"
        )
    return str(value)
