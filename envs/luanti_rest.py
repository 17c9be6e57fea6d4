"""Telling whether a process has anything left to do."""

from __future__ import annotations

import os
import time

_PAUSE = 0.0004
_IN_A_ROW = 3  # looks at which every thread has to be asleep: one thread may be about to wake another


class Threads:
    """The threads of the process `pid`, as the kernel sees them: one that waits for a processor is not at rest."""

    def __init__(self, pid: int) -> None:
        self._folder = f"/proc/{pid}/task"
        self._files: dict[str, int] = {}

    def wait_for_rest(self, seconds: float) -> bool:
        """Wait until all threads sleep, at most so long; says whether they do."""
        deadline = time.monotonic() + seconds
        calm = 0
        self._find()
        while calm < _IN_A_ROW:
            calm = calm + 1 if self._asleep() else 0
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def close(self) -> None:
        """Let go of the kernel's files."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _find(self) -> None:
        try:
            names = os.listdir(self._folder)
            for name in names:
                if name not in self._files:
                    self._files[name] = os.open(f"{self._folder}/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # a thread, or the process, that has just ended

    def _asleep(self) -> bool:
        for name, descriptor in list(self._files.items()):
            try:
                line = os.pread(descriptor, 512, 0)
            except OSError:  # the thread has ended
                os.close(self._files.pop(name))
                continue
            if line[line.rfind(b")") + 2 : line.rfind(b")") + 3] not in (b"S", b"Z", b"X"):
                return False
        return True
