"""`meta.json`: what an episode's folder holds, with sizes, sha256 and shapes, checked on reading."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.data.disk import read_json
from worldsim.data.video import MAX_FRAMES, MAX_SIDE
from worldsim.errors import DatasetError, UnsupportedVersion

FORMAT = "worldsim-episodes"
VERSION = 1
VIDEO, STEPS, DEPTH, META = "frames.mp4", "steps.npz", "depth.npz", "meta.json"
DEPTH_CHUNK = 32
"""Frames of depth that are compressed together."""
MAX_COLUMNS = 256
MAX_PER_TICK = 65_536
_KINDS = "biufU"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """The facts of one stored episode.

    frames: n + 1. arrays: name to (dtype, shape) of every array of `steps.npz`. files: name to
    (size, sha256). meta: the episode's own JSON values. sha256: of `meta.json` itself.
    """

    frames: int
    width: int
    height: int
    fps: float
    terminated: bool
    truncated: bool
    depth: bool
    arrays: dict[str, tuple[str, tuple[int, ...]]]
    files: dict[str, tuple[int, str]]
    meta: dict[str, Any]
    sha256: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(size for size, _ in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The object that `meta.json` holds."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "terminated": self.terminated,
            "truncated": self.truncated,
            "depth": self.depth,
            "arrays": {name: {"dtype": d, "shape": list(s)} for name, (d, s) in self.arrays.items()},
            "files": {name: {"size": s, "sha256": h} for name, (s, h) in self.files.items()},
            "meta": self.meta,
        }


def read_manifest(folder: Path) -> Manifest:
    """Read and check an episode's `meta.json`.

    Raises:
        DatasetError: it is missing or says something that can't be; the message names the field.
        UnsupportedVersion: a newer release wrote it.
    """
    path = folder / META
    values, sha256 = read_json(path)
    check_version(values, path)
    field = _Fields(values, str(path))
    frames = field.integer("frames", 1, MAX_FRAMES)
    fps = field.number("fps")
    if not 0 < fps <= 1000:
        raise field.error("fps", fps, "above 0 and at most 1000")
    manifest = Manifest(
        frames=frames,
        width=field.integer("width", 1, MAX_SIDE),
        height=field.integer("height", 1, MAX_SIDE),
        fps=fps,
        terminated=field.boolean("terminated"),
        truncated=field.boolean("truncated"),
        depth=field.boolean("depth"),
        arrays={n: _array(field, n, v, frames) for n, v in field.object("arrays").items()},
        files={n: _file(field, n, v) for n, v in field.object("files").items()},
        meta=field.object("meta"),
        sha256=sha256,
    )
    if len(manifest.arrays) > MAX_COLUMNS or not {"actions", "rewards"} <= manifest.arrays.keys():
        raise field.error("arrays", sorted(manifest.arrays)[:10], f"actions, rewards and up to {MAX_COLUMNS}")
    expected = {VIDEO, STEPS, *([DEPTH] if manifest.depth else [])}
    if manifest.files.keys() != expected:
        raise field.error("files", sorted(manifest.files), str(sorted(expected)))
    return manifest


def check_version(values: dict[str, Any], path: Path) -> None:
    """Refuse what is not ours, or newer than this release."""
    if values.get("format") != FORMAT:
        raise DatasetError(
            f"{path}: format is {values.get('format')!r}, expected {FORMAT!r}; it is not one of ours"
        )
    if values.get("version") != VERSION:
        raise UnsupportedVersion(
            f"{path}: version is {values.get('version')!r}, expected {VERSION}; update worldsim"
        )


def _array(field: _Fields, name: str, value: Any, frames: int) -> tuple[str, tuple[int, ...]]:
    where = f"arrays.{name}"
    try:
        dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
    except (TypeError, KeyError, ValueError) as error:
        raise field.error(where, value, "dtype and shape") from error
    rows = frames - 1 if name in ("actions", "rewards") else frames
    if dtype.kind not in _KINDS or dtype.itemsize > 4096:
        raise field.error(where, str(dtype), "numbers or text")
    if not all(type(side) is int and side >= 0 for side in shape) or shape[:1] != (rows,):
        raise field.error(where, shape, f"({rows}, ...)")
    if len(shape) > 4 or math.prod(shape[1:]) > MAX_PER_TICK:
        raise field.error(where, shape, f"at most {MAX_PER_TICK} values a tick")
    return dtype.str, shape


def _file(field: _Fields, name: str, value: Any) -> tuple[int, str]:
    facts = _Fields(value if isinstance(value, dict) else {}, f"{field.where}: files.{name}")
    sha256 = facts.values.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise facts.error("sha256", sha256, "64 hex digits")
    return facts.integer("size", 0, 2**48), sha256


class _Fields:
    """Typed access to a JSON object, with errors that name the field."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.values, self.where = values, where

    def error(self, name: str, got: Any, expected: str) -> DatasetError:
        return DatasetError(f"{self.where}: {name} is {got!r}, expected {expected}; try worldsim data repair")

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.values.get(name)
        if type(value) is not int or not low <= value <= high:
            raise self.error(name, value, f"an integer from {low} to {high}")
        return value

    def number(self, name: str) -> float:
        value: Any = self.values.get(name)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.error(name, value, "a finite number")
        return float(value)

    def boolean(self, name: str) -> bool:
        value = self.values.get(name)
        if type(value) is not bool:
            raise self.error(name, value, "true or false")
        return value

    def object(self, name: str) -> dict[str, Any]:
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.error(name, value, "an object")
        return value
