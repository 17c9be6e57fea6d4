"""The page of one world: targets first, then each metric with its figures, curves and strips."""

from __future__ import annotations

from html import escape

from worldsim.evaluate.report.difference import compare
from worldsim.evaluate.report.document import Document
from worldsim.evaluate.report.families import families, family_table
from worldsim.evaluate.report.number import interval, with_unit
from worldsim.evaluate.report.parts import (
    Cell,
    charts,
    facts,
    figure_name,
    figures_table,
    provenance,
    strip,
    table,
    tag,
    words,
)
from worldsim.evaluate.report.reach import Status, status
from worldsim.evaluate.report.style import page_around
from worldsim.evaluate.report.verdicts import against
from worldsim.evaluate.result import Figure, Report, Section

HOW_TO_READ = """
<h2 id="reading">How to read this page</h2>
<p>Every episode is played twice: by the game, which is the truth (its <em>twin</em>), and by the learned
world, which is given the first frames and then dreams on under the same actions. Rows called
<em>game</em> and <em>dream</em> in a strip show the same moments.</p>
<p>The interval beside a value holds the true mean with 95 % confidence; it is taken over whole episodes,
because frames of one episode resemble each other. A target is <em>reached</em> or <em>missed</em> when the
whole interval says so, and <em>undecided</em> when the interval crosses it or fewer than five
episodes stand behind it: measure more with <code>--suite full</code>. A dash means that nothing
was measured. Strips called worst and median are picked by the figure that their caption names, not by hand.</p>
"""


def report_page(doc: Document, previous: Report | None = None) -> str:
    """One self-contained HTML page.

    Args:
        previous: the report of the world that ships, to set this one against.
    """
    report = doc.report
    title = f"{escape(report.world)}: a learned world against its twin"
    body = [
        f"<header><h1>{title}</h1>{provenance(report)}<p><code>{escape(report.command)}</code></p></header>"
    ]
    body += [_remark(report), _contents(report, previous), _targets(report), _failures(report)]
    if previous is not None:
        body.append(
            f'<section id="shipped"><h2>Against the world that ships</h2>{_against(previous, report)}</section>'
        )
    body += [_section(section, doc) for section in report.sections]
    body += [HOW_TO_READ, _settings(report)]
    return page_around(title, "\n".join(part for part in body if part))


def targets(report: Report) -> list[tuple[Section, Figure, Status]]:
    """Every figure that has a target which it can be held against."""
    rows = [(s, f, status(f)) for s in report.sections for f in s.figures]
    return [(section, figure, state) for section, figure, state in rows if state]


def _remark(report: Report) -> str:
    if not report.remark:
        return ""
    return f'<div class="remark"><h3>What a person saw</h3><p>{escape(report.remark)}</p></div>'


def _contents(report: Report, previous: Report | None) -> str:
    links = [("shipped", "Against the world that ships")] if previous is not None else []
    links += [(section.key, section.title) for section in report.sections] + [
        ("reading", "How to read this page")
    ]
    items = "".join(f'<li><a href="#{escape(key)}">{escape(title)}</a></li>' for key, title in links)
    return f"<nav><ul>{items}</ul></nav>"


def _targets(report: Report) -> str:
    rows = targets(report)
    if not rows:
        return ""
    order: tuple[Status, ...] = ("reached", "missed", "undecided", "unmeasured")
    counts = {word: sum(state == word for _, _, state in rows) for word in order}
    tiles = "".join(
        f"<li><b>{count}</b>{tag(word)}</li>"
        for word, count in counts.items()
        if count or word != "unmeasured"
    )
    heads = [("", "metric"), ("", "figure"), ("n", "value"), ("n", "95 %"), ("", "target"), ("", "")]
    cells, before = [], None
    for section, figure, state in rows:
        cells.append([("", "" if section is before else _link(section)), *_target(figure, state)])
        before = section
    return (
        f'<section id="targets"><h2>Targets</h2><p>{len(rows)} figures have a target.</p>'
        f'<ul class="tiles">{tiles}</ul>{table(heads, cells)}</section>'
    )


def _link(section: Section) -> str:
    return f'<a href="#{escape(section.key)}">{escape(section.title)}</a>'


def _target(figure: Figure, state: Status) -> list[Cell]:
    value = escape(with_unit(figure))
    reach = f'<span class="whole">{escape(figure.reach)}</span>'
    return [("", figure_name(figure)), ("n", value), ("n", interval(figure)), ("", reach), ("", tag(state))]


def _failures(report: Report) -> str:
    if not report.failed:
        return ""
    lines = "".join(f"<li><b>{words(k)}</b>: {escape(why)}</li>" for k, why in report.failed.items())
    return f"<section><h2>Not measured</h2><ul>{lines}</ul></section>"


def _against(previous: Report, report: Report) -> str:
    return provenance(previous) + against(compare(previous, report), previous, report, "shipped", "this one")


def _section(section: Section, doc: Document) -> str:
    tables, single = families(section.figures)
    return (
        f'<section id="{escape(section.key)}"><h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>'
        f"{''.join(family_table(rows) for rows in tables)}{figures_table(single)}{charts(section.curves)}"
        f"{''.join(strip(picture) for picture in doc.of(section.key))}</section>"
    )


def _settings(report: Report) -> str:
    lines = [f"{words(key)}: {escape(value)}" for key, value in report.settings.items()]
    lines += [
        f"{words(name)} probe <code>{escape(value[:16])}</code>" for name, value in report.probes.items()
    ]
    return f"<section><h3>Settings</h3>{facts(lines)}</section>" if lines else ""
