"""Two worlds figure by figure: as markup for a page and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from worldsim.evaluate.report.difference import Difference, MetricVerdict, caveats
from worldsim.evaluate.report.number import NONE, number, signed, with_unit
from worldsim.evaluate.report.parts import Cell, direction, table, tag, words
from worldsim.evaluate.result import Report


def against(
    verdicts: Sequence[MetricVerdict], first: Report, second: Report, first_name: str, second_name: str
) -> str:
    """A table of metrics with their verdicts, and one of every figure to unfold."""
    if not verdicts:
        return "<p>The two reports share no figure.</p>"
    notes = "".join(f"<li>{escape(line)}</li>" for line in caveats(first, second))
    heads = [
        ("", "metric"),
        ("", f"{escape(second_name)} is"),
        ("n", "better"),
        ("n", "worse"),
        ("n", "even"),
        ("n", "unclear"),
    ]
    rows = [
        [("", f'<a href="#{escape(v.section)}">{escape(v.title)}</a>'), ("", tag(v.verdict)), *_counts(v)]
        for v in verdicts
    ]
    return (
        f"{f'<ul>{notes}</ul>' if notes else ''}{table(heads, rows)}"
        "<p class='soft'>A figure is better or worse when the 95 % interval of the difference leaves out 0, "
        "so one in twenty will by chance alone. Where both worlds met the same episodes, they are compared "
        "episode by episode.</p>"
        f"<details><summary>Every figure</summary>{_figures(verdicts, first_name, second_name)}</details>"
    )


def lines(verdicts: Sequence[MetricVerdict], first: str, second: str) -> str:
    """The verdicts as text: each metric, and below it the figures that differ."""
    text = [f"{second} against {first}:"]
    for verdict in verdicts:
        text.append(f"  {verdict.title}: {verdict.verdict}")
        for d in verdict.differences:
            if d.verdict in ("better", "worse", "changed"):
                text.append(f"    {d.name}: {with_unit(d.first)} -> {with_unit(d.second)} ({d.verdict})")
    return "\n".join(text)


def _counts(verdict: MetricVerdict) -> list[Cell]:
    even = verdict.counts.get("even", 0) + verdict.counts.get("changed", 0)
    counts = (
        verdict.counts.get("better", 0),
        verdict.counts.get("worse", 0),
        even,
        verdict.counts.get("unclear", 0),
    )
    return [("n", str(count)) for count in counts]


def _figures(verdicts: Sequence[MetricVerdict], first_name: str, second_name: str) -> str:
    heads = [
        ("", "metric"), ("", "figure"), ("n", escape(first_name)), ("n", escape(second_name)), ("n", "difference"),
        ("n", "95 %"), ("", ""), ("", ""),
    ]  # fmt: skip
    rows = [_row(v.title if i == 0 else "", d) for v in verdicts for i, d in enumerate(v.differences)]
    return table(heads, rows)


def _row(title: str, d: Difference) -> list[Cell]:
    like = d.second.value
    known = isfinite(d.low) and isfinite(d.high)
    span = f"{signed(d.low, like)} to {signed(d.high, like)}" if known else NONE
    how = f"{direction(d.second)}{', paired' if d.paired else ''}".strip(", ")
    return [
        ("", escape(title)),
        ("", words(d.name)),
        ("n", number(d.first.value)),
        ("n", escape(with_unit(d.second))),
        ("n", signed(d.delta, like)),
        ("n", span),
        ("", tag(d.verdict)),
        ("", f'<span class="soft">{how}</span>'),
    ]
