"""Going on from an earlier report: whether it is of the same world and settings, what it lacks, and both as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from worldsim.errors import ConfigError
from worldsim.evaluate.result import Report
from worldsim.evaluate.suite import ORDER

SECONDS = "seconds by metric"
"""The only setting that differs from run to run."""


def missing(earlier: Report, metrics: Sequence[str]) -> tuple[str, ...]:
    """Those of the metrics that the report has no section of: never measured, or failed."""
    return tuple(name for name in metrics if earlier.section(name) is None)


def check_alike(earlier: Report, fresh: Report) -> None:
    """Raise unless two reports can be one.

    Raises:
        ConfigError: the world's hash, suite, version, a probe or a setting differs; the first that does is named.
    """
    for name, expected, got in _identity(earlier, fresh):
        if got != expected:
            raise ConfigError(
                f"--resume: {name}: got {_short(got)}, expected {_short(expected)} as in the report that is there; "
                f"go on as it began ({earlier.command}) or give another --out"
            )


def joined(earlier: Report, fresh: Report) -> Report:
    """One report of both, which share no section; what describes the run is the fresh one's, the remark is kept."""
    sections = sorted((*earlier.sections, *fresh.sections), key=lambda section: _place(section.key))
    there = {section.key for section in sections}
    failed = {name: why for name, why in (earlier.failed | fresh.failed).items() if name not in there}
    seconds = _seconds(earlier) | _seconds(fresh)
    return dataclasses.replace(
        fresh,
        sections=tuple(sections),
        seconds=earlier.seconds + fresh.seconds,
        frames=earlier.frames + fresh.frames,
        machine=_machines(earlier.machine, fresh.machine),
        settings={**fresh.settings, SECONDS: _listed(seconds)},
        probes=earlier.probes | fresh.probes,
        date=max(earlier.date, fresh.date),
        failed={name: failed[name] for name in sorted(failed, key=_place)},
        remark=earlier.remark,
    )


def seconds_in_words(seconds: Mapping[str, float]) -> str:
    """Whole seconds of each metric, as a report's settings hold them."""
    return _listed({name: f"{s:.0f}" for name, s in seconds.items()})


def _identity(earlier: Report, fresh: Report) -> Iterator[tuple[str, str, str]]:
    """(name, earlier value, fresh value) of all that has to be equal."""
    yield "world hash", earlier.world_hash, fresh.world_hash
    yield "suite", earlier.suite, fresh.suite
    yield "version", earlier.version, fresh.version
    for name, value in fresh.probes.items():  # a report whose metrics ask no probe names none
        yield name, earlier.probes.get(name, value), value
    for name, value in fresh.settings.items():
        if name != SECONDS:
            yield name, earlier.settings.get(name, "nothing"), value


def _short(value: str) -> str:
    return value if len(value) <= 20 else f"{value[:16]}…"


def _place(metric: str) -> int:
    return ORDER.index(metric) if metric in ORDER else len(ORDER)


def _seconds(report: Report) -> dict[str, str]:
    parts = (part.partition(" ") for part in report.settings.get(SECONDS, "").split(", ") if part)
    return {name: seconds for name, _, seconds in parts}


def _listed(seconds: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {seconds[name]}" for name in sorted(seconds, key=_place))


def _machines(earlier: str, fresh: str) -> str:
    """The fresh one's words if it is the same machine under whatever load, else all that took part."""
    names, name = earlier.partition(", load")[0].split("; "), fresh.partition(", load")[0]
    if names == [name]:
        return fresh
    return "; ".join([*(other for other in names if other != name), fresh])
