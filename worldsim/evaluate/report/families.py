"""Figures that differ only by a number at the end of their names, side by side: `psnr_1`, `psnr_4`, `psnr_16`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

from worldsim.evaluate.report.number import NONE, interval, number
from worldsim.evaluate.report.parts import Cell, table, tag, words
from worldsim.evaluate.report.reach import status
from worldsim.evaluate.result import Figure

_NUMBERED = re.compile(r"(.+)_(\d+)")


@dataclass(frozen=True)
class Family:
    """Two or more figures of one stem, by number."""

    stem: str
    members: dict[int, Figure]


def families(figures: Sequence[Figure]) -> tuple[list[Family], list[Figure]]:
    """The families in the order of their first members, and the figures that have none."""
    found: dict[str, dict[int, Figure]] = {}
    for figure in figures:
        match = _NUMBERED.fullmatch(figure.name)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = figure
    kept = [Family(stem, members) for stem, members in found.items() if len(members) > 1]
    taken = {id(figure) for family in kept for figure in family.members.values()}
    return kept, [figure for figure in figures if id(figure) not in taken]


def family_table(kept: Sequence[Family]) -> str:
    """A row a family, a column a number."""
    if not kept:
        return ""
    numbers = sorted({n for family in kept for n in family.members})
    heads = [("", "figure at"), *(("n", str(n)) for n in numbers)]
    return table(heads, [[_name(f), *(_value(f, n) for n in numbers)] for f in kept])


def _name(family: Family) -> Cell:
    members = list(family.members.values())
    unit = f" <span class='soft'>{escape(members[0].unit)}</span>" if members[0].unit else ""
    arrow = {"higher": "more is better", "lower": "less is better"}.get(members[0].better, "")
    notes = {figure.note for figure in members}
    lines = [line for line in (notes.pop() if len(notes) == 1 else "", arrow) if line]
    note = f'<span class="note">{escape("; ".join(lines))}</span>' if lines else ""
    return "", f"{words(family.stem)}{unit}{note}"


def _value(family: Family, n: int) -> Cell:
    figure = family.members.get(n)
    if figure is None:
        return "n", ""
    if not isfinite(figure.value):
        return "n", NONE
    small = [
        ", ".join(text for text in (_interval(figure), f"n {figure.count:,}" * bool(figure.count)) if text)
    ]
    if figure.reach:
        small.append(f"{escape(figure.reach)}: {tag(status(figure))}")
    if len({member.note for member in family.members.values()}) > 1 and figure.note:
        small.append(escape(figure.note))
    lines = "".join(f"<small>{line}</small>" for line in small if line)
    return "n", f"{number(figure.value)}{lines}"


def _interval(figure: Figure) -> str:
    text = interval(figure)
    return "" if text == NONE else text
