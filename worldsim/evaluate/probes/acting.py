"""Which pressed keys act, by the game's own state: a key that changes nothing can't be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import INDEX

KEYS: tuple[str, ...] = ("forward", "back", "left", "right", "jump", "sprint", "attack")
"""Keys whose effect on the next frame can be seen, in the order of `motion.read_keys`."""
_COLUMNS = [INDEX[key] for key in KEYS]
_SWING = 5  # ticks that the arm takes to come to rest


def steps_of(pose: NDArray[np.float32]) -> NDArray[np.float32]:
    """Steps `[N, 3]` to the right, up and ahead in blocks, as seen by the player after it turned.

    Args:
        pose: `[N + 1, 5]`.
    """
    moved = np.diff(pose[:, :3].astype(np.float64), axis=0)
    yaw = np.radians(pose[1:, 3].astype(np.float64))
    right = -np.cos(yaw) * moved[:, 0] - np.sin(yaw) * moved[:, 2]
    ahead = -np.sin(yaw) * moved[:, 0] + np.cos(yaw) * moved[:, 2]
    return np.stack([right, moved[:, 1], ahead], 1).astype(np.float32)


def turns_of(pose: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turns `[N, 2]` in degrees: yaw to the right, pitch down."""
    turned: NDArray[np.float32] = np.diff(pose[:, 3:5], axis=0)
    return turned


def acting(
    actions: NDArray[np.float32], pose: NDArray[np.float32], columns: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What was pressed, and where the picture can tell.

    Args:
        actions: `[N, 25]`.
        pose: `[N + 1, 5]`.
        columns: "on_ground", "in_water", "contact" and "events.placed" `[N + 1]` of the game's state.

    Returns:
        pressed and known, bool `[N, 7]` in the order of `KEYS`. A tick is not known for a key that was
        pressed in vain (into a wall, in the air), nor for one whose traces another key leaves too.
    """
    pressed = actions[:, _COLUMNS] > 0.5
    key = {name: pressed[:, i] for i, name in enumerate(KEYS)}
    step = steps_of(pose)
    ground, wet = (np.asarray(columns[name])[:-1].astype(bool) for name in ("on_ground", "in_water"))
    blocked = np.asarray(columns["contact"])[1:].astype(bool)
    placed = np.asarray(columns["events.placed"])[1:] > 0
    footed = ground & ~wet & ~blocked & ~(actions[:, INDEX["sneak"]] > 0.5)
    known = {}
    for name, other, way in (
        ("forward", "back", step[:, 2]), ("back", "forward", -step[:, 2]),
        ("left", "right", -step[:, 0]), ("right", "left", step[:, 0]),
    ):  # fmt: skip
        known[name] = footed & np.where(key[name], (way > 0.02) & ~key[other], True)
    known["jump"] = ~wet & (~key["jump"] | (ground & (step[:, 1] > 0.2)))
    sideways = key["left"] | key["right"]
    known["sprint"] = footed & ~key["jump"] & ~sideways & key["forward"] & ~key["back"] & (step[:, 2] > 0.02)
    known["attack"] = key["attack"] | ~_recent(key["attack"] | placed, _SWING)
    return pressed, np.stack([known[name] for name in KEYS], 1)


def _recent(happened: NDArray[np.bool_], ticks: int) -> NDArray[np.bool_]:
    """Happened at one of the last `ticks` ticks, now left out."""
    recent = np.zeros_like(happened)
    for n in range(1, ticks + 1):
        recent[n:] |= happened[:-n]
    return recent
