"""`worldsim evaluate`: a world against its ground-truth twin, or two reports against each other."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from worldsim.errors import ConfigError, UsageError


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Dreams along game episodes that training never sees and measures them against the game.

    Writes report.html (one file, for people), report.json, and the figures of the world's card.
    """

    world: str = "voxel"
    """A shipped world's name, or a folder."""
    suite: Literal["quick", "full", "tiny"] = "quick"
    """How much: quick takes minutes, full hours; tiny is a check that everything runs."""
    out: str = "runs/eval"
    """Folder of the report; one that is there already is replaced."""
    only: tuple[str, ...] = ()
    """Metrics to measure, such as horizon drift; all if none are named."""
    steps: int | None = None
    """Sampler steps a frame; default: what the world was made for."""
    device: str = "cpu"
    """Torch device, such as cuda."""
    batch: int = 8
    """Dreams beside each other; what one frame takes (latency) is measured alone."""
    compare: tuple[str, ...] = ()
    """Two folders with a report, or worlds that ship one: set them side by side; measures nothing."""


def run(options: EvaluateOptions) -> int:
    """Evaluate and write, or compare; 0 if every metric could be measured.

    Raises:
        UsageError: an unknown world, metric or report.
        ConfigError: a number out of range.
    """
    from worldsim.evaluate.report import write_report

    if options.compare:
        return _compare(options)
    report = _measure(options)
    out = Path(options.out)
    write_report(report, out)
    print(_table(report))
    for name, why in report.failed.items():
        print(f"worldsim: {name}: could not be measured: {why}", file=sys.stderr)
    print(f"{out / 'report.html'}: {report.frames} frames dreamt, {report.seconds:.0f} s")
    return 1 if report.failed else 0


def _measure(options: EvaluateOptions) -> Any:
    from worldsim.bench.report import machine
    from worldsim.evaluate.probes import load_probes
    from worldsim.evaluate.run import evaluate
    from worldsim.evaluate.suite import METRICS, PIXELS_ONLY, find_metric, find_suite

    for name, value in (("steps", options.steps), ("batch", options.batch)):
        if value is not None and not 1 <= value <= 256:
            raise ConfigError(f"--{name}: got {value}, expected 1 to 256")
    for name in options.only:
        find_metric(name)
    facts, metrics = machine(), options.only or METRICS
    with _Bar() as bar:
        return evaluate(
            options.world,
            find_suite(options.suite),
            metrics=metrics,
            steps=options.steps,
            device=options.device,
            batch=options.batch,
            probes=None if set(metrics) <= set(PIXELS_ONLY) else load_probes(),
            machine=f"{facts['cpu']}, {facts['cores']} cores, load {facts['load']}",
            command=_command(options),
            progress=bar.update,
        )


def _command(options: EvaluateOptions) -> str:
    """The command that gives the same report."""
    words = ["worldsim", "evaluate", "--world", options.world, "--suite", options.suite]
    words += ["--only", *options.only] if options.only else []
    words += ["--steps", str(options.steps)] if options.steps is not None else []
    words += ["--device", options.device] if options.device != "cpu" else []
    return shlex.join([*words, "--out", options.out])


def _compare(options: EvaluateOptions) -> int:
    from worldsim.evaluate.report import read_document, write_comparison
    from worldsim.locate import WORLDS, shipped_worlds

    if len(options.compare) != 2:
        raise UsageError(f"--compare: got {len(options.compare)} reports, expected two folders")
    paths = [WORLDS / text if text in shipped_worlds() else Path(text) for text in options.compare]
    first, second = (read_document(path) for path in paths)
    print(write_comparison(first, second, Path(options.out)))
    print(f"{Path(options.out) / 'comparison.html'}")
    return 0


def _table(report: Any) -> str:
    """Every figure that has a target, section by section."""
    lines = []
    for section in report.sections:
        for figure in section.figures:
            if not figure.reach:
                continue
            spread = f"({figure.low:.3g} to {figure.high:.3g})" if figure.low == figure.low else ""
            value = f"{figure.value:.3g} {figure.unit}".strip()
            lines.append(
                f"{section.key:<15} {figure.name:<24} {value:>16} {spread:<22} wanted {figure.reach}"
            )
    return "\n".join(lines)


class _Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        self._bar = tqdm(unit="frame", disable=not sys.stderr.isatty(), leave=False)
        return self

    def update(self, done: int, total: int, metric: str) -> None:
        """Show how far it is."""
        self._bar.total, self._bar.n = total, done
        self._bar.set_description(metric, refresh=False)
        self._bar.refresh()

    def __exit__(self, *_: object) -> None:
        self._bar.close()
