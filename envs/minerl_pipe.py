"""Our end of the pipe to a MineRL that runs in its own venv."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import EngineError, MissingDependency

SERVER = Path(__file__).with_name("minerl_server.py")
VARIABLE = "WORLDSIM_MINERL_PYTHON"
_HEADER = 1 << 22


class MineRLPipe:
    """A process that answers `ask`; it ends with us.

    Args:
        python: the interpreter of a venv with MineRL, or None for that of $WORLDSIM_MINERL_PYTHON.

    Raises:
        MissingDependency: there is no such interpreter.
    """

    def __init__(self, python: str | None) -> None:
        named = python or os.environ.get(VARIABLE)
        found = shutil.which(named) if named else None
        if found is None:
            raise MissingDependency(
                f"MineRL: python: got {named!r}, expected the interpreter of a venv with MineRL 1.0 "
                f"(make(..., python=PATH) or {VARIABLE}=PATH); docs/install.md says how to make one"
            )
        self._process = subprocess.Popen(
            [found, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        self._rest = b""
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())

    def ask(self, seconds: float, **request: Any) -> tuple[dict[str, Any], NDArray[np.uint8] | None]:
        """Send a request; returns the answer, and the frame uint8 [H, W, 3] if there is one.

        Raises:
            MissingDependency: the interpreter has no MineRL.
            EngineError: MineRL failed, ended, or took longer than `seconds`; the pipe is closed then.
        """
        assert self._process.stdin is not None
        deadline = time.monotonic() + seconds
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            self._fail("it ended")
        answer: dict[str, Any] = json.loads(self._read_line(deadline))
        if "error" in answer:
            self.close()
            if answer["error"].startswith(("ModuleNotFoundError", "ImportError")):
                raise MissingDependency(f"MineRL: {answer['error']}; docs/install.md says how to install it")
            raise EngineError(f"MineRL: {answer['error']}")
        if "shape" not in answer:
            return answer, None
        shape = tuple(answer["shape"])
        return answer, np.frombuffer(self._read(int(np.prod(shape)), deadline), np.uint8).reshape(
            shape
        ).copy()

    def close(self) -> None:
        """End MineRL and all that it started; safe to call twice."""
        self._finalizer()

    def _read_line(self, deadline: float) -> bytes:
        while b"\n" not in self._rest:
            if len(self._rest) > _HEADER:
                self._fail("it answers nonsense")
            self._more(deadline)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _read(self, count: int, deadline: float) -> bytes:
        while len(self._rest) < count:
            self._more(deadline)
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _more(self, deadline: float) -> None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            self._fail("it does not answer")
        data = os.read(self._process.stdout.fileno(), 1 << 20)
        if not data:
            self._fail("it ended")
        self._rest += data

    def _fail(self, what: str) -> None:
        self.close()
        raise EngineError(f"MineRL: {what}; what it printed is above")


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return  # a copy of us, by fork
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    with contextlib.suppress(OSError):  # Java may have stayed
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
