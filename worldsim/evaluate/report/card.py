"""The figures of a world's card, as Markdown that its CARD.md takes over as it is."""

from __future__ import annotations

from worldsim.evaluate.report.document import Document, Picture
from worldsim.evaluate.report.number import interval, with_unit
from worldsim.evaluate.report.reach import status
from worldsim.evaluate.result import Figure, Report

STRIP_FILE = "strip.png"


def card_figures(doc: Document) -> str:
    """A section "Figures" with every figure that has a target or a direction, and the command behind it."""
    report = doc.report
    parts = [
        "## Figures",
        f"`{report.command}`: {report.frames:,} frames dreamt in {report.seconds / 60:.0f} minutes on "
        f"{report.machine}, in game worlds never trained on. World {report.world_hash[:16]}, suite {report.suite}. "
        "Intervals are 95 %, over episodes.",
        _table(report),
    ]
    picture = card_strip(doc)
    if picture is not None:
        alt = f"{' over '.join(picture.labels)}; columns: {', '.join(picture.columns)}"
        parts.append(f"![{_cell(alt)}]({STRIP_FILE})")
    return "\n\n".join(parts) + "\n"


def card_strip(doc: Document) -> Picture | None:
    """The strip that stands for the world: a median episode if there is one."""
    return next((p for p in doc.pictures if "median" in p.name), next(iter(doc.pictures), None))


def _table(report: Report) -> str:
    lines = ["| metric | figure | value | 95 % | target | |", "|---|---|---|---|---|---|"]
    for section in report.sections:
        shown = [f for f in section.figures if f.reach or f.better != "neutral"]
        for i, figure in enumerate(shown):
            lines.append(_row(section.title if i == 0 else "", figure))
    return "\n".join(lines)


def _row(title: str, figure: Figure) -> str:
    cells = (
        title,
        figure.name.replace("_", " "),
        with_unit(figure),
        interval(figure),
        figure.reach,
        status(figure),
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
