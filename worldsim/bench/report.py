"""What a measurement found: rows of figures, the machine they come from, a table and a JSON file."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from worldsim.data.disk import disk_errors, replace_file
from worldsim.errors import UsageError

Row = dict[str, Any]
PACKAGES = ("worldsim", "torch", "numpy", "numba", "gymnasium")
BUSY = 0.5


@dataclasses.dataclass(frozen=True)
class Report:
    """Figures of one subject; every figure is a median over `settings["repeats"]` unless named otherwise."""

    subject: str
    settings: Row
    rows: list[Row]
    machine: Row

    def table(self) -> str:
        """The rows under their names, then the machine in two lines."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        cells = [names, *([_cell(row.get(name)) for name in names] for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
        lines = ["  ".join(text.rjust(width) for text, width in zip(line, widths)) for line in cells]
        m = self.machine
        lines += ["", f"{m['cpu']}, {m['cores']} cores, load {m['load']}, Python {m['python']}"]
        lines += [", ".join(f"{name} {m['packages'][name]}" for name in m["packages"])]
        if m["load"] is not None and m["load"] > BUSY:
            lines += ["the machine was busy: measure again when it is quiet"]
        return "\n".join(lines)

    def publish(self, path: str | None) -> None:
        """Print the table and, if a path is given, write everything there as JSON (`-` prints it instead)."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        if path == "-":
            print(text, end="")
            return
        print(self.table())
        if path is not None:
            write_whole(Path(path), text)


def machine() -> Row:
    """The machine and the versions that figures depend on; taken before the measurement makes load."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
    }


def median_of(measure: Callable[[int], Row], repeats: int) -> Row:
    """Run `measure(0)`, `measure(1)`, ...; figures become medians, other values are those of the first run."""
    runs = [measure(i) for i in range(repeats)]
    return {name: _middle([run[name] for run in runs]) for name in runs[0]}


def quantiles(values: list[float], name: str) -> Row:
    """`{name}_p50`, `_p95` and `_p99` of the values."""
    ordered = sorted(values)
    return {f"{name}_p{q}": ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (50, 95, 99)}


def at_least(name: str, value: float, low: float) -> None:
    """Raise UsageError unless `value` is `low` or more."""
    if not value >= low:
        raise UsageError(f"--{name}: got {value}, expected {low} or more")


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one go: a reader finds all of it or the old one.

    Raises:
        ResourceLimitError: the folder can't be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())


def without_nan(value: Any) -> Any:
    """Values that JSON can hold: what is not finite becomes None, tuples become lists."""
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _middle(values: list[Any]) -> Any:
    number = isinstance(values[0], (int, float)) and not isinstance(values[0], bool)
    return median(values) if number else values[0]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
