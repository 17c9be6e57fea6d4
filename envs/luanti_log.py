"""Reading what a running game says, with one pipe for its log and one for its gate."""

from __future__ import annotations

import json
import os
import select
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_MARK = b"@worldsim "
_JSON = json.JSONDecoder()
_FIELDS = 12


@dataclass(frozen=True)
class ClientFrame:
    """What the client knows as it draws one frame, in the game's own units and axes.

    dtime: seconds since the frame before. eye, velocity: blocks and blocks/s, x east, y up, z north.
    yaw, pitch: radians, counter-clockwise and up.
    """

    number: int
    dtime: float
    eye: tuple[float, float, float]
    velocity: tuple[float, float, float]
    yaw: float
    pitch: float
    on_ground: bool
    health: int


@dataclass
class GameLog:
    """The lines of a game's log, sorted: the newest of the client, those of the server, and the rest.

    `moved` counts client frames in which time passed; `frames` counts all of them; `seconds` is the time
    that has passed in them.
    """

    descriptor: int
    frame: ClientFrame | None = None
    frames: int = 0
    moved: int = 0
    seconds: float = 0.0
    states: deque[dict[str, Any]] = field(default_factory=deque)
    others: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    ended: bool = False
    _rest: bytes = b""

    def read(self, seconds: float) -> bool:
        """Take in what there is, waiting at most so long for the first of it; says whether there was any."""
        if self.ended or not readable([self.descriptor], seconds):
            return False
        while True:
            try:
                data = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                self.ended = True
                return True
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._sort(line)

    def _sort(self, line: bytes) -> None:
        """One line; or several in one, because the game's threads do not always wait for each other's newline."""
        other, *marked = line.split(_MARK)
        for text in marked:
            kind, _, text = text.partition(b" ")
            if kind == b"client":
                self.frame = _client_frame(text)
                self.frames += 1
                self.moved += self.frame.dtime > 0
                self.seconds += self.frame.dtime
            else:
                self.states.append(_JSON.raw_decode(text.decode())[0])
        if not marked:
            self.others.append(other.decode(errors="replace"))

    def complaint(self) -> str:
        """The last thing that the game said of an error, or the last at all."""
        errors = [line for line in self.others if "ERROR" in line or "rror:" in line]
        said = (errors or list(self.others))[-1:]
        return " ".join(said[0].split())[:300] if said else "it said nothing"


def _client_frame(text: bytes) -> ClientFrame:
    number, *values, ground, health = text.split()[:_FIELDS]
    dtime, x, y, z, vx, vy, vz, yaw, pitch = map(float, values)
    return ClientFrame(int(number), dtime, (x, y, z), (vx, vy, vz), yaw, pitch, ground == b"1", int(health))


def readable(descriptors: list[int], seconds: float) -> list[int]:
    """Those of the descriptors that can be read or have ended, waiting at most so long for the first."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(max(0.0, seconds * 1000.0))]
