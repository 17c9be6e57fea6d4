"""The worker processes of a live source and the memory they share with the trainer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import weakref
from typing import IO, Any

import numpy as np

from worldsim.data.episode import ClipBatch
from worldsim.data.ring import Ring, RingLayout, allocate
from worldsim.data.worker import WorkerConfig
from worldsim.errors import WorldSimError

_POLL_SECONDS = 0.01
_CLOSE_SECONDS = 2.0
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Crew:
    """Running workers. They play ahead until the rings are full, then as far as `allow` lets them.

    Raises:
        WorldSimError: from `sample`, if a worker ended or nothing came in `timeout` seconds.
    """

    def __init__(
        self,
        layout: RingLayout,
        names: tuple[str, str],
        *,
        key: tuple[int, ...],
        episode_ticks: tuple[int, int],
        nice: int = 10,
        timeout: float = 900.0,
    ) -> None:
        self._timeout, self._ready, self.key = timeout, False, key
        self._capacity = layout.engines * layout.ticks
        self._allowance = 0.0
        self._rng = np.random.default_rng([*key, 2])
        self._processes: list[subprocess.Popen[bytes]] = []
        fd = allocate(layout.nbytes())
        try:
            self.ring = Ring(layout, fd)
            self.ring.allowed[:] = self._capacity
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the workers
            self._finalizer = weakref.finalize(self, _stop, self.ring.stop, self._processes, self._log)
            for worker in range(layout.workers):
                config = WorkerConfig(
                    worker,
                    fd,
                    os.getpid(),
                    *names,
                    key=key,
                    episode_ticks=episode_ticks,
                    layout=layout,
                    nice=nice,
                )
                self._processes.append(_start(config, self._log))
        finally:
            os.close(fd)

    def sample(self, count: int, length: int) -> ClipBatch:
        """Draw `count` windows of `length` ticks, uniformly over all rings."""
        self._wait(2 * length)
        while True:
            windows = self.ring.draw(self._rng, count, length)
            while len(windows) < count:
                self._pause()
                more = self.ring.draw(self._rng, count - len(windows), length)
                windows = np.concatenate([windows, more])
            clips = self.ring.read(windows, length)
            if self.ring.intact(windows).all():
                return clips

    def allow(self, ticks: float) -> None:
        """Let the workers play `ticks` more ticks in all."""
        self._allowance += ticks / len(self._processes)
        self.ring.allowed[:] = self._capacity + int(self._allowance)

    def close(self) -> None:
        """Stop the workers and free the memory; safe to call twice."""
        self._finalizer()

    def _wait(self, ticks: int) -> None:
        deadline = time.monotonic() + self._timeout
        self.check()
        while not self._ready:
            self._ready = bool((self.ring.heads >= ticks).all())
            if time.monotonic() > deadline:
                raise WorldSimError(
                    f"live source: no clips after {self._timeout:g} s; raise timeout, or lower engines or the size"
                )
            if not self._ready:
                self._pause()

    def _pause(self) -> None:
        self.check()
        time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise if a worker has ended."""
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                raise WorldSimError(
                    f"live source: worker {number} ended with status {process.returncode}"
                    f"{_last_line(self._log)}; start again, or use workers=0 to see the error here"
                )


def _start(config: WorkerConfig, log: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **{name: "1" for name in _THREADS},
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-m", "worldsim.data.worker", config.to_json()]
    return subprocess.Popen(
        command, env=environment, pass_fds=[config.fd], stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )


def _stop(flag: Any, processes: list[subprocess.Popen[bytes]], log: IO[bytes]) -> None:
    flag[0] = 1
    deadline = time.monotonic() + _CLOSE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    log.close()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read()[-4000:].decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
