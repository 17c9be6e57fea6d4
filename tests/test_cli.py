"""The program: help without weight, near names, errors in one line with the kind's exit code."""

from __future__ import annotations

import dataclasses
import errno
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worldsim import cli, errors
from worldsim.commands import catalogue, parse

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, "-m", "worldsim"]


@dataclasses.dataclass(frozen=True)
class FakeOptions:
    """A command for these tests.

    With a second paragraph.
    """

    ticks: int = 3
    """How many."""
    set: tuple[str, ...] = ()
    """Overrides."""
    loud: bool = False
    """Louder."""


def fake_run(options: FakeOptions) -> int | None:
    raise NotImplementedError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> type[FakeOptions]:
    entry = catalogue.Command(
        "do nothing", f"{__name__}:fake_run", f"{__name__}:FakeOptions", ("worldsim fake",)
    )
    monkeypatch.setitem(catalogue.COMMANDS, "fake", entry)
    return FakeOptions


def outcome(monkeypatch: pytest.MonkeyPatch, run: object, *arguments: str) -> int:
    monkeypatch.setattr(sys.modules[__name__], "fake_run", run)
    return cli.main(["fake", *arguments])


# Help ------------------------------------------------------------------------------------------


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in catalogue.COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from worldsim.cli import main; main(['--help']);"
        "sys.exit(' '.join({'torch', 'numba', 'pygame', 'wandb', 'av', 'tyro'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(catalogue.COMMANDS))
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert all(example in out for example in catalogue.COMMANDS[name].examples)


def test_group_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "--help"]) == 0
    out = capsys.readouterr().out
    assert "data verify" in out and "bench" not in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "worldsim 0.1.0\n"


def documented() -> list[str]:
    """Every `worldsim ...` line in a code block of README and docs, and the catalogue's examples."""
    lines = [example for entry in catalogue.COMMANDS.values() for example in entry.examples]
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        inside = False
        for line in path.read_text(encoding="utf-8").splitlines():
            inside ^= line.startswith("```")
            if inside and line.startswith("worldsim "):
                lines.append(line)
    return sorted(set(lines))


@pytest.mark.parametrize("line", documented())
def test_documented_commands_are_understood(line: str) -> None:
    name, rest = catalogue.find(shlex.split(line, comments=True)[1:])
    entry = catalogue.COMMANDS[name]
    kind = cli._load(entry.options)
    options = parse.parse(kind, rest, program="worldsim", summary=entry.summary, examples=entry.examples)
    assert isinstance(options, kind)
    assert callable(cli._load(entry.run))


# Wrong arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("plya", "'plya': unknown command; did you mean play?"),
        ("data", "data: say which: info or verify or repair or import or export; see  worldsim data --help"),
        ("data veryfy", "data 'veryfy': unknown; did you mean verify?"),
        (
            "fake --tikcs 3",
            "unrecognized options: --tikcs, 3; did you mean --ticks?; see  worldsim fake --help",
        ),
        ("fake --ticks", "--ticks"),
        ("fake --ticks x", "error parsing --ticks: invalid literal for int() with base 10: 'x'"),
        ("fake --ticks 1 --ticks 2", "--ticks: given twice; give it once"),
        ("fake stray", "unrecognized options: stray"),
        ("worlds nowhere", "world 'nowhere': no such world or folder"),
        ("bench engine --sizes 160", "size '160': expected WIDTHxHEIGHT"),
        ("bench engine --frames 0", "--frames: got 0, expected 1 or more"),
        ("bench env --env worldsim/Nothing-v0", "unknown to Gymnasium"),
    ],
)
def test_usage_errors(line: str, message: str, command: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == errors.UsageError.exit_code
    captured = capsys.readouterr()
    assert captured.err.startswith("worldsim: error: ") and captured.err.count("\n") == 1
    assert message in captured.err
    assert not captured.out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", FakeOptions()),
        ("--ticks 5 --loud", FakeOptions(5, (), True)),
        ("--set a=1 --set b.c=2", FakeOptions(set=("a=1", "b.c=2"))),
        ("--set a=1 b.c=2 --ticks=4", FakeOptions(4, ("a=1", "b.c=2"))),
    ],
)
def test_options(line: str, expected: FakeOptions, command: object, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FakeOptions] = []
    assert outcome(monkeypatch, seen.append, *line.split()) == 0
    assert seen == [expected]


# What can go wrong while it runs -----------------------------------------------------------------


def failing(error: BaseException) -> object:
    def run(options: FakeOptions) -> int | None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.DatasetError("runs/a: cut short; run  worldsim data repair runs/a"), 5, "runs/a: cut short"),
        (errors.InvalidAction("action: two\nlines \x1b[31m"), 7, "action: two lines  [31m"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 9, "/x/y: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 9, "/x: Permission denied"),
        (ModuleNotFoundError("No module named 'minerl'", name="minerl"), 14, "pip install minerl"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 0, ""),
        (SystemExit(143), 143, ""),
    ],
)
def test_one_line_and_the_code_of_the_kind(
    error: BaseException,
    code: int,
    message: str,
    command: object,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    assert outcome(monkeypatch, failing(error)) == code
    err = capfd.readouterr().err
    assert message in err and err.count("\n") == (1 if message else 0)
    assert "Traceback" not in err


def test_a_bug_shows_where(
    command: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, failing(ZeroDivisionError("x"))) == cli.BUG
    err = capsys.readouterr().err
    assert "Traceback" in err and "a bug in worldsim: ZeroDivisionError" in err


def test_debug_raises(command: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.DatasetError):
        outcome(monkeypatch, failing(errors.DatasetError("x")), "--debug")


def test_head_closes_the_pipe() -> None:
    done = subprocess.run(
        f"{shlex.join(PROGRAM)} --help | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number: signal.Signals, code: int) -> None:
    waiting = (
        "import sys, time, worldsim.cli as cli\n"
        "def run(arguments):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "cli.run = run\n"
        "sys.exit(cli.main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", waiting], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code and "Traceback" not in err
