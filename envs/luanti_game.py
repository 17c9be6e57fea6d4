"""A running game of Luanti in lockstep: one step, one tick of 50 ms, one picture.

The game's clock stands still between steps. With our shim it also draws only when it is told to, so
that an idle game costs nothing and a step is exactly two pictures: one in which the tick passes, one
that shows what the server made of it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EngineError

from .luanti_clock import Clock, open_clock
from .luanti_log import ClientFrame, GameLog, readable
from .luanti_process import GameProcess, find_programs
from .luanti_rest import Threads
from .luanti_screen import Screen, import_xlib
from .luanti_settings import TICK, LuantiSettings, copy_world, write_files
from .luanti_slot import Slot

_EPOCH = 1_700_000_000
_START_SECONDS, _STEP_SECONDS, _STOP_SECONDS = 60.0, 30.0, 20.0
_REST_SECONDS = 1.0  # a longer piece of work, as on the map of new land, goes on while ticks pass
_SETTLING_SECONDS = 20.0  # the same, before the first observation
_TRIES = 4


class LuantiGame:
    """One game from its start to its end.

    Args:
        seed: of the map, 0 to 2**64 - 1.
        setup: how the player begins, see `luanti_settings.write_files`.
        world: a folder with a world to begin from, or None for a new one.

    Raises:
        MissingDependency: minetest, Xvfb, python-xlib or a clock is not installed.
        EngineError: the game does not start, ends, or does not answer; it is closed then.
    """

    def __init__(
        self, settings: LuantiSettings, seed: int, setup: Mapping[str, Any], world: Path | None = None
    ) -> None:
        find_programs()
        import_xlib()
        self.settings = settings
        self._open: list[Callable[[], None]] = []
        self._commands = 0
        self._patience = _SETTLING_SECONDS
        self._slot = -1
        for remaining in reversed(range(_TRIES)):
            try:
                self._start(seed, setup, world)
                return
            except EngineError as error:
                self.close()
                if "bind" not in str(error) or not remaining:
                    raise  # another program has the network port of this slot: the next one has another

    def step(self, keys: Iterable[str], right: int = 0, down: int = 0) -> None:
        """Let one tick pass with these of MineRL's keys held, after moving the mouse by pixels."""
        self._screen.hold(keys)
        self._turn(right, down)
        self._tick()
        self._rest()
        self._clock.follow()
        self._await(lambda: bool(self._log.states), _STEP_SECONDS, "no tick of its server")
        self._rest()
        self._picture()
        while self._log.states:
            self.state = self._log.states.popleft()
            self._note(self.state)

    def obey(self, *commands: Mapping[str, Any]) -> None:
        """Carry out commands of the server mod, such as {"op": "time", "value": 0.5}; takes a tick or two.

        Raises:
            EngineError: a command failed.
        """
        self._commands += 1
        path = self._root / "world" / "worldsim_commands.json"
        path.with_suffix(".new").write_text(json.dumps({"id": self._commands, "commands": commands}))
        os.replace(path.with_suffix(".new"), path)
        for _ in range(20):
            self.step(())
            if self.state["command"] == self._commands:
                break
        if self.state["errors"]:
            raise EngineError(f"Luanti: a command failed: {self.state['errors'][0]}")

    @property
    def client(self) -> ClientFrame:
        """What the client knew as it drew the newest picture."""
        assert self._log.frame is not None
        return self._log.frame

    @property
    def seconds(self) -> float:
        """How long the client has been in the world, by its own clock."""
        return self._log.seconds

    def settled(self) -> None:
        """From now on let long work in the background go on while ticks pass."""
        self._patience = _REST_SECONDS

    def take_events(self) -> dict[str, list[Any]]:
        """What was broken and placed since the last call, as [name, x, y, z], and deaths."""
        events, self._events = self._events, {"broken": [], "placed": [], "died": []}
        return events

    def picture(self) -> NDArray[np.uint8]:
        """The newest picture, a fresh uint8 [H, W, 3]."""
        return self._screen.picture()

    def form_open(self) -> bool:
        """Whether a form, such as the inventory, has the keyboard and the mouse."""
        return self._screen.pointer_shown()

    def save(self, folder: Path) -> None:
        """Let the game save its world and end, and copy the world; the game is closed then."""
        self._process.ask_to_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        while self._process.running() and not self._log.ended:
            if time.monotonic() > deadline:
                self.close()
                raise EngineError("Luanti: did not end when it was asked to; nothing was saved")
            self._clock.advance(TICK)
            self._clock.follow()
            self._pass_when_waiting(0.02)
        copy_world(self._root / "world", folder)
        self.close()

    def close(self) -> None:
        """End the game and remove its folder; safe to call twice."""
        while self._open:
            self._open.pop()()

    # ---- starting ----

    def _start(self, seed: int, setup: Mapping[str, Any], world: Path | None) -> None:
        try:
            slot = Slot(above=self._slot)
            self._slot = slot.number
            self._open.append(slot.close)
            self._root = Path(tempfile.mkdtemp(prefix="worldsim-luanti-"))
            write_files(self._root, self.settings, seed, setup, world)
            self._clock: Clock = open_clock(self.settings.clock, self._root, _EPOCH + slot.number)
            self._open.append(self._clock.close)
            self._process = GameProcess(self._root, self.settings, self._clock.environment(), slot)
            self._open.append(self._process.close)
            slot.close()  # the keeper holds it now
            self._log = GameLog(self._process.log)
            self.state: dict[str, Any] = {}
            self._events: dict[str, list[Any]] = {"broken": [], "placed": [], "died": []}
            self._screen = Screen(self._process.told("display"), self._root / "screen" / "Xvfb_screen0")
            self._open.append(self._screen.close)
            self._threads = Threads(int(self._process.told("game")))
            self._open.append(self._threads.close)
            self._join()
        except BaseException:
            self.close()
            raise

    def _join(self) -> None:
        """Let the game load and its player join, in time with the real clock."""
        deadline = time.monotonic() + _START_SECONDS
        while not (self._log.frame and any("pos" in state for state in self._log.states)):
            self._check_running()
            if time.monotonic() > deadline:
                raise EngineError(f"Luanti: did not start in {_START_SECONDS:g} s: {self._log.complaint()}")
            self._rest()
            self._clock.advance(TICK)
            self._clock.follow()
            self._pass_when_waiting(0.02)
        self._screen.focus()
        self._await(lambda: self._waiting, _STEP_SECONDS, "no picture") if self._clock.gated else None
        self._log.states.clear()

    # ---- one picture ----

    _waiting = False  # the game has drawn a picture and waits at its gate

    def _turn(self, right: int, down: int) -> None:
        """Move the mouse; the game puts it back to the middle with every picture, and no further than the edge."""
        limit_x, limit_y = self.settings.width // 2 - 8, self.settings.height // 2 - 8
        while right or down:
            x, y = max(-limit_x, min(limit_x, right)), max(-limit_y, min(limit_y, down))
            self._screen.move(x, y)
            right, down = right - x, down - y
            if right or down:
                self._screen.sync()
                self._picture()
        self._screen.sync()

    def _tick(self) -> None:
        """Let a tick pass for the client, and wait for the picture in which it did."""
        self._log.read(0.0)
        before = self._log.moved  # without a gate, the picture may be there before we look for it
        self._clock.advance(TICK)
        if self._clock.gated:
            self._picture()
        else:
            self._await(lambda: self._log.moved > before, _STEP_SECONDS, "no picture")

    def _picture(self) -> None:
        """Wait for one more picture, begun after this was called."""
        if self._clock.gated:
            self._waiting = False
            self._process.let_pass()
            self._await(lambda: self._waiting, _STEP_SECONDS, "no picture")
            return
        self._log.read(0.0)
        wanted = self._log.frames + 2  # one may have been half done
        self._await(lambda: self._log.frames >= wanted, _STEP_SECONDS, "no picture")

    def _rest(self) -> None:
        """Wait until every thread of the game has done what there is to do, so that chance decides nothing."""
        if self._clock.gated:
            self._threads.wait_for_rest(self._patience)

    def _await(self, met: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not met():
            if time.monotonic() > deadline:
                self._fail(f"{what} for {seconds:g} s")
            if not self._listen(0.5):
                self._check_running()

    def _pass_when_waiting(self, seconds: float) -> None:
        """Take in what the game says for a while, and keep its gate open."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._listen(left)
            if self._waiting:
                self._waiting = False
                self._process.let_pass()
            if self._log.ended:
                return

    def _listen(self, seconds: float) -> bool:
        """Take in what the game says, waiting at most so long for the first of it."""
        found = readable([self._process.log, self._process.gate], seconds)
        if self._process.gate in found:
            self._waiting = bool(os.read(self._process.gate, 64)) or self._waiting
        self._log.read(0.0)  # also after the gate: a picture's line is written before its byte
        return bool(found) and not self._log.ended

    def _check_running(self) -> None:
        if self._log.ended or not self._process.running():
            self._log.read(0.0)
            self._fail("it ended")

    def _fail(self, what: str) -> None:
        said = self._log.complaint()
        self.close()
        raise EngineError(f"Luanti: {what}; its log: {said}")

    def _note(self, state: dict[str, Any]) -> None:
        for kind in ("broken", "placed"):
            self._events[kind] += state.get(kind) or []
        if state.get("died"):
            self._events["died"].append(True)
        state["errors"] = state.get("errors") or []
