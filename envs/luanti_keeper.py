"""The process between us and a running game: whatever becomes of us, it ends the game and tidies up.

Run as `python -I -S luanti_keeper.py JSON`, with the standard library alone. It starts Xvfb and the
game, says on stdout what happens to them ("display N", "game PID", "ended CODE"), and ends both when stdin
closes, when its parent is gone (also by kill -9) or when it is told to by SIGTERM. If the keeper itself
is killed, the kernel ends its children.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.2
_XVFB_SECONDS = 20.0


def main() -> None:
    """Keep what the JSON argument describes until it is time to end it."""
    config: dict[str, Any] = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    children: list[subprocess.Popen[bytes]] = []
    try:
        display = _start_xvfb(config, children)
        _say(f"display {display}")
        game = _start_game(config, display, children)
        _keep(config["parent"], game)
    except OSError as error:
        _say(f"failed {error}")
    finally:
        _end(children)
        _clear_display(children)
        if config["remove"]:
            shutil.rmtree(config["folder"], ignore_errors=True)


def _start_xvfb(config: dict[str, Any], children: list[subprocess.Popen[bytes]]) -> str:
    read, write = os.pipe()
    command = [*config["xvfb"], "-displayfd", str(write)]
    children.append(_start(command, signal.SIGTERM, pass_fds=(write,)))
    os.close(write)
    number = b""
    deadline = time.monotonic() + _XVFB_SECONDS
    while not number.endswith(b"\n"):
        ready, _, _ = select.select([read], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(read, 64) if ready else b""
        if not more:
            raise OSError("Xvfb did not start")
        number += more
    os.close(read)
    return ":" + number.decode().strip()


def _start_game(
    config: dict[str, Any], display: str, children: list[subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **config["environment"], "DISPLAY": display}
    fds, log = config["fds"], config["log"]
    game = _start(config["game"], signal.SIGKILL, pass_fds=fds, env=environment, stdout=log, stderr=log)
    children.append(game)
    _say(f"game {game.pid}")
    for fd in (*fds, log):
        os.close(fd)  # so that we do not keep open what only the game should
    return game


def _start(command: list[str], on_our_death: int, **options: Any) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None)

    def die_with_us() -> None:  # runs in the child; this process has one thread, so that is safe
        libc.prctl(_PR_SET_PDEATHSIG, on_our_death, 0, 0, 0)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, preexec_fn=die_with_us, **{**defaults, **options})


def _keep(parent: int, game: subprocess.Popen[bytes]) -> None:
    """Return when stdin is closed or the parent is gone; the word "stop" asks the game to end by itself."""
    told = False
    while os.getppid() == parent:
        if not told and game.poll() is not None:
            told = True
            _say(f"ended {game.returncode}")
        ready, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if ready:
            word = os.read(0, 64)
            if not word:
                return
            if b"stop" in word and game.poll() is None:
                game.send_signal(signal.SIGTERM)


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """The game at once; Xvfb politely, because it has to take its socket and lock file away."""
    for child in reversed(children[1:]):
        child.kill()
        child.wait()
    for child in children[:1]:
        child.terminate()
        try:
            child.wait(3.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _clear_display(children: list[subprocess.Popen[bytes]]) -> None:
    """Remove what an Xvfb that was killed has left: its lock file, by which we know it, and its socket."""
    for lock in glob.glob("/tmp/.X*-lock"):
        with contextlib.suppress(OSError, ValueError):
            with open(lock) as file:
                ours = int(file.read()) in [child.pid for child in children[:1]]
            if ours:
                os.unlink(lock)
                os.unlink("/tmp/.X11-unix/X" + lock[len("/tmp/.X") : -len("-lock")])


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody is left to listen
        os.write(1, (line + "\n").encode())


if __name__ == "__main__":
    main()
