"""What a scripted player knows of itself this tick, and how it writes an action down."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from worldsim.actions import ACTION_SIZE, INDEX

from .dice import Dice
from .policy import Vector

_PITCH, _YAW = INDEX["camera_pitch"], INDEX["camera_yaw"]
_EVERY = 20  # ticks between two remembered positions
_KEPT = 15  # remembered positions: with _EVERY, the last 15 seconds


class Body:
    """The player's senses; whatever the world does not tell is estimated or harmlessly assumed.

    Angles are degrees (pitch + = down), positions and heights are blocks. `target` is the block id
    in reach, 0 when nothing is, None when the world does not say. `land` and `open` are where the
    player last stood after a second outside water, and after two outside any cave.
    """

    def __init__(self) -> None:
        self.pitch = self.yaw = self.x = self.y = self.z = 0.0
        self.on_ground, self.in_water, self.contact = True, False, False
        self.contact_ticks = self.wall_ticks = self.water_ticks = self.cave_ticks = self.form_ticks = 0
        self._open_ticks = self._dry_ticks = self._age = 0
        self.target: int | None = None
        self.place: tuple[int, int, int] | None = None
        self.broken = False
        self.counts: list[int] | None = None
        self.slot: int | None = None
        self.target_name = ""
        self.tools: dict[str, int] = {}
        self.land: tuple[float, float, float] | None = None
        self.open: tuple[float, float, float] | None = None
        self._trail: list[tuple[float, float]] = []

    def sense(self, state: Mapping[str, Any]) -> None:
        """Take in one tick's state; keys that are missing keep what was assumed."""
        get = state.get
        pose = get("pose")
        if pose is not None:
            x, y, z, yaw, pitch = pose.tolist()
            if math.isfinite(x + y + z + yaw + pitch):  # a learned world may predict nonsense
                self.x, self.y, self.z, self.yaw, self.pitch = x, y, z, yaw, pitch
            if self._age % _EVERY == 0:
                self._trail = [*self._trail[1 - _KEPT :], (self.x, self.z)]
        self._age += 1
        self.on_ground = bool(get("on_ground", True))
        self.in_water = bool(get("in_water", False))
        self.contact = bool(get("contact", False))
        self.contact_ticks = self.contact_ticks + 1 if self.contact else 0
        self.form_ticks = self.form_ticks + 1 if get("form_open", False) else 0
        self.water_ticks = self.water_ticks + 1 if self.in_water else 0
        self._see(get("target"), get("events"))
        self._carry(get)
        self._note_cover("cave" in str(get("caption", "")))
        self._dry_ticks = 0 if self.in_water else self._dry_ticks + 1
        if pose is not None and self.on_ground:
            here = (self.x, self.y, self.z)
            self.land = here if self._dry_ticks > 20 or self.land is None else self.land
            self.open = here if self._open_ticks > 40 else self.open

    def _carry(self, get: Callable[..., Any]) -> None:
        """What is in the hotbar: `counts` of blocks to place, and `tools` by name, where the world has such."""
        counts, placeable, slot = get("counts"), get("placeable"), get("slot")
        self.slot = None if slot is None else int(slot)
        if counts is None:
            self.counts = None
            return
        self.counts = counts.tolist() if placeable is None else (counts * placeable).tolist()
        if placeable is not None:
            self.tools = {
                name: slot
                for slot, name in enumerate(get("items", ()))
                if counts[slot] and not placeable[slot] and name
            }
            self.target_name = str(get("target_name", ""))

    def _note_cover(self, cave: bool) -> None:
        self.cave_ticks, self._open_ticks = (self.cave_ticks + 1, 0) if cave else (0, self._open_ticks + 1)

    def _see(self, target: Any, events: Any) -> None:
        if target is None:
            self.target = self.place = None
        else:
            *place, self.target = target.tolist()
            self.place = tuple(place)
        self.wall_ticks = self.wall_ticks + 1 if self.walled() else 0
        self.broken = bool(events and events.get("broken", 0) > 0.5)  # a dream tells a probability

    def walled(self) -> bool:
        """True when the view is filled by a block right before the eyes."""
        if not self.target or self.place is None or abs(self.pitch) > 50.0:
            return False
        x, y, z = self.place
        east, up, north = x + 0.5 - self.x, y + 0.5 - self.y, z + 0.5 - self.z
        return east * east + up * up + north * north < 3.0

    def stuck(self) -> bool:
        """True when the last 15 seconds led nowhere: everything happened within 2 blocks."""
        if len(self._trail) < _KEPT:
            return False
        xs, zs = zip(*self._trail)
        return max(xs) - min(xs) < 2.0 and max(zs) - min(zs) < 2.0

    def forget_trail(self) -> None:
        """Count from here again whether the player is stuck."""
        self._trail = []

    def bearing(self, x: float, z: float) -> float:
        """Degrees to turn right, -180 .. 180, so as to face a place; good to half a degree."""
        turn = _angle(self.x - x, z - self.z) - self.yaw
        return turn - 360.0 * math.floor(turn / 360.0 + 0.5)

    def distance(self, x: float, z: float) -> float:
        """Horizontal distance to a place, in blocks."""
        return math.sqrt((x - self.x) ** 2 + (z - self.z) ** 2)

    def room(self, turn: float) -> float:
        """The pitch change nearest to `turn` that ends within ±88 degrees, so that it can be undone exactly."""
        return min(88.0, max(-88.0, self.pitch + turn)) - self.pitch

    def stocked_slot(self, dice: Dice) -> int | None:
        """A hotbar slot 0..8 with something in it, any slot when the world does not say, None when all are empty."""
        if self.counts is None:
            return int(dice.random() * 9)
        full = [i for i, count in enumerate(self.counts) if count > 0]
        return dice.pick(full) if full else None

    def action(self, *keys: str, pitch: float = 0.0, yaw: float = 0.0) -> Vector:
        """One action with these keys down and the camera turned by these degrees."""
        vector = np.zeros(ACTION_SIZE, np.float32)
        for key in keys:
            vector[INDEX[key]] = 1.0
        vector[_PITCH], vector[_YAW] = pitch, yaw
        self.pitch, self.yaw = min(90.0, max(-90.0, self.pitch + pitch)), self.yaw + yaw
        return vector


def _angle(east: float, north: float) -> float:
    """atan2(east, north) in degrees within 0.3, from products alone: see `Dice`."""
    a, b = abs(east), abs(north)
    ratio = min(a, b) / max(a, b, 1e-9)
    angle = ratio * (45.0 + 15.64 * (1.0 - ratio))
    angle = 90.0 - angle if a > b else angle
    angle = 180.0 - angle if north < 0 else angle
    return -angle if east < 0 else angle


Behaviour = Callable[[Body, Dice], Iterator[Vector]]
"""One thing to do for a while: yields an action a tick, reads the body anew after each."""
