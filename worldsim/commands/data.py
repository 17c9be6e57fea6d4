"""`worldsim data info | verify | repair`: what lies in a folder of episodes, and whether it is whole."""

from __future__ import annotations

import dataclasses
import json as json_text
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tyro

from worldsim.errors import IntegrityError


@dataclasses.dataclass(frozen=True)
class InfoOptions:
    """Read from the manifests; frames are not opened."""

    folder: tyro.conf.Positional[str]
    """Folder of the dataset."""
    json: bool = False
    """Print JSON."""


@dataclasses.dataclass(frozen=True)
class VerifyOptions:
    """Ends with exit code 10 and a line for each problem if anything is not as it was committed."""

    folder: tyro.conf.Positional[str]
    """Folder of the dataset."""
    quick: bool = False
    """Compare sizes and sha256 only; don't decode the frames."""
    json: bool = False
    """Print JSON."""


@dataclasses.dataclass(frozen=True)
class RepairOptions:
    """Damaged episodes are set aside in `quarantine/`, unfinished ones removed; a second run finds nothing to do."""

    folder: tyro.conf.Positional[str]
    """Folder of the dataset."""
    json: bool = False
    """Print JSON."""


def info(options: InfoOptions) -> None:
    """Print what the dataset holds."""
    from worldsim.data.info import info as read

    report = read(options.folder)
    if options.json:
        _print_json(report)
        return
    minutes, mib = report.seconds / 60, report.size / 2**20
    per_frame = report.size / 1024 / max(report.frames, 1)
    print(
        f"{report.folder}: {report.episodes} episodes, {report.frames} frames, {minutes:.1f} minutes of play"
    )
    print(f"  size      {mib:.1f} MiB, {per_frame:.1f} KiB a frame")
    for name in ("envs", "policies", "sizes"):
        counts = getattr(report, name)
        print(f"  {name:<9} " + ", ".join(f"{key} ({count})" for key, count in sorted(counts.items())))
    print(
        f"  with      depth {report.depth}, captions {report.captions}, ended by the world {report.terminated}"
    )
    print("  columns   " + ", ".join(name.removeprefix("column.") for name in report.columns))


def verify(options: VerifyOptions) -> None:
    """Print every problem.

    Raises:
        IntegrityError: there is one or more.
    """
    from worldsim.data.verify import verify as check

    with _bar("verifying") as progress:
        report = check(options.folder, decode=not options.quick, progress=progress)
    if options.json:
        _print_json(report)
    else:
        for warning in report.warnings:
            print(f"warning: {warning}")
        for problem in report.problems:
            print(problem)
    if not report.ok:
        count = len(report.problems)
        raise IntegrityError(
            f"{report.folder}: {count} problem{'s' * (count > 1)} in {report.episodes} episodes; "
            f"run  worldsim data repair {report.folder}"
        )
    if not options.json:
        print(f"{report.folder}: {report.episodes} episodes, {report.frames} frames, all as committed")


def repair(options: RepairOptions) -> None:
    """Mend the dataset and say what was done."""
    from worldsim.data.repair import repair as mend

    with _bar("repairing") as progress:
        report = mend(options.folder, progress=progress)
    if options.json:
        _print_json(report)
        return
    for problem in report.quarantined:
        print(f"quarantined {problem}")
    for name in report.removed:
        print(f"removed unfinished {name}")
    for name in report.indexed:
        print(f"indexed {name}")
    done = report.quarantined or report.removed or report.indexed
    print(f"{report.folder}: {'' if done else 'nothing to do, '}{report.episodes} episodes")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(desc=what, unit=" episodes", delay=1, leave=False, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _print_json(report: Any) -> None:
    print(json_text.dumps(dataclasses.asdict(report), indent=2))
