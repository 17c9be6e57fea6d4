"""A running game of Luanti in lockstep: one step, one tick of 50 ms, one picture to look at."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EngineError

from .luanti_clock import open_clock
from .luanti_lockstep import Lockstep
from .luanti_log import ClientFrame
from .luanti_process import GameProcess, find_programs
from .luanti_screen import Screen, import_xlib
from .luanti_settings import LuantiSettings, copy_world, write_files
from .luanti_slot import Slot

_EPOCH = 1_700_000_000
_START_SECONDS, _STOP_SECONDS = 60.0, 20.0
_TRIES = 4
_EDGE = 8  # pixels of the window that the pointer keeps away from


class LuantiGame:
    """One game from its start to its end.

    `state` is what the server said of the newest tick, see `luanti_mods/worldsim_oracle`.

    Args:
        seed: of the map, 0 to 2**64 - 1.
        setup: how the player begins, see `luanti_settings.write_files`.
        world: a folder with a world to begin from, or None for a new one.

    Raises:
        MissingDependency: minetest, Xvfb, python-xlib or a clock is not installed.
        EngineError: the game does not start, ends, or does not answer; close it then.
    """

    def __init__(
        self, settings: LuantiSettings, seed: int, setup: Mapping[str, Any], world: Path | None = None
    ) -> None:
        find_programs()
        import_xlib()
        self.settings = settings
        self.state: dict[str, Any] = {}
        self._events: dict[str, list[Any]] = {"broken": [], "placed": [], "died": []}
        self._open: list[Callable[[], None]] = []
        self._commands, self._slot = 0, -1
        for remaining in reversed(range(_TRIES)):
            try:
                return self._start(seed, setup, world)
            except EngineError as error:
                if "bind" not in str(error) or not remaining:
                    raise  # else a stranger has the network port of this slot: the next one has another

    def step(self, keys: Iterable[str], right: int = 0, down: int = 0) -> None:
        """Let one tick pass with these of MineRL's keys held, after moving the mouse by pixels."""
        self._screen.hold(keys)
        self._turn(right, down)
        self._lockstep.tick()
        self._lockstep.picture()  # shows what the server made of the tick, and the client its pose
        states = self._lockstep.log.states
        while states:
            self.state = states.popleft()
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
        assert self._lockstep.log.frame is not None
        return self._lockstep.log.frame

    @property
    def seconds(self) -> float:
        """How long the client has been in the world, by its own clock."""
        return self._lockstep.log.seconds

    @property
    def pid(self) -> int:
        """The game's process."""
        return int(self._process.told("game"))

    def settled(self) -> None:
        """The land is there: from now on let long work in the background go on while ticks pass."""
        self._lockstep.settled()

    def take_events(self) -> dict[str, list[Any]]:
        """What was "broken" and "placed" since the last call, as {"name", "id", "at"}, and whether someone "died"."""
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
        self._lockstep.run(self._lockstep.ended, _STOP_SECONDS, "it did not end when it was asked to")
        copy_world(self._root / "world", folder)
        self.close()

    def close(self) -> None:
        """End the game and remove its folder; safe to call twice."""
        while self._open:
            self._open.pop()()

    def _start(self, seed: int, setup: Mapping[str, Any], world: Path | None) -> None:
        try:
            slot = Slot(above=self._slot)
            self._slot = slot.number
            self._open.append(slot.close)
            self._root = Path(tempfile.mkdtemp(prefix="worldsim-luanti-"))
            self._open.append(partial(shutil.rmtree, self._root, ignore_errors=True))
            write_files(self._root, self.settings, seed, setup, world)
            clock = open_clock(self.settings.clock, self._root, _EPOCH + slot.number)
            self._open.append(clock.close)
            self._process = GameProcess(self._root, self.settings, clock.environment(), slot)
            self._open.append(self._process.close)
            slot.close()  # the keeper holds it now
            self._screen = Screen(self._process.told("display"), self._root / "screen" / "Xvfb_screen0")
            self._open.append(self._screen.close)
            self._lockstep = Lockstep(self._process, clock)
            self._open.append(self._lockstep.close)
            self._join()
        except BaseException:
            self.close()
            raise

    def _join(self) -> None:
        """Let the game load and its player join."""
        log = self._lockstep.log

        def joined() -> bool:
            if self._lockstep.ended():
                self._lockstep.fail("it ended")
            return log.frame is not None and any("pos" in state for state in log.states)

        self._lockstep.run(joined, _START_SECONDS, "no player in the world")
        self._screen.focus()
        self._lockstep.stand()
        log.states.clear()

    def _turn(self, right: int, down: int) -> None:
        """Move the mouse; the game puts it back to the middle with every picture, and no further than the edge."""
        limit_x, limit_y = self.settings.width // 2 - _EDGE, self.settings.height // 2 - _EDGE
        while right or down:
            x, y = max(-limit_x, min(limit_x, right)), max(-limit_y, min(limit_y, down))
            self._screen.move(x, y)
            right, down = right - x, down - y
            if right or down:
                self._screen.sync()
                self._lockstep.picture()
        self._screen.sync()

    def _note(self, state: dict[str, Any]) -> None:
        for kind in ("broken", "placed"):
            self._events[kind] += state.get(kind) or []
        if state.get("died"):
            self._events["died"].append(True)
        state["errors"] = state.get("errors") or []
