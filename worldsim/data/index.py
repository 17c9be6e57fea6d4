"""`index.jsonl`: one line a committed episode, by which a missing or exchanged episode is noticed.

A line is appended after its episode is in place. A crash in between, or in the middle of a line,
is mended by the next writer.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from worldsim.atomic import sync_folder
from worldsim.data.disk import open_regular, parse_json, replace_file, sync_file
from worldsim.errors import DatasetError

INDEX = "index.jsonl"
_LIMIT = 256_000_000


def read_index(folder: Path) -> tuple[dict[str, str], bool]:
    """Read episode name to sha256 of its `meta.json`; also says whether every line was whole."""
    path = folder / INDEX
    if not path.exists():
        return {}, False
    with open_regular(path) as file:
        data = file.read(_LIMIT)
    lines = data.split(b"\n")
    whole = lines.pop() == b""
    entries: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            values = parse_json(line, f"{path}:{number}")
        except DatasetError:
            whole = False
            continue
        entries[str(values.get("episode"))] = str(values.get("meta_sha256"))
    return entries, whole


def append_index(folder: Path, name: str, meta: bytes) -> None:
    """Add an episode's line and wait until the disk has it."""
    with open(folder / INDEX, "ab") as file:
        file.write(_line(name, hashlib.sha256(meta).hexdigest()))
        sync_file(file)


def write_index(folder: Path, entries: dict[str, str]) -> None:
    """Write the whole index anew."""
    replace_file(folder / INDEX, b"".join(_line(name, sha256) for name, sha256 in sorted(entries.items())))


def create_index(folder: Path) -> None:
    """Make an empty index if there is none."""
    os.close(os.open(folder / INDEX, os.O_WRONLY | os.O_CREAT, 0o666))
    sync_folder(folder)


def _line(name: str, sha256: str) -> bytes:
    return (json.dumps({"episode": name, "meta_sha256": sha256}) + "\n").encode()
