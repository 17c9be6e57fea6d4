"""Actions of any video, in a small file beside it: a line a frame, CSV or jsonl.

    frame,forward,jump,attack,camera_pitch,camera_yaw
    0,1,0,0,0,2.5
    1,1,1,0,-1,0

Line `i` is what was pressed after frame `i` was seen. Columns are MineRL's 23 keys (0 or 1),
`camera_pitch` and `camera_yaw` (degrees, positive down and right); what is left out or empty is 0.
Optional: `frame` (the number of the line, from 0, checked), `reward`, and the pose of the eye `x y z`
in blocks with `yaw` and `pitch` in degrees. In jsonl the same names are keys of an object, and
MineRL's own `"camera": [pitch, yaw]` will do.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT, INDEX, KEYS, VECTOR_NAMES
from worldsim.data.source import read_lines, read_objects
from worldsim.errors import DatasetError

POSE: tuple[str, ...] = ("x", "y", "z", "yaw", "pitch")
NAMES: tuple[str, ...] = ("frame", *VECTOR_NAMES, "reward", *POSE)
"""Every column there may be."""
SUFFIXES: tuple[str, ...] = (".jsonl", ".csv")


@dataclass(frozen=True)
class ActionRow:
    """One line. action: float32 [25]. pose: float32 [5] or None."""

    action: NDArray[np.float32]
    reward: float
    pose: NDArray[np.float32] | None


def read_actions(path: Path) -> Iterator[ActionRow]:
    """Read an action file line by line.

    Raises:
        DatasetError: a column that is unknown, or a value out of range; the message names line and
            column.
    """
    lines = _read_csv(path) if path.suffix.lower() == ".csv" else _read_jsonl(path)
    for number, (where, values) in enumerate(lines):
        yield _row(where, values, number)


def _read_csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    names: list[str] | None = None
    for where, line in read_lines(path):
        try:
            (cells,) = csv.reader(io.StringIO(line.decode("utf-8-sig").rstrip("\r\n")), strict=True)
        except (ValueError, csv.Error) as error:
            raise DatasetError(f"{where}: is no line of CSV ({error})") from error
        cells = [cell.strip() for cell in cells]
        if names is None:
            names = cells
            _check_names(names, where)
            continue
        if len(cells) != len(names):
            raise DatasetError(f"{where}: has {len(cells)} cells, expected {len(names)} as in the first line")
        yield where, {name: cell for name, cell in zip(names, cells) if cell}


def _read_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, values in read_objects(path):
        camera = values.pop("camera", None)
        if camera is not None:
            if not isinstance(camera, list) or len(camera) != 2:
                raise DatasetError(
                    f"{where}: camera is {str(camera)[:60]!r}, expected [pitch, yaw] in degrees"
                )
            values = {**values, "camera_pitch": camera[0], "camera_yaw": camera[1]}
        _check_names(list(values), where)
        yield where, {name: value for name, value in values.items() if value is not None}


def _check_names(names: list[str], where: str) -> None:
    for name in names:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 3) or [
                "a key of MineRL",
                "camera_pitch",
                "camera_yaw",
            ]
            raise DatasetError(f"{where}: column {name[:60]!r} is unknown; did you mean {' or '.join(near)}?")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"{where}: column {twice!r} is there twice")


def _row(where: str, values: dict[str, Any], number: int) -> ActionRow:
    if "frame" in values and _number(where, "frame", values["frame"]) != number:
        raise DatasetError(
            f"{where}: frame is {str(values['frame'])[:20]}, expected {number}; every frame has a line, in order"
        )
    action = np.zeros(ACTION_SIZE, np.float32)
    for key in KEYS:
        action[INDEX[key]] = _pressed(where, key, values.get(key, 0))
    action[CAMERA] = [_degrees(where, name, values.get(name, 0)) for name in ("camera_pitch", "camera_yaw")]
    reward = _number(where, "reward", values.get("reward", 0))
    return ActionRow(action, reward, _pose(where, values))


def _pose(where: str, values: dict[str, Any]) -> NDArray[np.float32] | None:
    given = [name for name in POSE if name in values]
    if not given:
        return None
    if len(given) < len(POSE):
        missing = ", ".join(name for name in POSE if name not in values)
        raise DatasetError(f"{where}: a pose is x, y, z, yaw and pitch; {missing} missing")
    return np.array([_number(where, name, values[name]) for name in POSE], np.float32)


def _pressed(where: str, name: str, value: Any) -> float:
    number = _number(where, name, int(value) if isinstance(value, bool) else value)
    if number not in (0, 1):
        raise DatasetError(f"{where}: {name} is {number:g}, expected 0 or 1")
    return number


def _degrees(where: str, name: str, value: Any) -> float:
    number = _number(where, name, value)
    if abs(number) > CAMERA_LIMIT:
        raise DatasetError(f"{where}: {name} is {number:g}, expected degrees within ±{CAMERA_LIMIT:g}")
    return number


def _number(where: str, name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e30:
        raise DatasetError(f"{where}: {name} is {str(value)[:60]!r}, expected a finite number")
    return number
