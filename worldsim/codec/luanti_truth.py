"""What a lockstep recording of Luanti tells beside VPT's fields: the entry `truth` of its rows, in our axes.

Luanti's x runs the other way, its blocks lie around whole numbers, its yaw is counter-clockwise from
+x and its pitch positive up; `truth` has radians, and the place of the feet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import DatasetError

EYE = 1.47
"""Blocks from the feet to the eye in `minetest_game`."""
_TICKS = 20.0
_FARTHEST = 1e6


def read_truth(row: Mapping[str, Any], where: str = "row") -> dict[str, Any] | None:
    """The columns of a row of Luanti's, or None for a row of another game.

    Returns:
        pose float32 [5] as everywhere (x, y, z of the eye in blocks, yaw and pitch in degrees), velocity float32
        [3] in blocks a tick, time_of_day in [0, 1), and events.broken and events.placed, 1 where it happened in
        the tick that led to this row.

    Raises:
        DatasetError: a field is missing or is no finite number.
    """
    truth = row.get("truth")
    if not isinstance(truth, Mapping) or not str(truth.get("engine", "")).startswith("minetest"):
        return None
    where = f"{where}: truth"
    x, y, z = _numbers(truth, "pos", 3, where)
    (yaw,), (pitch,) = (_numbers(truth, name, 1, where) for name in ("yaw", "pitch"))
    along, up, north = _numbers(truth, "vel", 3, where)
    (time,) = _numbers(truth, "tod", 1, where)
    turned = 90.0 - math.degrees(yaw)
    turned -= 360.0 * math.floor(turned / 360.0 + 0.5)
    return {
        "pose": np.array([0.5 - x, y + 0.5 + EYE, z + 0.5, turned, -math.degrees(pitch)], np.float32),
        "velocity": np.array([-along, up, north], np.float32) / np.float32(_TICKS),
        "time_of_day": np.float32(time % 1.0),
        "events.broken": np.int32(bool(truth.get("dug"))),
        "events.placed": np.int32(bool(truth.get("placed"))),
    }


def _numbers(truth: Mapping[str, Any], name: str, count: int, where: str) -> NDArray[np.float64]:
    value: Any = truth.get(name)
    values: Any = [value] if count == 1 else value
    good = isinstance(values, list) and len(values) == count
    if not good or not all(type(v) in (int, float) and abs(v) < _FARTHEST for v in values):
        expected = "a finite number" if count == 1 else f"{count} finite numbers"
        raise DatasetError(f"{where}: {name} is {str(value)[:60]!r}, expected {expected}")
    return np.array(values, np.float64)
