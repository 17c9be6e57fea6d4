"""`worldsim record --workers N`: episodes played at the same time, each by a process of its own.

A process records one episode into a dataset of its own beside the one that was asked for; it is moved
over when it is complete, in the order of the seeds, so that the result is that of one process.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worldsim.data.rollout import RecordReport, report_on
from worldsim.data.storage import EpisodeStore
from worldsim.errors import UsageError, WorldSimError

if TYPE_CHECKING:
    from worldsim.commands.record import RecordOptions

MAX_WORKERS = 64


def record_parallel(options: RecordOptions, env_options: dict[str, Any]) -> RecordReport:
    """Record as the options say, `workers` episodes at a time.

    Args:
        env_options: what the environment is made with; checked already.

    Raises:
        UsageError: a number of workers out of range, or options that one process alone can serve.
        WorldSimError: a process failed; the episodes of the others are kept.
        KeyboardInterrupt: Ctrl-C; complete episodes and the open ones, truncated, are kept.
    """
    _check(options)
    out = Path(options.out)
    with EpisodeStore(out, write=True) as store:
        known = len(store)
        parts = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".parts", dir=out.resolve().parent))
        try:
            problem = _record_all(options, store, parts)
        finally:
            shutil.rmtree(parts, ignore_errors=True)
    if problem:
        raise WorldSimError(f"{problem}; {len(store) - known} of {options.episodes} episodes are in {out}")
    return report_on(out, known, options.env, options.policy)


def _check(options: RecordOptions) -> None:
    if not 1 <= options.workers <= MAX_WORKERS:
        raise UsageError(f"--workers: got {options.workers}, expected 1 to {MAX_WORKERS}")
    if options.policy == "human":
        raise UsageError("--workers: a person plays one episode at a time; leave it out with --policy human")
    if options.wandb != "disabled":
        raise UsageError("--workers: --wandb follows one process only; leave one of the two out")


def _record_all(options: RecordOptions, store: EpisodeStore, parts: Path) -> str:
    """Run all processes and take over what they commit; returns what went wrong, "" for nothing."""
    from tqdm import tqdm

    problems: list[str] = []
    running: list[subprocess.Popen[str]] = []

    def play(episode: int) -> Path:
        part = parts / f"{episode:06d}"
        if not problems:
            problems.extend(filter(None, [_play(_command(options, episode, part), running)]))
        return part

    def adopt(part: Path) -> None:
        if part.is_dir():
            for name in EpisodeStore(part).names:
                store.adopt(part / name)

    with ThreadPoolExecutor(options.workers) as pool:
        futures = [pool.submit(play, episode) for episode in range(options.episodes)]
        try:
            for future in tqdm(futures, unit="episode", disable=not sys.stderr.isatty()):
                adopt(future.result())
        except BaseException:  # Ctrl-C reaches the processes too, and each commits its open episode
            problems.append("interrupted")
            pool.shutdown(wait=True, cancel_futures=True)
            for part in sorted(parts.iterdir()):
                adopt(part)
            raise
        finally:
            for process in running:
                if process.poll() is None:
                    process.terminate()
    return problems[0] if problems else ""


def _play(command: list[str], running: list[subprocess.Popen[str]]) -> str:
    """Let one process play its episode; returns the last line of what it complained of, "" for nothing."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    running.append(process)
    _, said = process.communicate()
    if process.returncode == 0:
        return ""
    lines = said.strip().splitlines()
    return (
        lines[-1].removeprefix("worldsim: error: ")
        if lines
        else f"a worker ended with status {process.returncode}"
    )


def _command(options: RecordOptions, episode: int, part: Path) -> list[str]:
    """The command line that records one episode: all options, but for those that say which."""
    mine: dict[str, Any] = {
        "out": os.fspath(part), "episodes": 1, "seed": options.seed + episode, "workers": 1,
    }  # fmt: skip
    command = [sys.executable, "-m", "worldsim", "record"]
    for field in dataclasses.fields(options):
        value = mine.get(field.name, getattr(options, field.name))
        if value == field.default:
            continue
        name = "--" + field.name.replace("_", "-")
        flag = isinstance(
            value, bool
        )  # one that has another value than it has by default is given by its name
        command += [name if value else name.replace("--", "--no-", 1)] if flag else [name, str(value)]
    return command
