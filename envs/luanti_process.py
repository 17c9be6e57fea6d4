"""The processes of one game: a keeper, an Xvfb and the game itself, and the pipes between us and them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path

from worldsim.errors import EngineError, MissingDependency

from .luanti_log import readable
from .luanti_settings import LuantiSettings, environment
from .luanti_slot import Slot

_KEEPER = Path(__file__).with_name("luanti_keeper.py")
_PLACES = "/usr/games:/usr/local/games:/usr/local/bin"  # not on everybody's PATH
INSTALL = "apt-get install --no-install-recommends minetest minetest-data xvfb libgl1-mesa-dri"
_START_SECONDS = 30.0


def find_programs() -> tuple[str, str]:
    """The paths of Xvfb and of the game.

    Raises:
        MissingDependency: one of them is not installed, or this is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise MissingDependency(
            f"Luanti: runs on Linux, got {sys.platform}; use a Linux machine or container"
        )
    path = os.environ.get("PATH", "") + ":" + _PLACES
    game = shutil.which("minetest", path=path)
    xvfb = shutil.which("Xvfb", path=path)
    missing = [name for name, found in (("minetest", game), ("Xvfb", xvfb)) if not found]
    if game is None or xvfb is None:
        raise MissingDependency(f"Luanti: {' and '.join(missing)} not installed; run  {INSTALL}")
    return xvfb, game


class GameProcess:
    """A game and its display in processes that do not outlive us; the keeper removes `root` with them.

    log, gate: descriptors to read. The game writes a byte to the gate after each picture and waits
    for `let_pass`.

    Raises:
        MissingDependency: minetest or Xvfb is not installed.
        EngineError: they do not start.
    """

    def __init__(self, root: Path, settings: LuantiSettings, preload: dict[str, str], slot: Slot) -> None:
        xvfb, game = find_programs()
        log_read, log_write = os.pipe()
        gate_read, gate_write = os.pipe()
        pass_read, pass_write = os.pipe()
        self.log, self.gate, self._pass = log_read, gate_read, pass_write
        config = {
            "folder": str(root), "remove": True, "parent": os.getpid(), "log": log_write,
            "fds": [gate_write, pass_read], "xvfb": _xvfb_command(xvfb, root, settings),
            "game": _game_command(game, root),
            "environment": {**environment(root), **preload, "WORLDSIM_GATE": f"{gate_write},{pass_read}"},
        }  # fmt: skip
        theirs = (log_write, gate_write, pass_read)
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                pass_fds=(*theirs, slot.descriptor), start_new_session=True, cwd="/",
            )  # fmt: skip
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        for descriptor in (log_read, gate_read):
            os.set_blocking(descriptor, False)
        if not preload.get("WORLDSIM_CLOCK"):
            with contextlib.suppress(OSError):  # a small pipe makes a game without a gate wait for us
                fcntl.fcntl(log_read, fcntl.F_SETPIPE_SZ, 4096)
        self._finalizer = weakref.finalize(
            self, _end, self._keeper, (log_read, gate_read, pass_write), os.getpid()
        )
        self._said = b""

    def told(self, word: str) -> str:
        """Wait until the keeper has said `word`, and return what it is: the "display" or the "game"'s pid."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            said = dict(line.split(" ", 1) for line in self._said.decode(errors="replace").splitlines())
            if word in said and self._said.endswith(b"\n"):
                return said[word]
            if "failed" in said:
                raise EngineError(f"Luanti: {said['failed']}")
            if time.monotonic() > deadline or not self._listen(deadline - time.monotonic()):
                raise EngineError(f"Luanti: no {word} in {_START_SECONDS:g} s; is Xvfb in order?")

    def running(self) -> bool:
        """Whether the game runs, as far as its keeper knows."""
        self._listen(0.0)
        return b"ended " not in self._said and self._keeper.poll() is None

    def let_pass(self) -> None:
        """Open the gate for one more picture."""
        with contextlib.suppress(BrokenPipeError):  # the log tells of the end
            os.write(self._pass, b"g")

    def ask_to_stop(self) -> None:
        """Let the game save its world and end; it needs its clock and its gate to do so."""
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self._keeper.stdin.fileno(), b"stop\n")

    def close(self) -> None:
        """End everything; safe to call twice."""
        self._finalizer()

    def _listen(self, seconds: float) -> bool:
        assert self._keeper.stdout is not None
        descriptor = self._keeper.stdout.fileno()
        if not readable([descriptor], seconds):
            return False
        data = os.read(descriptor, 4096)
        self._said += data
        return bool(data)


def _end(keeper: subprocess.Popen[bytes], descriptors: tuple[int, ...], owner: int) -> None:
    if os.getpid() != owner:
        return  # a copy of us, by fork: the game is not its own
    assert keeper.stdin is not None and keeper.stdout is not None
    with contextlib.suppress(OSError):
        keeper.stdin.close()  # the keeper takes this as the order to end
    try:
        keeper.wait(10.0)
    except subprocess.TimeoutExpired:
        keeper.kill()  # the kernel ends its children
        keeper.wait()
    keeper.stdout.close()
    for descriptor in descriptors:
        os.close(descriptor)


def _xvfb_command(program: str, root: Path, settings: LuantiSettings) -> list[str]:
    size = f"{settings.width}x{settings.height}x24"
    return [
        program, "-screen", "0", size, "-nolisten", "tcp", "-fbdir", str(root / "screen"), "+extension", "GLX",
        "-noreset",
    ]  # fmt: skip


def _game_command(program: str, root: Path) -> list[str]:
    return [
        program, "--config", str(root / "minetest.conf"), "--world", str(root / "world"), "--go",
        "--logfile", str(root / "log.txt"),
    ]  # fmt: skip
