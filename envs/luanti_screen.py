"""The game's virtual display: what it shows, and the keys and the mouse that it is given."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EngineError, MissingDependency

KEYS: dict[str, str] = {
    "forward": "w", "back": "s", "left": "a", "right": "d", "jump": "space", "sneak": "Shift_L",
    "sprint": "e", "drop": "q", "inventory": "i", "ESC": "Escape",
    **{f"hotbar.{n}": str(n) for n in range(1, 10)},
}  # fmt: skip
"""MineRL's keys and the X keysyms that they press; swapHands and pickItem mean nothing to the game."""
BUTTONS: dict[str, int] = {"attack": 1, "use": 3}
"""MineRL's keys that are mouse buttons."""
_SECONDS = 10.0


class Screen:
    """An Xvfb of which we see the memory and to which we send input (XTEST).

    Raises:
        MissingDependency: python-xlib is not installed.
        EngineError: the display can't be reached.
    """

    def __init__(self, display: str, memory: Path) -> None:
        xlib = import_xlib()
        self._x, self._xtest, self._xk = xlib
        from Xlib import display as xdisplay
        from Xlib.error import DisplayError as XlibDisplayError

        try:
            self._display = xdisplay.Display(display)
        except (XlibDisplayError, OSError) as error:
            raise EngineError(f"Luanti: no way to its display {display}: {error}") from error
        self._codes = {
            key: self._display.keysym_to_keycode(self._xk.string_to_keysym(symbol))
            for key, symbol in KEYS.items()
        }
        self._held: set[str] = set()
        self._view = _map(memory)
        self._display.xfixes_query_version()  # without it the extension answers nothing
        self._display.change_keyboard_control(auto_repeat_mode=self._x.AutoRepeatModeOff)
        self._display.sync()

    def focus(self) -> None:
        """Give the game's window the keyboard: there is no window manager to do it."""
        windows = self._display.screen().root.query_tree().children
        width = self._view.shape[1]
        for window in windows:
            if window.get_geometry().width >= width // 2:
                window.set_input_focus(self._x.RevertToParent, self._x.CurrentTime)
        self._display.sync()

    def hold(self, wanted: Iterable[str]) -> None:
        """Press and release until exactly these of MineRL's keys are down."""
        down = {key for key in wanted if key in KEYS or key in BUTTONS}
        for key in sorted(self._held - down):
            self._send(key, pressed=False)
        for key in sorted(down - self._held):
            self._send(key, pressed=True)
        self._held = down

    def move(self, right: int, down: int) -> None:
        """Move the mouse by pixels."""
        if right or down:
            self._xtest.fake_input(self._display, self._x.MotionNotify, detail=True, x=right, y=down)

    def sync(self) -> None:
        """Wait until the X server has taken in everything."""
        self._display.sync()

    def pointer_shown(self) -> bool:
        """Whether the pointer is visible: so it is while a form, such as the inventory, is open."""
        image = self._display.xfixes_get_cursor_image(self._display.screen().root)
        return any(pixel >> 24 for pixel in image.cursor_image)

    def picture(self) -> NDArray[np.uint8]:
        """What is on the screen, a fresh uint8 [H, W, 3]."""
        return np.ascontiguousarray(self._view[:, :, 2::-1])

    def close(self) -> None:
        """Leave the display; it may be gone already."""
        try:
            self._display.close()
        except Exception:  # python-xlib raises its own kinds on a dead connection
            return

    def _send(self, key: str, *, pressed: bool) -> None:
        x = self._x
        if key in BUTTONS:
            self._xtest.fake_input(self._display, x.ButtonPress if pressed else x.ButtonRelease, BUTTONS[key])
        else:
            self._xtest.fake_input(self._display, x.KeyPress if pressed else x.KeyRelease, self._codes[key])


def import_xlib() -> tuple[Any, Any, Any]:
    """Xlib's constants, its XTEST and its keysyms.

    Raises:
        MissingDependency: python-xlib is not installed.
    """
    try:
        from Xlib import XK, X
        from Xlib.ext import xfixes, xtest
    except ImportError as error:
        raise MissingDependency(
            "Luanti: needs python-xlib; run  pip install 'worldsim[luanti]'  or  pip install python-xlib"
        ) from error
    assert xfixes
    return X, xtest, XK


def _map(path: Path) -> NDArray[np.uint8]:
    """The screen as uint8 [H, W, 4] (blue, green, red, unused), a view of Xvfb's file (format XWD)."""
    deadline = time.monotonic() + _SECONDS
    while not (path.exists() and os.path.getsize(path) > 4096):
        if time.monotonic() > deadline:
            raise EngineError(f"Luanti: Xvfb wrote no {path.name}")
        time.sleep(0.01)
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header = struct.unpack(">25I", memory[:100])
    size, width, height, row, colours = header[0], header[4], header[5], header[12], header[19]
    pixels = np.frombuffer(memory, np.uint8, count=row * height, offset=size + 12 * colours)
    return pixels.reshape(height, row // 4, 4)[:, :width]
