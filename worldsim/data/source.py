"""Files that somebody else wrote: opened without waiting, read in bounded pieces, parsed strictly."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from worldsim.errors import DatasetError

LINE_LIMIT = 1_000_000
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_source(path: Path) -> IO[bytes]:
    """Open a regular file for reading; never waits on a pipe or reads a device.

    Raises:
        DatasetError: there is no such file, or it is something else.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: can't be read: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DatasetError(f"{path}: is no regular file")
    return open(descriptor, "rb")


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """Parse one JSON object; numbers are finite.

    Raises:
        DatasetError: anything else; `where` is named.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: got {type(value).__name__}, expected an object")
    return value


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a jsonl file, each with its `file:line`; a last line cut short is left out.

    Raises:
        DatasetError: the file can't be read, or a line is no JSON object or above 1 MB.
    """
    for where, line in read_lines(path):
        try:
            yield where, parse_object(line, where)
        except DatasetError:
            if line.endswith(b"\n"):
                raise
            return  # the recorder or an upload stopped in the middle of it


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a text file that hold something, each with its `file:line`."""
    with open_source(path) as file:
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise DatasetError(f"{path}:{number}: is longer than {LINE_LIMIT} bytes")
            if line.strip():
                yield f"{path}:{number}", line


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not allowed")
