"""What is wrong with a dataset: every file against its manifest, every array against the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT
from worldsim.data.arrays import ArrayReader, read_depth
from worldsim.data.folder import check_root, episode_names
from worldsim.data.index import read_index
from worldsim.data.manifest import DEPTH, META, STEPS, VIDEO, Manifest, read_manifest
from worldsim.data.parts import open_checked, open_video, read_steps
from worldsim.errors import DatasetError, WorldSimError

Progress = Callable[[int, int], None]
"""Called with episodes done and episodes in all."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, and what."""

    episode: str
    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.episode or 'dataset'}{'/' if self.episode else ': '}{self.file}: {self.what}"


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found. `problems` make a dataset bad; `warnings` deserve a look."""

    folder: str
    episodes: int
    frames: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def verify(
    folder: str | os.PathLike[str], *, decode: bool = True, progress: Progress | None = None
) -> VerifyReport:
    """Check every file of a dataset against what was committed, and the arrays against each other.

    With `decode=False` the frames' bytes are checked by their sha256 alone.

    Raises:
        DatasetError: `folder` is no dataset at all.
    """
    root = Path(folder)
    check_root(root)
    names = episode_names(root)
    problems, warnings = list(_index_problems(root, names)), []
    frames, seen = 0, dict[str, str]()
    for number, name in enumerate(names):
        found, manifest = _check_episode(root / name, decode)
        problems += [Problem(name, file, what) for file, what in found]
        if manifest is not None:
            frames += manifest.frames
            twin = seen.setdefault(manifest.files[VIDEO][1], name)
            if twin != name:
                warnings.append(Problem(name, VIDEO, f"has the same frames as {twin}"))
        if progress is not None:
            progress(number + 1, len(names))
    return VerifyReport(str(folder), len(names), frames, tuple(problems), tuple(warnings))


def _index_problems(root: Path, names: list[str]) -> Iterator[Problem]:
    try:
        entries, whole = read_index(root)
    except DatasetError as error:
        yield Problem("", "index.jsonl", str(error))
        return
    if not whole:
        yield Problem("", "index.jsonl", "is missing or cut short; run worldsim data repair")
    for name in sorted(entries.keys() - set(names)):
        yield Problem(name, "index.jsonl", "the episode was committed and is missing")
    for name in names:
        if name not in entries:
            yield Problem(name, "index.jsonl", "the episode has no line; run worldsim data repair")
            continue
        try:
            sha256 = read_manifest(root / name).sha256
        except WorldSimError:
            continue  # reported with the episode
        if sha256 != entries[name]:
            yield Problem(name, META, "is not the one that was committed")


def _check_episode(folder: Path, decode: bool) -> tuple[list[tuple[str, str]], Manifest | None]:
    try:
        manifest = read_manifest(folder)
    except WorldSimError as error:
        return [(META, _short(error, folder / META))], None
    found: list[tuple[str, str]] = []
    for name, check in ((VIDEO, _check_video), (STEPS, _check_steps), (DEPTH, _check_depth)):
        if name not in manifest.files:
            continue
        try:
            open_checked(folder, name, manifest).close()
            found += [(name, what) for what in check(folder, manifest, decode)]
        except WorldSimError as error:
            found.append((name, _short(error, folder / name)))
    return found, manifest


def _check_video(folder: Path, manifest: Manifest, decode: bool) -> Iterator[str]:
    video = open_video(folder, manifest, check=False)
    try:
        if video.length() != manifest.frames:
            yield f"has {video.length()} frames, expected {manifest.frames}"
        elif decode:
            for start in range(0, manifest.frames, 100):
                video.read(start, min(100, manifest.frames - start))
    finally:
        video.close()


def _check_steps(folder: Path, manifest: Manifest, _: bool) -> Iterator[str]:
    actions, rewards, columns, _captions = read_steps(folder, manifest, check=False)
    for name, array in {"actions": actions, "rewards": rewards, **columns}.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            yield f"{name} has values that are not finite"
    if manifest.meta.get("action_space") == "minerl":
        if actions.shape[1:] != (ACTION_SIZE,):
            yield f"actions has shape {actions.shape}, expected [n, {ACTION_SIZE}]"
        elif len(actions) and np.abs(actions[:, CAMERA]).max() > CAMERA_LIMIT:
            yield "actions has a camera turn out of range"


def _check_depth(folder: Path, manifest: Manifest, decode: bool) -> Iterator[str]:
    reader = ArrayReader(open_checked(folder, DEPTH, manifest))
    try:
        if decode and not np.isfinite(read_depth(reader, manifest, 0, manifest.frames)).all():
            yield "has values that are not finite"
    finally:
        reader.close()


def _short(error: WorldSimError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
