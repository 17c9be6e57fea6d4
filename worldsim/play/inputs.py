"""What the player holds down right now, as the newest action: never a queue of old ones."""

from __future__ import annotations

import threading

import numpy as np

from worldsim.actions import CAMERA_LIMIT, KEYS, Action, noop

ARROW_DEGREES = 6.0
"""Degrees that a held arrow key turns in one tick (120 degrees a second)."""


class Inputs:
    """Held keys, taps and camera turns since the last tick, shared by window and world threads.

    A key tapped between two ticks still counts as pressed in the next one, and the mouse's way
    adds up, so nothing a player does is lost, however slow the world is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._tapped: set[str] = set()
        self._turn = np.zeros(2, np.float64)
        self._arrows: set[tuple[float, float]] = set()
        self._slot = 0

    def press(self, name: str) -> None:
        """Hold an action key down, e.g. `forward`."""
        with self._lock:
            self._held.add(name)
            self._tap(name)

    def release(self, name: str) -> None:
        """Let an action key go."""
        with self._lock:
            self._held.discard(name)

    def turn(self, pitch: float, yaw: float) -> None:
        """Turn the camera by degrees, positive down and right; adds up until the next tick."""
        with self._lock:
            self._turn += (pitch, yaw)

    def arrow(self, direction: tuple[float, float], down: bool) -> None:
        """Hold an arrow key, given as its direction (pitch, yaw), down or let it go."""
        with self._lock:
            if down:
                self._arrows.add(direction)
                self._turn += np.multiply(direction, ARROW_DEGREES / 2)  # so that a short tap still turns
            else:
                self._arrows.discard(direction)

    def wheel(self, steps: int) -> None:
        """Move the chosen slot of the hotbar to the right by `steps`."""
        with self._lock:
            self._slot = (self._slot + steps) % 9
            self._tap(f"hotbar.{self._slot + 1}")

    def set_slot(self, slot: int) -> None:
        """Learn from the world which slot, 0 to 8, is chosen."""
        with self._lock:
            if not any(name.startswith("hotbar.") for name in self._tapped):
                self._slot = slot

    def release_all(self) -> None:
        """Let everything go, as when the window loses the keyboard."""
        with self._lock:
            self._held.clear()
            self._tapped.clear()
            self._arrows.clear()
            self._turn[:] = 0

    def take(self) -> Action:
        """The newest action; what was tapped or turned before it is used up."""
        with self._lock:
            action = noop()
            for name in (self._held | self._tapped) & set(KEYS):
                action[name] = 1
            arrows = np.sum([*self._arrows, (0.0, 0.0)], axis=0) * ARROW_DEGREES
            camera = np.clip(self._turn + arrows, -CAMERA_LIMIT, CAMERA_LIMIT)
            action["camera"] = camera.astype(np.float32)
            self._tapped.clear()
            self._turn[:] = 0
            return action

    def _tap(self, name: str) -> None:
        if name.startswith("hotbar."):
            self._slot = int(name.removeprefix("hotbar.")) - 1
            self._tapped = {n for n in self._tapped if not n.startswith("hotbar.")}
        self._tapped.add(name)
