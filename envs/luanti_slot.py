"""A number for each game that runs on this machine: the game takes its network port from its start time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from worldsim.errors import ResourceLimitError

SLOTS = 256


class Slot:
    """The lowest number that no other running game has, held by a lock that dies with its holders.

    Raises:
        ResourceLimitError: there are as many games as there are numbers.
    """

    def __init__(self, *, above: int = -1) -> None:
        folder = Path(tempfile.gettempdir()) / f"worldsim-luanti-{os.getuid()}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise ResourceLimitError(f"{folder}: belongs to somebody else; set TMPDIR to a folder of yours")
        for number in range(above + 1, SLOTS):
            descriptor = os.open(folder / f"slot-{number}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue
            self.number, self.descriptor = number, descriptor
            return
        raise ResourceLimitError(f"Luanti: {SLOTS} games are running; end some of them")

    def close(self) -> None:
        """Let go of the number; a process that was given the descriptor holds on to it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
