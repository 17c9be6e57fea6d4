"""Ctrl-C and SIGTERM wait while something must not be left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class HeldSignals:
    """Within the `with` block signals are noted; the first one is delivered at its end.

    Python runs signal handlers in the main thread alone: in another thread this does nothing. A signal that
    is ignored stays so.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self._kept: dict[int, Any] = {}

    def __enter__(self) -> HeldSignals:
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                usual = signal.getsignal(number)
                if usual is not None and usual is not signal.SIG_IGN:
                    self._kept[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)
        if self._came is not None:
            signal.raise_signal(self._came)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = self._came or number
