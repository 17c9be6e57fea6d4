"""`worldsim bench`: every benchmark once, each in a process of its own, and all figures in one file."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from worldsim.bench.report import machine, write_whole
from worldsim.errors import UsageError, WorldSimError

SUBJECTS: dict[str, tuple[str, ...]] = {
    "engine": (),
    "play": ("--ticks", "200", "--repeats", "1"),
    "env": ("--num-envs", "1", "16", "--steps", "96", "--repeats", "1"),
    "scaling": ("--frames", "5"),
    "data": ("--repeats", "1"),
    "train": (),
}
"""Each benchmark with arguments that keep it to a minute or three; by itself it takes its time."""


@dataclasses.dataclass(frozen=True)
class EverythingOptions:
    """Every benchmark once, with small sizes: ten minutes on two cores. `worldsim bench NAME` is one in full."""

    only: tuple[str, ...] = ()
    """Some of engine, play, env, scaling, data, train; default: all."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON instead of tables."""

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in SUBJECTS:
                raise UsageError(f"--only: got {name!r}, expected {', '.join(SUBJECTS)}")


def run(options: EverythingOptions) -> None:
    """Measure one after the other, say which, and publish."""
    facts, reports = machine(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or SUBJECTS:
            path = Path(folder) / f"{name}.json"
            table = _measure(name, path)
            reports[name] = json.loads(path.read_text(encoding="utf-8"))
            if options.json != "-":
                print(f"{name}\n\n{table}\n", flush=True)
    text = json.dumps({"machine": facts, "reports": reports}, indent=2) + "\n"
    if options.json == "-":
        print(text, end="")
    elif options.json is not None:
        write_whole(Path(options.json), text)


def _measure(name: str, path: Path) -> str:
    """Run one benchmark, which writes its figures to `path`; its table."""
    print(f"worldsim: bench {name}", file=sys.stderr, flush=True)
    line = [sys.executable, "-m", "worldsim", "bench", name, *SUBJECTS[name], "--json", str(path)]
    done: Any = subprocess.run(line, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise WorldSimError(f"bench {name}: ended with {done.returncode}; its own lines above say why")
    table: str = done.stdout
    return table.rstrip()
