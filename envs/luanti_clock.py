"""The game's clock, in our hands: our own shim where it can be built, else Debian's libfaketime."""

from __future__ import annotations

import functools
import glob
import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

from worldsim.errors import ConfigError, MissingDependency

KINDS = ("auto", "shim", "faketime")
_SOURCE = Path(__file__).with_name("luanti_clock.c")
_FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
_NANO = 10**9


class Clock(Protocol):
    """A clock that moves only when it is told to."""

    gated: bool
    """Whether the game draws one picture at a time and waits for the next byte at its gate."""

    def environment(self) -> dict[str, str]:
        """Variables that put the game under this clock."""

    def advance(self, nanoseconds: int) -> None:
        """Let time pass, for the client."""

    def follow(self) -> None:
        """Let the server's time pass too, up to the client's."""

    def close(self) -> None:
        """Let go of the file."""


class ShimClock:
    """Our `luanti_clock.c`: the time lies in shared memory, and frames pass a gate one by one."""

    gated = True

    def __init__(self, folder: Path, start: int) -> None:
        self._library = build_shim()
        self._path = folder / "clock"
        self._path.write_bytes(b"\0" * mmap.PAGESIZE)
        with open(self._path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._now = start * _NANO
        self.advance(0)
        self.follow()

    def environment(self) -> dict[str, str]:
        """Variables that put the game under this clock."""
        return {"LD_PRELOAD": self._library, "WORLDSIM_CLOCK": str(self._path)}

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self._now += nanoseconds
        self._page[8:16] = struct.pack("=q", self._now)

    def follow(self) -> None:
        """Let the server's time pass too, up to the client's."""
        self._page[:8] = self._page[8:16]

    def close(self) -> None:
        """Let go of the file."""
        self._page.close()


class FaketimeClock:
    """libfaketime, which reads the time from a file whenever the game asks: no compiler, but a third of the speed."""

    gated = False

    def __init__(self, folder: Path, start: int) -> None:
        self._library = find_faketime()
        self._path = folder / "clock.txt"
        self._now = start * _NANO
        self.advance(0)

    def environment(self) -> dict[str, str]:
        """Variables that put the game under this clock."""
        return {
            "LD_PRELOAD": self._library, "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1", "TZ": "UTC",
        }  # fmt: skip

    def advance(self, nanoseconds: int) -> None:
        """Let time pass; the file is exchanged as a whole, because the game may be reading it."""
        self._now += nanoseconds
        seconds, rest = divmod(self._now, _NANO)
        text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}\n"
        new = self._path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self._path)

    def follow(self) -> None:
        """There is one time only: the server's has passed already."""

    def close(self) -> None:
        """Nothing is held open."""


def open_clock(kind: str, folder: Path, start: int) -> Clock:
    """Make the clock `kind` ("auto", "shim" or "faketime"), standing at `start` seconds.

    Raises:
        ConfigError: no such kind.
        MissingDependency: neither a C compiler nor libfaketime is installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"clock: got {kind!r}, expected {', '.join(KINDS)}")
    if kind == "faketime":
        return FaketimeClock(folder, start)
    try:
        return ShimClock(folder, start)
    except MissingDependency:
        if kind == "shim" or not glob.glob(_FAKETIME):
            raise
        return FaketimeClock(folder, start)


def find_faketime() -> str:
    """The path of the multi-threaded libfaketime. Raises MissingDependency."""
    found = sorted(glob.glob(_FAKETIME))
    if not found:
        raise MissingDependency("Luanti: clock='faketime' needs libfaketime; run  apt-get install faketime")
    return found[0]


@functools.cache
def build_shim() -> str:
    """Compile the clock shim, once per version of its source: the user's cache keeps it.

    Raises:
        MissingDependency: there is no C compiler, or it can't compile the shim.
    """
    name = f"luanti_clock-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}-{os.uname().machine}.so"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "worldsim"
    if (cache / name).is_file():
        return str(cache / name)
    compiler = next((found for c in ("cc", "gcc", "clang") if (found := shutil.which(c))), None)
    if compiler is None:
        raise MissingDependency(
            "Luanti: needs a C compiler for its clock, or libfaketime; run  apt-get install gcc libc6-dev"
            "  or  apt-get install faketime"
        )
    return _compile(compiler, cache, name)


def _compile(compiler: str, cache: Path, name: str) -> str:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=cache, suffix=".tmp")
    except OSError:  # no home that can be written to: one for this process
        cache = Path(tempfile.mkdtemp(prefix="worldsim-cache-"))
        descriptor, fresh = tempfile.mkstemp(dir=cache, suffix=".tmp")
    os.close(descriptor)
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", fresh, str(_SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        os.unlink(fresh)
        said = next((line for line in done.stderr.splitlines() if "error" in line), "it says nothing")
        raise MissingDependency(
            f"Luanti: {compiler} can't build the clock ({said.strip()}); run  apt-get install gcc libc6-dev"
        )
    os.chmod(fresh, 0o755)
    os.replace(fresh, cache / name)  # whole or not at all: another process may be doing the same
    return str(cache / name)
