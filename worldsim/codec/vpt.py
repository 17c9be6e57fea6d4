"""Rows of VPT's jsonl: lists of dicts with `mouse` and `keyboard`, one a frame.

Row `i` belongs to frame `i`, the picture before its action takes effect. Rows to vectors:
`vpt_reader` says what is put right on the way. Vectors to rows loses nothing that a row can say:
keys exactly, degrees as mouse units of 0.15 degrees with a fraction, exact in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, INDEX, check_vector
from worldsim.codec.keys import HOTBAR, columns, empty, last, pressed
from worldsim.codec.vpt_keys import DEGREES, EYE, KEYBOARD, MOUSE, WINDOW
from worldsim.codec.vpt_reader import Compat, Escape, RowReader
from worldsim.errors import InvalidAction

_KEY_OF = {name: key for key, name in KEYBOARD.items()}


def to_vectors(
    rows: Iterable[Mapping[str, Any]],
    *,
    compat: Compat | None = None,
    escape: Escape = "keep",
    version: str | None = None,
) -> NDArray[np.float32]:
    """The actions of a segment's rows from its first on, float32 `[T, 25]`; arguments as `RowReader`'s.

    Raises:
        DatasetError: a row with a field of the wrong type or range; the message names both.
    """
    reader = RowReader(compat=compat, escape=escape, version=version)
    actions = [reader.read(row, f"row {number}").action for number, row in enumerate(rows)]
    return np.stack(actions) if actions else empty((0,))


def from_vectors(vectors: Any) -> list[dict[str, Any]]:
    """Vectors `[T, 25]` as rows; the slot is the one that their hotbar keys lead to, from 0 on."""
    return list(rows(vectors))


def rows(
    vectors: Any,
    *,
    slots: NDArray[Any] | None = None,
    poses: NDArray[Any] | None = None,
    gui: NDArray[Any] | None = None,
    fps: float = 20.0,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a segment.

    Args:
        vectors: `[T, 25]`.
        slots: integers `[T]` from 0 to 8, the slot in each row's picture; default: what the hotbar
            keys lead to.
        poses: `[T, 5]`, x, y, z of the eye, yaw, pitch; left out of the rows by default.
        gui: booleans `[T]`, whether a screen is open; default: never.
        fps: rows a second, for `milli`.

    Raises:
        InvalidAction: vectors that are not `[T, 25]`, or out of range.
    """
    values = check_vector(vectors)
    if values.ndim != 2:
        raise InvalidAction(f"actions: got shape {values.shape}, expected [T, 25]")
    down = pressed(values)
    units = values[:, CAMERA].astype(np.float64) / DEGREES
    slots = chosen_slots(values) if slots is None else slots
    before: tuple[list[str], list[int]] | None = None
    for t in range(len(values)):
        keys = [key for name, key in _KEY_OF.items() if down[t, INDEX[name]]]
        buttons = [number for number, name in enumerate(MOUSE) if down[t, INDEX[name]]]
        # A button that is down from the first row on is written as held, not as new: readers take a
        # new attack there for one that is stuck.
        old_keys, old_buttons = before or (keys, buttons)
        before = keys, buttons
        yield {
            "mouse": {
                "x": WINDOW[0] / 2, "y": WINDOW[1] / 2, "dx": float(units[t, 1]), "dy": float(units[t, 0]),
                "scaledX": 0.0, "scaledY": 0.0, "dwheel": 0.0,
                "buttons": buttons, "newButtons": [b for b in buttons if b not in old_buttons],
            },
            "keyboard": {"keys": keys, "newKeys": [k for k in keys if k not in old_keys], "chars": ""},
            "isGuiOpen": bool(gui is not None and gui[t]),
            "isGuiInventory": False,
            "hotbar": int(slots[t]),
            **({} if poses is None else _place(poses[t])),
            "tick": t, "milli": round(t * 1000 / fps), "inventory": [],
            "serverTick": t, "serverTickDurationMs": 1000 / fps, "stats": {},
        }  # fmt: skip


def chosen_slots(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The slot in each picture `[T]`, as the hotbar keys lead to it: from 0, a tick after the key."""
    keys = last(columns(pressed(vectors), HOTBAR))
    rows = np.maximum.accumulate(np.where(keys > 0, np.arange(1, len(keys) + 1), 0))
    slots = np.where(rows > 0, keys[rows - 1] - 1, 0)
    return np.concatenate([[0], slots[:-1]]) if len(slots) else slots


def _place(pose: NDArray[Any]) -> dict[str, float]:
    x, y, z, yaw, pitch = (float(value) for value in pose)
    return {"yaw": yaw, "pitch": pitch, "xpos": x, "ypos": y - EYE, "zpos": z}
