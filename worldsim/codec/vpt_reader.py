"""Rows of VPT's jsonl, one after the other, with the recorder's habits put right.

- A segment may begin with the attack button stuck: it is dropped until it is pressed anew.
- The wheel is not recorded: where the slot changes without a key, the hotbar key of the new slot is
  pressed in the row that first shows it.
- Old recorders scaled the mouse differently while a screen was open.
- Mouse, keyboard and every field beside them may be missing (old recorders, BASALT).
- More than 180 degrees in one tick is clipped.

`compat="openai"` gives what OpenAI's published loader gives, bugs and all: degrees truncated to
integers, no clipping, no scaling, and a hotbar key wherever the slot differs from the row before,
of which the first counts as slot 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT, INDEX
from worldsim.codec.vpt_keys import DEGREES, EYE, GUI_SCALE, KEYBOARD, MOUSE
from worldsim.errors import DatasetError

Compat = Literal["openai"]
Escape = Literal["keep", "inventory"]
_POSE = ("xpos", "ypos", "zpos", "yaw", "pitch")


@dataclass(frozen=True)
class Row:
    """What one row says.

    action: float32 [25], what was pressed after the row's picture was seen. null: nothing mapped
    was pressed or moved (before a slot change is counted, as in VPT). gui: a screen is open.
    cursor: its place in the 1280x720 window. slot: 0 to 8. pose: float32 [5], x, y, z of the eye in
    blocks, yaw and pitch in degrees. What the row does not say is None.
    """

    action: NDArray[np.float32]
    null: bool
    gui: bool
    cursor: tuple[float, float] | None
    slot: int | None
    pose: NDArray[np.float32] | None


class RowReader:
    """Reads the rows of one segment in their order.

    Args:
        compat: "openai" for the published loader's results.
        escape: "inventory" turns ESC into `inventory` while a screen is open and drops it
            otherwise, as VPT was trained; "keep" keeps it.
        version: the recorder's, such as "6.8", where it is known.
    """

    def __init__(
        self, *, compat: Compat | None = None, escape: Escape = "keep", version: str | None = None
    ) -> None:
        self._compat, self._escape = compat, escape
        self._scale = 1.0 if compat else GUI_SCALE.get(version or "", 1.0)
        self._first, self._stuck = True, False
        self._slot: int | None = 0 if compat else None
        self._chose = False

    def read(self, row: Mapping[str, Any], where: str = "row") -> Row:
        """Read the next row; `where` is named in errors.

        Raises:
            DatasetError: a field that is there and has the wrong type or range.
        """
        field = _Fields(row, where)
        mouse, keyboard = field.object("mouse"), field.object("keyboard")
        gui = bool(row.get("isGuiOpen"))
        buttons = self._buttons(mouse)
        dx, dy = mouse.number("dx", 0.0), mouse.number("dy", 0.0)
        down = {KEYBOARD[key] for key in keyboard.items("keys", str) if key in KEYBOARD}
        down |= {name for number, name in enumerate(MOUSE) if number in buttons}
        null = not down and dx == 0 and dy == 0
        down = self._escaped(down, gui)
        slot = field.slot()
        action = np.zeros(ACTION_SIZE, np.float32)
        action[CAMERA] = self._camera(dy, dx, gui)
        wheel = self._wheel(slot, down)
        for name in down | wheel:
            action[INDEX[name]] = 1
        self._first = False
        return Row(action, null, gui, mouse.place(), slot, field.pose())

    def _buttons(self, mouse: _Fields) -> list[int]:
        buttons, new = mouse.items("buttons", int), mouse.items("newButtons", int)
        if self._first:
            self._stuck = new == [0]
        elif 0 in new:
            self._stuck = False
        return [button for button in buttons if button != 0] if self._stuck else buttons

    def _escaped(self, down: set[str], gui: bool) -> set[str]:
        if self._escape == "keep" or "ESC" not in down:
            return down
        return (down - {"ESC"}) | ({"inventory"} if gui else set())

    def _camera(self, dy: float, dx: float, gui: bool) -> tuple[float, float]:
        pitch, yaw = dy * DEGREES, dx * DEGREES
        if self._compat:
            return float(math.trunc(pitch)), float(math.trunc(yaw))
        scale = self._scale if gui else 1.0
        return (
            min(max(pitch * scale, -CAMERA_LIMIT), CAMERA_LIMIT),
            min(max(yaw * scale, -CAMERA_LIMIT), CAMERA_LIMIT),
        )

    def _wheel(self, slot: int | None, down: set[str]) -> set[str]:
        """The hotbar key that explains a new slot, unless a key of this row or the last one does."""
        changed = slot is not None and self._slot is not None and slot != self._slot
        chooses = "pickItem" in down or any(name.startswith("hotbar.") for name in down)
        explained = not self._compat and (chooses or self._chose)
        self._chose = chooses
        self._slot = self._slot if slot is None else slot
        return {f"hotbar.{self._slot + 1}"} if changed and not explained and self._slot is not None else set()


class _Fields:
    """Typed access to a row, with errors that name the field."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values, self._where = values, where

    def object(self, name: str) -> _Fields:
        value = self._values.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self._error(name, value, "an object or null")
        return _Fields(value or {}, f"{self._where}: {name}")

    def number(self, name: str, default: float) -> float:
        value = self._values.get(name)
        if value is None:
            return default
        if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e9:
            raise self._error(name, value, "a finite number")
        return float(value)

    def items(self, name: str, kind: type[Any]) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(type(item) is kind for item in value):
            raise self._error(name, value, f"a list of {kind.__name__}")
        return value

    def slot(self) -> int | None:
        value = self._values.get("hotbar")
        if value is not None and (type(value) is not int or not 0 <= value <= 8):
            raise self._error("hotbar", value, "an integer from 0 to 8")
        return value

    def place(self) -> tuple[float, float] | None:
        if self._values.get("x") is None or self._values.get("y") is None:
            return None
        return self.number("x", 0.0), self.number("y", 0.0)

    def pose(self) -> NDArray[np.float32] | None:
        if any(self._values.get(name) is None for name in _POSE):
            return None
        x, y, z, yaw, pitch = (self.number(name, 0.0) for name in _POSE)
        return np.array([x, y + EYE, z, yaw, pitch], np.float32)

    def _error(self, name: str, got: Any, expected: str) -> DatasetError:
        return DatasetError(f"{self._where}: {name} is {str(got)[:60]!r}, expected {expected}")
