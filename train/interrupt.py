"""Ctrl-C and SIGTERM as a flag, so that training ends between two steps and saves first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupt:
    """Within the `with` block the first signal sets `asked`; a second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._number = signal.SIGINT
        self._kept: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._kept[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)

    def finish(self) -> None:
        """End the program as the signal would have, if there was one; call it once all is saved."""
        if self.asked and self._number == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        if self.asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked, self._number = True, signal.Signals(number)
