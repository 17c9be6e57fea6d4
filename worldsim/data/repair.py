"""Mending a dataset after a crash, a bad disk or a careless hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from worldsim.atomic import sync_folder
from worldsim.data.disk import disk_errors, dump_json, replace_file
from worldsim.data.folder import (
    QUARANTINE,
    ROOT,
    acquire_lock,
    check_root,
    clear_unfinished,
    complete_index,
    episode_names,
)
from worldsim.data.index import INDEX, create_index, read_index, write_index
from worldsim.data.manifest import FORMAT, VERSION, read_manifest
from worldsim.data.verify import Problem, Progress, verify
from worldsim.errors import DatasetError


@dataclass(frozen=True)
class RepairReport:
    """What `repair` did; empty lists if there was nothing to do."""

    folder: str
    removed: tuple[str, ...]
    quarantined: tuple[Problem, ...]
    indexed: tuple[str, ...]
    episodes: int


def repair(folder: str | os.PathLike[str], *, progress: Progress | None = None) -> RepairReport:
    """Set damaged episodes aside in `quarantine/`, remove unfinished ones, rebuild the index.

    Nothing that can be read is lost; a second run finds nothing to do.

    Raises:
        DatasetError: `folder` holds neither a dataset's manifest nor episodes.
        UsageError: another process writes to it.
        ResourceLimitError: the disk is full or can't be written.
    """
    root = Path(folder)
    if not (root / ROOT).exists() and not episode_names(root):
        check_root(root)
    with disk_errors(root), acquire_lock(root):
        _restore_root(root)
        create_index(root)
        removed = clear_unfinished(root)
        bad = verify(root, progress=progress).problems
        damaged = [p for p in bad if p.episode and p.file != INDEX]
        for name in sorted({p.episode for p in damaged}):
            _quarantine(root, name)
        indexed = complete_index(root)
        good = {n: read_manifest(root / n).sha256 for n in episode_names(root)}
        if read_index(root) != (good, True):
            write_index(root, good)
            indexed = sorted({*indexed, *(p.episode for p in bad if p.file == INDEX)})
    return RepairReport(str(folder), tuple(removed), tuple(damaged), tuple(indexed), len(good))


def _restore_root(root: Path) -> None:
    try:
        check_root(root)
    except DatasetError:
        replace_file(root / ROOT, dump_json({"format": FORMAT, "version": VERSION}))


def _quarantine(root: Path, name: str) -> None:
    (root / QUARANTINE).mkdir(exist_ok=True)
    target, copy = root / QUARANTINE / name, 1
    while target.exists():
        target, copy = root / QUARANTINE / f"{name}.{copy}", copy + 1
    os.rename(root / name, target)
    sync_folder(root / QUARANTINE)
    sync_folder(root)
