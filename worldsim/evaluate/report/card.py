"""The figures of a world's card, as Markdown that its CARD.md takes over as it is."""

from __future__ import annotations

from collections.abc import Sequence

from worldsim.evaluate.report.document import Document, Picture
from worldsim.evaluate.report.families import Family, columns_of, families
from worldsim.evaluate.report.number import NONE, interval, number, with_unit
from worldsim.evaluate.report.reach import status
from worldsim.evaluate.result import Report, Section

STRIP_FILE = "strip.png"


def card_figures(doc: Document) -> str:
    """A section "Figures": the targets, what stands side by side in the report, a strip, and the command."""
    report = doc.report
    parts = [
        "## Figures",
        f"`{report.command}`: {report.frames:,} frames dreamt in {report.seconds / 60:.0f} minutes on "
        f"{report.machine}, in game worlds never trained on. World {report.world_hash[:16]}, suite {report.suite}. "
        "Intervals are 95 %, over episodes; what the figures mean: docs/evaluate.md.",
        f"What a person saw: {report.remark}" if report.remark else "",
        _targets(report),
    ]
    parts += [text for section in report.sections for text in _section(section)]
    picture = card_strip(doc)
    if picture is not None:
        alt = f"{picture.caption}; rows: {', '.join(picture.labels)}; columns: {', '.join(picture.columns)}"
        parts.append(f"![{_cell(alt)}]({STRIP_FILE})")
    return "\n\n".join(part for part in parts if part) + "\n"


def card_strip(doc: Document) -> Picture | None:
    """The strip that stands for the world: a median episode if there is one."""
    return next((p for p in doc.pictures if "median" in p.name), next(iter(doc.pictures), None))


def _targets(report: Report) -> str:
    rows = [(s, f, status(f)) for s in report.sections for f in s.figures]
    lines = [
        (s.title, f.name.replace("_", " "), with_unit(f), interval(f), f.reach, state)
        for s, f, state in rows
        if state
    ]
    return _markdown(("metric", "figure", "value", "95 %", "target", ""), lines) if lines else ""


def _section(section: Section) -> list[str]:
    tables, _ = families(section.figures)
    return [f"{section.title}:\n\n{_values(rows)}" for rows in tables]


def _values(rows: Sequence[Family]) -> str:
    columns = columns_of(rows)
    lines = [(_row_name(row), *(_value(row, column) for column in columns)) for row in rows]
    return _markdown(("", *columns), lines)


def _row_name(row: Family) -> str:
    unit = next(iter(row.members.values())).unit
    return f"{row.stem.replace('_', ' ')}{f', {unit}' if unit else ''}"


def _value(row: Family, column: str) -> str:
    figure = row.members.get(column)
    return NONE if figure is None else number(figure.value)


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").replace("[", "(").replace("]", ")").split())
