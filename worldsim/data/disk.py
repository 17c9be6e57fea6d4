"""Files that survive a crash, and files that may be foreign: sync, digest, careful opening."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from worldsim.atomic import sync_folder
from worldsim.errors import DatasetError, ResourceLimitError

JSON_LIMIT = 1_000_000
_DISK = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a full, read-only or failing disk raises into one line.

    Raises:
        ResourceLimitError: names the path and what the system said.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK and not isinstance(error, (FileExistsError, NotADirectoryError)):
            raise
        raise ResourceLimitError(
            f"{path}: can't be written: {error.strerror or error}; free space there or choose another folder"
        ) from error


def sync_file(file: IO[bytes]) -> None:
    """Wait until the disk has what was written to `file`."""
    file.flush()
    os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Write `path` anew; a reader finds the old or the new bytes, never half of them."""
    fresh = path.with_name(f".{path.name}.tmp")
    with open(fresh, "wb") as file:
        file.write(data)
        sync_file(file)
    os.replace(fresh, path)
    sync_folder(path.parent)


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading; follows no link and never waits on a pipe.

    Raises:
        DatasetError: there is no such file, or it is something else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}; try worldsim data repair") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DatasetError(f"{path}: is no regular file; try worldsim data repair")
    return open(descriptor, "rb")


def digest(file: IO[bytes]) -> str:
    """The sha256 of a file from its start, as hex digits; leaves it at its start."""
    file.seek(0)
    total = hashlib.sha256()
    while block := file.read(1 << 20):
        total.update(block)
    file.seek(0)
    return total.hexdigest()


def read_json(path: Path) -> tuple[dict[str, Any], str]:
    """Read a JSON object strictly; returns it with the sha256 of its bytes.

    Raises:
        DatasetError: above 1 MB, not UTF-8, not an object, a duplicate key, NaN, or nested too deeply.
    """
    with open_regular(path) as file:
        data = file.read(JSON_LIMIT + 1)
    if len(data) > JSON_LIMIT:
        raise DatasetError(f"{path}: is larger than {JSON_LIMIT} bytes; it is not one of ours")
    return parse_json(data, str(path)), hashlib.sha256(data).hexdigest()


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Parse one JSON object strictly; `where` is named in errors."""
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_short_int
        )
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: is not valid JSON ({error}); try worldsim data repair") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: got {type(value).__name__}, expected an object")
    return value


def dump_json(values: dict[str, Any]) -> bytes:
    """Write a JSON object for people to read.

    Raises:
        DatasetError: a value that JSON has no form for, NaN among them.
    """
    try:
        return (json.dumps(values, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise DatasetError(f"meta: can't be written as JSON ({error}); use plain finite values") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not allowed")


def _short_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError("an integer has more than 20 digits")
    return int(text)
