"""Pieces of markup that the page of one world and that of two share. Everything from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from worldsim.evaluate.report.chart import Styles, chart, legend
from worldsim.evaluate.report.document import Picture
from worldsim.evaluate.report.number import NONE, interval, with_unit
from worldsim.evaluate.report.reach import status
from worldsim.evaluate.result import Curve, Figure, Report

Cell = tuple[str, str]
"""(class, markup) of a table cell; class "n" for numbers."""


def words(name: str) -> str:
    """A figure's name as words, escaped."""
    return escape(name.replace("_", " "))


def tag(word: str) -> str:
    """A verdict or status: the word itself, coloured."""
    return f'<span class="tag {escape(word)}">{escape(word)}</span>' if word else ""


def facts(items: Iterable[str]) -> str:
    """A line of short facts, already escaped."""
    return f'<ul class="facts">{"".join(f"<li>{item}</li>" for item in items if item)}</ul>'


def table(heads: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that scrolls by itself where the window is narrow."""
    head = "".join(_cell("th", cell) for cell in heads)
    body = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figures_table(figures: Sequence[Figure]) -> str:
    """Every figure of a section with interval, target and episodes."""
    if not figures:
        return ""
    heads = [
        ("", "figure"),
        ("n", "value"),
        ("n", "95 %"),
        ("", "target"),
        ("", ""),
        ("n", "episodes"),
        ("", ""),
    ]
    return table(heads, [_figure_row(figure) for figure in figures])


def figure_name(figure: Figure) -> str:
    """Name with its note below."""
    note = f'<span class="note">{escape(figure.note)}</span>' if figure.note else ""
    return f"{words(figure.name)}{note}"


def direction(figure: Figure) -> str:
    """Which way is good."""
    return {"higher": "more is better", "lower": "less is better"}.get(figure.better, "")


def charts(curves: Sequence[Curve], styles: Sequence[Styles] = ()) -> str:
    """All curves of a section beside each other; how their lines look, if not as usual."""
    if not curves:
        return ""
    looks: list[Styles | None] = list(styles) or [None] * len(curves)
    figures = [
        f"<figure><figcaption>{words(curve.name)}<small>{escape(curve.y_label)}</small></figcaption>"
        f"{chart(curve, look)}{legend(curve, look)}</figure>"
        for curve, look in zip(curves, looks)
    ]
    return f'<div class="charts">{"".join(figures)}</div>'


def strip(picture: Picture, world: str = "") -> str:
    """A strip with its heads, labels and caption; the picture is part of the page.

    Args:
        world: whose it is, where there are several.
    """
    whose = f"{escape(world)}: " if world else ""
    heads = "".join(f"<span>{escape(head)}</span>" for head in picture.columns)
    labels = "".join(f"<span>{escape(label)}</span>" for label in picture.labels)
    data = base64.b64encode(picture.png).decode()
    about = escape(f"{picture.name}: {', '.join(picture.labels)}")
    # A frame is shown about as large as it is: a smear that one has to guess at is no evidence.
    least, most = (5 + rem * len(picture.columns) for rem in (9.5, 12))
    return (
        f'<figure class="strip"><figcaption><b>{whose}{words(picture.name)}</b> {escape(picture.caption)}</figcaption>'
        f'<div class="wide"><div class="film" style="min-width: {least}rem; max-width: {most}rem">'
        f'<div class="heads">{heads}</div>'
        f'<div class="labels">{labels}</div><img alt="{about}" src="data:image/png;base64,{data}"></div></div>'
        "</figure>"
    )


def provenance(report: Report) -> str:
    """What was measured, on what, and how to measure it again."""
    lines = [
        f"world <code>{escape(report.world_hash[:16])}</code>",
        f"suite {escape(report.suite)}",
        f"{report.frames:,} frames dreamt in {report.seconds / 60:.1f} minutes",
        escape(report.machine),
        f"worldsim {escape(report.version)}" if report.version else "",
        escape(report.date),
    ]
    return facts(lines)


def _figure_row(figure: Figure) -> list[Cell]:
    return [
        ("", figure_name(figure)),
        ("n", escape(with_unit(figure))),
        ("n", interval(figure)),
        ("", escape(figure.reach) or NONE),
        ("", tag(status(figure))),
        ("n", f"{figure.count:,}" if figure.count else NONE),
        ("", f'<span class="soft">{direction(figure)}</span>'),
    ]


def _cell(kind: str, cell: Cell) -> str:
    name, markup = cell
    attribute = f' class="{name}"' if name else ""
    return f"<{kind}{attribute}>{markup}</{kind}>"
