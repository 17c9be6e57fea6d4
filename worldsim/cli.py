"""The `worldsim` program: finds the command, reads its options, turns errors into one line.

Run it as `worldsim` or `python -m worldsim`. Exit codes: 0 done, 2..16 the kinds of
`worldsim.errors`, 70 a bug of ours, 130 Ctrl-C, 143 terminated.
"""

from __future__ import annotations

import _thread
import errno
import importlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from worldsim.commands import catalogue
from worldsim.errors import MissingDependency, ResourceLimitError, WorldSimError

BUG = 70
INTERRUPTED = 130
_DISK = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, getattr(errno, "EDQUOT", errno.ENOSPC))


_BUSY = 1.0
"""Load a core from which on other programs need the processor, too."""
_MOMENT = "10000"
"""Rounds that a thread spins before it sleeps, some tens of microseconds."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for anything a user can do."""
    if argv is None:
        _terminate_like_an_error()
        _never_lose_a_signal()
        _share_the_processor()
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [text for text in arguments if text != "--debug"]
    try:
        code = run(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has left (`| head`): point stdout at nothing, or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(error, debug)


def run(arguments: list[str]) -> int:
    """Run the command that the arguments name.

    Raises:
        WorldSimError: any of the errors a user can meet.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(catalogue.help_text(list(catalogue.COMMANDS), "worldsim COMMAND [OPTIONS]"))
        return 0
    if arguments[0] in ("--version", "-V"):
        from worldsim import __version__

        print(f"worldsim {__version__}")
        return 0
    group = catalogue.members(arguments[0])
    if group and arguments[1:2] in (["-h"], ["--help"]):
        print(catalogue.help_text(group, f"worldsim {arguments[0]} COMMAND [OPTIONS]"))
        if arguments[0] not in catalogue.COMMANDS:
            return 0
        print(f"\nwithout a command, worldsim {arguments[0]} itself:\n")
    name, rest = catalogue.find(arguments)
    return _call(name, rest)


def _call(name: str, rest: list[str]) -> int:
    from worldsim.commands.parse import parse

    command = catalogue.COMMANDS[name]
    options = parse(
        _load(command.options),
        rest,
        program=f"worldsim {name}",
        summary=command.summary,
        examples=command.examples,
    )
    result = _load(command.run)(options)
    return result if isinstance(result, int) else 0


def _load(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _report(error: Exception, debug: bool) -> int:
    if debug:
        raise error
    error = _as_ours(error)
    if isinstance(error, WorldSimError):
        return _say(f"error: {error}", error.exit_code)
    import traceback

    traceback.print_exception(error)
    return _say(f"error: a bug in worldsim: {type(error).__name__}; please report the lines above", BUG)


def _as_ours(error: Exception) -> Exception:
    """Name the errors of the machine that every command can meet."""
    if isinstance(error, OSError) and error.errno in _DISK:
        where = f"{error.filename}: " if error.filename else ""
        return ResourceLimitError(f"{where}{error.strerror}; free space there or choose another folder")
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and missing.partition(".")[0] != "worldsim":
        return MissingDependency(f"{missing}: not installed; run  pip install {missing.partition('.')[0]}")
    return error


def _say(text: str, code: int) -> int:
    # One line whatever the message holds: a path may have a newline or an escape sequence in it.
    line = "".join(c if c.isprintable() else " " for c in f"worldsim: {text}")
    print(line, file=sys.stderr, flush=True)
    return code


def _share_the_processor() -> None:
    """Let OpenMP's threads wait as the machine allows; what the user has set stays.

    Spinning threads are quick where cores are free and starve each other where they are not (docs/install.md has
    the figures). So they spin for a moment on a quiet machine and sleep at once on a busy one. Read when torch
    is imported.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < _BUSY * (os.cpu_count() or 1):
        os.environ["GOMP_SPINCOUNT"] = _MOMENT


def _terminate_like_an_error() -> None:
    """Let SIGTERM and SIGHUP unwind the stack, so that writers close what they have open."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _never_lose_a_signal() -> None:
    """Signal again where one arrived inside a callback such as `__del__`: Python drops what is raised there."""
    usual = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs, /) -> None:
        code = getattr(lost.exc_value, "code", None)
        if lost.exc_type is KeyboardInterrupt:
            code = INTERRUPTED
        if not isinstance(code, int) or code <= 128:
            usual(lost)
            return
        again = threading.Timer(0.05, _thread.interrupt_main, (code - 128,))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook


if __name__ == "__main__":
    sys.exit(main())
