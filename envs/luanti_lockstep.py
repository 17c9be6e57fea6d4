"""Ticks and pictures of a running game: its clock, its gate, what it says, and whether it has anything left to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NoReturn

from worldsim.errors import EngineError

from .luanti_clock import Clock
from .luanti_log import GameLog, readable
from .luanti_process import GameProcess
from .luanti_rest import Threads
from .luanti_settings import TICK

_SILENT_SECONDS = 30.0
_REST_SECONDS = 5.0  # a longer piece of work, as on the map of new land, goes on while ticks pass
_SETTLING_SECONDS = 20.0  # the same, before the first observation
_BREATH = 0.02


class Lockstep:
    """Moves a game on, one tick and one picture at a time.

    `log` has what the game has said so far.

    Raises:
        EngineError: from any method, if the game ended or says nothing for 30 s.
    """

    def __init__(self, process: GameProcess, clock: Clock) -> None:
        self.log = GameLog(process.log)
        self._process, self._clock = process, clock
        self._threads = Threads(int(process.told("game")))
        self._waiting = False  # the game has drawn a picture and stands at its gate
        self._patience = _SETTLING_SECONDS

    def tick(self) -> None:
        """Let a tick pass: for the client, in one picture; then for the server, when all is at rest."""
        self.log.read(0.0)
        before = self.log.moved  # without a gate, the picture may be there before we look for it
        self._clock.advance(TICK)
        if self._clock.gated:
            self.picture()
        else:
            self._await(lambda: self.log.moved > before, "no picture")
        self._rest()
        self._clock.follow()
        self._await(lambda: bool(self.log.states), "no tick of its server")
        self._rest()

    def picture(self) -> None:
        """Wait for one more picture, begun after this was called; no time passes."""
        if self._clock.gated:
            self._waiting = False
            self._process.let_pass()
            self._await(lambda: self._waiting, "no picture")
            return
        self.log.read(0.0)
        wanted = self.log.frames + 2  # one may have been half done
        self._await(lambda: self.log.frames >= wanted, "no picture")

    def run(self, until: Callable[[], bool], seconds: float, what: str) -> None:
        """Let the game run freely, about as fast as it would by itself, until something is the case."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                self.fail(f"{what} in {seconds:g} s")
            self._rest()
            self._clock.advance(TICK)
            self._clock.follow()
            self._open_gate(_BREATH)

    def stand(self) -> None:
        """End a free run: the game stands at its gate."""
        if self._clock.gated:
            self._await(lambda: self._waiting, "no picture")

    def settled(self) -> None:
        """From now on let long work in the background go on while ticks pass."""
        self._patience = _REST_SECONDS

    def ended(self) -> bool:
        """Whether the game is no more."""
        return self.log.ended or not self._process.running()

    def fail(self, what: str) -> NoReturn:
        """Raise EngineError with what the game has said last."""
        self.log.read(0.0)
        raise EngineError(f"Luanti: {what}; its log: {self.log.complaint()}")

    def close(self) -> None:
        """Let go of what watches the game's threads."""
        self._threads.close()

    def _rest(self) -> None:
        """Wait until every thread of the game has done what there is to do, so that chance decides nothing."""
        if self._clock.gated:
            self._threads.wait_for_rest(self._patience)

    def _await(self, met: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SILENT_SECONDS
        while not met():
            if time.monotonic() > deadline:
                self.fail(f"{what} for {_SILENT_SECONDS:g} s")
            if not self._listen(0.5) and self.ended():
                self.fail("it ended")

    def _open_gate(self, seconds: float) -> None:
        """Take in what the game says for a while, and let it draw."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.log.ended:
            self._listen(left)
            if self._waiting:
                self._waiting = False
                self._process.let_pass()

    def _listen(self, seconds: float) -> bool:
        """Take in what the game says, waiting at most so long for the first of it."""
        found = readable([self._process.log, self._process.gate], seconds)
        if self._process.gate in found:
            self._waiting = bool(os.read(self._process.gate, 64)) or self._waiting
        self.log.read(0.0)  # also after the gate: a picture's line is written before its byte
        return bool(found) and not self.log.ended
