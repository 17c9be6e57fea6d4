"""`info["state"]` of Luanti: the client's pose and the server's facts, in the units and axes of our own game.

Luanti's axes are left-handed and its blocks lie around whole numbers; ours are Minecraft's. So
x = 0.5 - X, y = Y + 0.5, z = Z + 0.5, and the block at (X, Y, Z) is the block (-X, Y, Z).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .luanti_log import ClientFrame
from .time_words import time_words

_TICKS = 20.0
_SLOW = 0.6  # blocks a second: slower than creeping
_WALKING = ("forward", "back", "left", "right")
_CAVE_LIGHT = 6  # daylight at the eye, of 15, that reaches no further than into a cave's mouth


class Senses:
    """Puts the state of each tick together; remembers what takes two ticks to tell."""

    def __init__(self) -> None:
        self._slow_ticks = 0
        self._health: float | None = None

    def state(
        self,
        frame: ClientFrame,
        server: Mapping[str, Any],
        events: Mapping[str, Sequence[Any]],
        *,
        keys: frozenset[str] = frozenset(),
        form_open: bool = False,
    ) -> dict[str, Any]:
        """The state after a tick in which `keys` were held; see docs/envs.md for every entry."""
        target = server.get("target") or {}
        slots = server["hotbar"]
        return {
            "pose": pose(frame),
            "velocity": _mirror(frame.velocity) / np.float32(_TICKS),
            "on_ground": np.bool_(frame.on_ground),
            "in_water": np.bool_(server["in_water"]),
            "contact": np.bool_(self._pushes(frame, keys, form_open)),
            "target": _block(target),
            "target_name": str(target.get("name", "")),
            "slot": np.int32(server["slot"] - 1),
            "items": tuple(str(name) for name, _, _ in slots),
            "counts": np.array([count for _, count, _ in slots], np.int32),
            "placeable": np.array([kind == "node" for _, _, kind in slots], np.bool_),
            "health": np.float32(server["health"]),
            "breath": np.float32(server["breath"]),
            "light": np.int32(server["light"]),
            "time_of_day": np.float32(server["time_of_day"]),
            "biome": str(server["biome"]),
            "caption": caption(server),
            "form_open": np.bool_(form_open),
            "dtime": np.float32(server["dtime"]),
            "events": self._events(events, float(server["health"])),
        }

    def _pushes(self, frame: ClientFrame, keys: frozenset[str], form_open: bool) -> bool:
        """Walking keys are down and the body does not move: something stands in the way."""
        east = ("right" in keys) - ("left" in keys)
        north = ("forward" in keys) - ("back" in keys)
        speed = math.hypot(frame.velocity[0], frame.velocity[2])
        slow = bool(east or north) and speed < _SLOW and not form_open
        self._slow_ticks = self._slow_ticks + 1 if slow else 0
        return self._slow_ticks > 1

    def _events(self, events: Mapping[str, Sequence[Any]], health: float) -> dict[str, Any]:
        before, self._health = self._health, health
        return {
            "broken": _last_id(events["broken"]),
            "placed": _last_id(events["placed"]),
            "damage": np.float32(0.0 if before is None else max(0.0, before - health)),
        }


def pose(frame: ClientFrame) -> Any:
    """Float32 [5]: x, y, z of the eye in blocks, yaw (0 looks to +z, positive right) and pitch (positive down)."""
    x, y, z = to_ours(frame.eye)
    yaw = 90.0 - math.degrees(frame.yaw)
    yaw -= 360.0 * math.floor(yaw / 360.0 + 0.5)
    return np.array([x, y, z, yaw, -math.degrees(frame.pitch)], np.float32)


def to_ours(place: Sequence[float]) -> tuple[float, float, float]:
    """A place of the game's in our axes."""
    return 0.5 - place[0], place[1] + 0.5, place[2] + 0.5


def to_theirs(place: Sequence[float]) -> list[float]:
    """A place of ours, (x, z) or (x, y, z), in the game's axes."""
    first, *height, last = place
    return [0.5 - first, *(y - 0.5 for y in height), last - 0.5]


def caption(server: Mapping[str, Any]) -> str:
    """One line: where, and when, such as "coniferous forest in the morning"."""
    when = time_words(float(server["time_of_day"]))
    if server["under_water"]:
        return f"under water {when}"
    if 0 <= server["sky_light"] <= _CAVE_LIGHT:
        return f"in a dark cave {when}"
    place = str(server["biome"]).replace("_", " ") or "an unknown land"
    return f"{place} {when}"


def _mirror(vector: Sequence[float]) -> Any:
    return np.array([-vector[0], vector[1], vector[2]], np.float32)


def _block(described: Mapping[str, Any]) -> Any:
    """Int32 [4]: x, y, z and the game's content id + 1; zeros for none."""
    if not described:
        return np.zeros(4, np.int32)
    x, y, z = described["at"]
    return np.array([-x, y, z, described["id"] + 1], np.int32)


def _last_id(blocks: Sequence[Mapping[str, Any]]) -> int:
    return int(blocks[-1]["id"]) + 1 if blocks else 0
