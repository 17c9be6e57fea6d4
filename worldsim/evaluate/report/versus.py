"""The page of two worlds side by side, with a verdict for each metric."""

from __future__ import annotations

from html import escape

from worldsim.evaluate.report.difference import compare
from worldsim.evaluate.report.document import Document
from worldsim.evaluate.report.parts import charts, provenance, strip
from worldsim.evaluate.report.style import page_around
from worldsim.evaluate.report.verdicts import against
from worldsim.evaluate.result import Curve, Section


def comparison_page(first: Document, second: Document) -> str:
    """One self-contained HTML page; verdicts are about the second world."""
    a, b = names(first, second)
    title = f"{escape(b)} against {escape(a)}"
    body = [
        f"<header><h1>{title}</h1><h3>{escape(a)}</h3>{provenance(first.report)}"
        f"<h3>{escape(b)}</h3>{provenance(second.report)}</header>",
        "<section id='verdicts'><h2>Verdicts</h2>",
        against(compare(first.report, second.report), first.report, second.report, a, b),
        "</section>",
    ]
    for section in second.report.sections:
        other = first.report.section(section.key)
        if other is not None:
            body.append(_section(other, section, first, second, (a, b)))
    return page_around(title, "\n".join(body))


def names(first: Document, second: Document) -> tuple[str, str]:
    """What to call the two: their names, with the hash where those are equal."""
    a, b = first.report, second.report
    if a.world != b.world:
        return a.world, b.world
    if a.world_hash != b.world_hash:
        return f"{a.world}@{a.world_hash[:8]}", f"{b.world}@{b.world_hash[:8]}"
    return f"{a.world} (first)", f"{b.world} (second)"


def together(
    first: Curve, second: Curve, called: tuple[str, str]
) -> tuple[Curve, dict[str, tuple[int, bool]]]:
    """Both worlds' lines on the union of the two axes, and how they look: one colour a series, the first dashed."""
    axis = sorted(set(first.x) | set(second.x))
    series: dict[str, list[float]] = {}
    styles: dict[str, tuple[int, bool]] = {}
    for i, name in enumerate(dict.fromkeys([*second.series, *first.series])):
        for curve, world in ((second, called[1]), (first, called[0])):
            if name in curve.series:
                points = dict(zip(curve.x, curve.series[name]))
                series[f"{name}, {world}"] = [points.get(x, float("nan")) for x in axis]
                styles[f"{name}, {world}"] = (i, curve is first)
    return Curve(second.name, axis, series, second.x_label, second.y_label), styles


def _section(old: Section, new: Section, first: Document, second: Document, called: tuple[str, str]) -> str:
    before = {curve.name: curve for curve in old.curves}
    shared = [together(before[c.name], c, called) for c in new.curves if c.name in before]
    lines = charts([curve for curve, _ in shared], [styles for _, styles in shared])
    strips = _strips(old.key, first, second, called)
    return (
        f'<section id="{escape(new.key)}"><h2>{escape(new.title)}</h2><p>{escape(new.text)}</p>'
        f"{lines}{strips}</section>"
    )


def _strips(key: str, first: Document, second: Document, called: tuple[str, str]) -> str:
    shown = []
    names_seen = dict.fromkeys(p.name for p in [*second.of(key), *first.of(key)])
    for name in names_seen:
        for doc, world in ((first, called[0]), (second, called[1])):
            shown += [strip(p, world) for p in doc.of(key) if p.name == name]
    return "".join(shown)
