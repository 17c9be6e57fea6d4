"""Folders that are replaced as a whole: a reader finds the old or the new one, never half of one.

The new folder is filled beside the old one (`.NAME.tmp`), synced, and takes its place by two
renames. Should the process die between them, the old folder lies at `.NAME.old`, where `settled`
finds it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worldsim.errors import CheckpointError, IntegrityError, ResourceLimitError

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end of the block it replaces `target`.

    Write the file that makes the folder valid last, by `write_file`. When the block raises, the
    old folder stays as it was and the new one is removed.

    Raises:
        ResourceLimitError: the disk is full or can't be written.
    """
    target = Path(os.path.abspath(target))
    fresh, old = _beside(target, "tmp"), _beside(target, "old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not target.exists():
            os.rename(old, target)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
        os.mkdir(fresh)
        yield fresh
        _commit(fresh, target, old)
    except OSError as error:
        raise ResourceLimitError(
            f"{target}: can't be written: {error.strerror or error}; free space there or choose another folder"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def settled(target: Path) -> Path:
    """The folder to read for `target`: itself, or the old one if a replacement was cut short."""
    target = Path(os.path.abspath(target))
    old = _beside(target, "old")
    return old if not target.exists() and old.is_dir() else target


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes; follows no link and never waits on a pipe.

    Raises:
        IntegrityError: there is no such file, or it is a link or no regular file.
        CheckpointError: it is larger than `limit`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    except OSError as error:
        raise IntegrityError(f"{path}: can't be read: {error.strerror}; fetch or train it again") from error
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise IntegrityError(f"{path}: got something that is no regular file; fetch it again")
        if facts.st_size > limit:
            raise CheckpointError(f"{path}: got {facts.st_size} bytes, expected at most {limit}")
        return file.read(limit + 1)


def carry_over(source: Path, fresh: Path, skip: str) -> None:
    """Link (or copy) what lies in `source` and not yet in `fresh`: cards and pictures survive a new save."""
    for entry in source.iterdir():
        copy = fresh / entry.name
        if copy.exists() or entry.match(skip):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, copy, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(copy))


def _commit(fresh: Path, target: Path, old: Path) -> None:
    sync_folder(fresh)
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(fresh, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _link(source: str, copy: str) -> None:
    try:
        os.link(source, copy, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, copy, follow_symlinks=False)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in `folder`."""
    if os.name == "nt":  # folders can't be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
