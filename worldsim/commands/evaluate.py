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
    """Folder of the report, written after each metric; one that is there already is replaced by then."""
    resume: bool = False
    """Go on from the report that lies in --out: measure what it lacks or could not measure, and keep the rest."""
    only: tuple[str, ...] = ()
    """Metrics to measure, such as horizon drift; all if none are named."""
    steps: int | None = None
    """Sampler steps a frame; default: what the world was made for."""
    backend: Literal["eager", "compiled", "onnx", "int8", "openvino", "cudagraph"] = "eager"
    """What runs the network; on a CPU all but eager draws one dream at a time."""
    device: str = "cpu"
    """Torch device, such as cuda."""
    batch: int = 8
    """Dreams beside each other; what one frame takes (latency) is measured alone."""
    standard: bool = False
    """Also LPIPS, FID and FVD, which need the extra `metrics` and the networks' weights."""
    remark: str = ""
    """What you saw in the strips, in words: put into the report that lies in --out; measures nothing."""
    compare: tuple[str, ...] = ()
    """Two reports (folders, or worlds that ship one) or two worlds: set side by side; worlds are measured first."""


def run(options: EvaluateOptions) -> int:
    """Evaluate and write, or compare; 0 if every metric that was asked for could be measured.

    Raises:
        UsageError: an unknown world, metric or report.
        ConfigError: a number out of range, or a report to resume that is of something else.
        IntegrityError, UnsupportedVersion: a report to resume that can't be read.
    """
    if options.compare:
        return _compare(options)
    if options.remark:
        return _remark(options)
    earlier, page = _earlier(options), Path(options.out) / "report.html"
    doc = _measure(options, earlier)
    if doc is earlier:
        print(f"{page}: holds every metric that was asked for; nothing was measured")
        return 0
    report = doc.report
    print(_table(report))
    _complain(report, options)
    print(f"{page}: {report.frames} frames dreamt, {report.seconds:.0f} s")
    return 1 if report.failed.keys() & set(_metrics(options)) else 0


def _remark(options: EvaluateOptions) -> int:
    from worldsim.evaluate.report import read_document, write_document

    out = Path(options.out)
    doc = read_document(out)
    report = dataclasses.replace(doc.report, remark=options.remark)
    write_document(dataclasses.replace(doc, report=report), out)
    print(out / "report.html")
    return 0


def _complain(report: Any, options: EvaluateOptions) -> None:
    for name in _metrics(options):
        if name in report.failed:
            print(f"worldsim: {name}: could not be measured: {report.failed[name]}", file=sys.stderr)


def _metrics(options: EvaluateOptions) -> tuple[str, ...]:
    """Those that are asked for."""
    from worldsim.evaluate.suite import METRICS, STANDARD

    return (options.only or METRICS) + STANDARD * options.standard


def _earlier(options: EvaluateOptions) -> Any:
    """The document to go on from; None if it is not wanted or there is none yet."""
    from worldsim.evaluate.report.document import REPORT_FILE, read_document

    out = Path(options.out)
    return read_document(out) if options.resume and (out / REPORT_FILE).exists() else None


def _measure(options: EvaluateOptions, earlier: Any) -> Any:
    """Measure and write, after each metric; the document that then lies there, `earlier` if it lacks nothing."""
    from worldsim.bench.report import machine
    from worldsim.commands.evaluate_progress import shown
    from worldsim.evaluate.probes import load_probes
    from worldsim.evaluate.report import write_report
    from worldsim.evaluate.run import evaluate
    from worldsim.evaluate.suite import PIXELS_ONLY, find_metric, find_suite

    for name, value in (("steps", options.steps), ("batch", options.batch)):
        if value is not None and not 1 <= value <= 256:
            raise ConfigError(f"--{name}: got {value}, expected 1 to 256")
    for name in options.only:
        find_metric(name)
    facts, metrics = machine(), _metrics(options)
    before, pictures = (None, ()) if earlier is None else (earlier.report, earlier.pictures)

    def write(report: Any) -> Any:
        if earlier is not None:
            there = tuple(section.key for section in report.sections)
            report = dataclasses.replace(report, command=_command(_to_repeat(options, there)))
        return write_report(report, Path(options.out), pictures)

    with shown() as progress:
        report = evaluate(
            options.world,
            find_suite(options.suite),
            metrics=metrics,
            steps=options.steps,
            backend=options.backend,
            device=options.device,
            batch=options.batch,
            probes=None if set(metrics) <= set(PIXELS_ONLY) else load_probes(),
            machine=f"{facts['cpu']}, {facts['cores']} cores, load {facts['load']}",
            command=_command(options),
            earlier=before,
            progress=progress,
            keep=write,
        )
    return earlier if report is before else write(report)


def _to_repeat(options: EvaluateOptions, there: tuple[str, ...]) -> EvaluateOptions:
    """The options that measure all metrics that are there in one go."""
    from worldsim.evaluate.suite import METRICS, STANDARD

    named = tuple(name for name in METRICS if name in there)
    standard = any(name in there for name in STANDARD)
    if not named:
        return dataclasses.replace(options, only=there, standard=False)
    return dataclasses.replace(options, only=() if named == METRICS else named, standard=standard)


def _command(options: EvaluateOptions) -> str:
    """The command that gives the same report."""
    words = ["worldsim", "evaluate", "--world", options.world, "--suite", options.suite]
    words += ["--only", *options.only] if options.only else []
    words += ["--standard"] if options.standard else []
    words += ["--steps", str(options.steps)] if options.steps is not None else []
    words += ["--backend", options.backend] if options.backend != "eager" else []
    words += ["--device", options.device] if options.device != "cpu" else []
    return shlex.join([*words, "--out", options.out])


def _compare(options: EvaluateOptions) -> int:
    from worldsim.evaluate.report import write_comparison

    if len(options.compare) != 2:
        raise UsageError(f"--compare: got {len(options.compare)} names, expected two reports or worlds")
    out = Path(options.out)
    paths = [_reported(text) for text in options.compare]
    first, second = (
        _document(text, path, options, out / name)
        for text, path, name in zip(options.compare, paths, ("first", "second"))
    )
    print(write_comparison(first, second, out))
    print(f"{out / 'comparison.html'}")
    return 0


def _reported(text: str) -> Path | None:
    """Where a report lies that goes by this name; None for a world without one of its own.

    Raises:
        UsageError: neither a report nor a world.
    """
    from worldsim.checkpoint import load_checkpoint
    from worldsim.evaluate.report.document import REPORT_FILE, read_document
    from worldsim.locate import CONFIG_FILE, WORLDS, find_world, shipped_worlds

    path = WORLDS / text if text in shipped_worlds() else Path(text)
    if path.suffix == ".json":
        return path
    if not (path / REPORT_FILE).exists():
        find_world(text)
        return None
    if not (path / CONFIG_FILE).exists():
        return path
    # a report travels with the folder when a world is trained on: then it speaks of other weights
    return path if read_document(path).report.world_hash == load_checkpoint(path).hash else None


def _document(text: str, path: Path | None, options: EvaluateOptions, folder: Path) -> Any:
    from worldsim.evaluate.report import read_document

    if path is not None:
        return read_document(path)
    options = dataclasses.replace(options, world=text, out=str(folder), compare=())
    doc = _measure(options, _earlier(options))
    _complain(doc.report, options)
    return doc


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
