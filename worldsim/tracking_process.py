"""wandb in a process of its own, fed JSON lines through a bounded queue.

`Child` is the near end; `python -m worldsim.tracking_process` is the far one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUEUE_LIMIT = 2000
LOG_FILE = "wandb.log"


class Child:
    """Starts the process and feeds it from a thread; `send` never waits and never raises."""

    def __init__(self, start: dict[str, Any], warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(QUEUE_LIMIT)
        self._queue.put(start)
        json.dumps(start)  # a configuration that is no JSON fails here and not in the thread
        with open(Path(start["folder"]) / LOG_FILE, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worldsim.tracking_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                start_new_session=True,  # Ctrl-C is for training, which then closes us
            )
        self._thread = threading.Thread(target=self._feed, name="wandb", daemon=True)
        self._thread.start()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; when wandb lags behind, it is left out there."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._warn("wandb lags behind, some values are in metrics.jsonl alone")

    def close(self, timeout: float) -> None:
        """Let the process finish, for at most `timeout` seconds, then end it."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout / 2)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._warn(f"wandb did not finish within {timeout:g} s and was ended; metrics.jsonl is complete")
            self._kill()
            self._thread.join(1.0)

    def _feed(self) -> None:
        """Pass messages on; returns when the process has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        broken = False
        while (message := self._queue.get()) is not None:
            if broken:
                continue
            try:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                broken = True
                self._complain()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if not broken:
            self._complain()
        self._process.wait()

    def _complain(self) -> None:
        """Repeat what the process said of its troubles; nothing if all went well."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline(500).decode(errors="replace").strip()
        if said:
            self._warn(f"wandb: {said}; see {LOG_FILE}")
        elif self._process.wait() not in (0, -signal.SIGTERM, -9):
            self._warn(f"wandb ended with status {self._process.returncode}; see {LOG_FILE}")

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


def main() -> int:
    """The far end: reads JSON lines from stdin until it closes; prints one line on the first failure."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever wandb prints goes to the log
    os.environ.update({"WANDB_SILENT": "true", "WANDB_CONSOLE": "off"})
    said = False
    run: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if message["do"] == "start":
                run = _start(message)
            else:
                _pass_on(run, message)
        except BaseException as error:
            if not said:
                report.write(
                    f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}\n"
                )
                report.flush()
            said = True
            if run is None:
                return 1
    if run is not None:
        run.finish()
    return 0


def _start(message: dict[str, Any]) -> Any:
    import wandb

    folder = Path(message["folder"])
    known: dict[str, Any] = {}
    if message["mode"] == "online":  # a resumed run goes on in the same place; offline knows no resuming
        id_file = folder / "wandb-id"
        if not id_file.exists():
            id_file.write_text(os.urandom(4).hex())
        known = {"id": id_file.read_text().strip(), "resume": "allow"}
    return wandb.init(
        project=message["project"],
        name=folder.name,
        mode=message["mode"],
        dir=str(folder),
        config=message["config"],
        **known,
    )


def _pass_on(run: Any, message: dict[str, Any]) -> None:
    import wandb

    if message["do"] == "log":
        run.log({k: v for k, v in message["values"].items() if v is not None}, step=message["step"])
    elif message["do"] == "image":
        run.log({message["name"]: wandb.Image(message["path"])}, step=message["step"])
    elif message["do"] == "video":
        run.log({message["name"]: wandb.Video(message["path"], format="mp4")}, step=message["step"])


if __name__ == "__main__":
    sys.exit(main())
