"""The folder of a dataset: what makes it one, its episodes' names, its lock, and recovery."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import IO

from worldsim.data.disk import read_json
from worldsim.data.index import INDEX, read_index, write_index
from worldsim.data.manifest import check_version, read_manifest
from worldsim.errors import DatasetError, ResourceLimitError, UsageError

ROOT, QUARANTINE, LOCK = "manifest.json", "quarantine", ".lock"
EPISODE = re.compile(r"ep-(\d{6,12})")


def episode_names(folder: Path) -> list[str]:
    """Names of the committed episodes: real folders, no links."""
    found = [n for n in names_in(folder) if EPISODE.fullmatch(n)]
    real = [n for n in found if (folder / n).is_dir() and not (folder / n).is_symlink()]
    return sorted(real, key=lambda name: int(name[3:]))


def check_root(folder: Path) -> None:
    """Raise unless `folder` has the manifest of a dataset that this release reads."""
    if not (folder / ROOT).exists():
        what = "there is no such folder" if not folder.exists() else f"has no {ROOT}, so it is no dataset"
        raise DatasetError(f"{folder}: {what}; record one with worldsim record --out {folder}")
    check_version(read_json(folder / ROOT)[0], folder / ROOT)


def acquire_lock(folder: Path) -> IO[bytes]:
    """Become the one writer of `folder`; the system gives the lock back if this process dies."""
    file = open(folder / LOCK, "wb")  # noqa: SIM115 - the lock lasts as long as the file is open
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return file  # no such locks on this system
    except BlockingIOError as error:
        file.close()
        raise UsageError(
            f"{folder}: another process writes here; wait for it or choose another folder"
        ) from error
    return file


def clear_unfinished(folder: Path) -> list[str]:
    """Remove what open episodes of dead writers have left; needs the lock."""
    stale = [name for name in names_in(folder) if name.startswith(".tmp-")]
    for name in stale:
        shutil.rmtree(folder / name, ignore_errors=True)
    return stale


def complete_index(folder: Path) -> list[str]:
    """Give every episode in place its line in the index; needs the lock."""
    entries, whole = read_index(folder)
    added = []
    for name in episode_names(folder):
        if name not in entries:
            try:
                entries[name] = read_manifest(folder / name).sha256
            except DatasetError:
                continue  # `verify` reports it
            added.append(name)
    if added or not whole:
        write_index(folder, entries)
    return added


def remove_empty(folder: Path) -> None:
    """Remove a dataset in which there is nothing yet; leave any other folder alone."""
    names = set(names_in(folder))
    if ROOT in names and names <= {ROOT, INDEX, LOCK}:
        shutil.rmtree(folder, ignore_errors=True)


def names_in(folder: Path) -> list[str]:
    """Everything in `folder`, sorted; nothing if it is not there."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResourceLimitError(f"{folder}: can't be read: {error.strerror}") from error
