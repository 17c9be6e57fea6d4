"""Figures whose names differ in one word, side by side: `psnr_1`, `psnr_16`; `survival_random`, `survival_stuck`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

from worldsim.evaluate.report.number import NONE, interval, number
from worldsim.evaluate.report.parts import Cell, direction, table, tag, words
from worldsim.evaluate.report.reach import status
from worldsim.evaluate.result import Figure

_NUMBERED = re.compile(r"(.+)_(\d+)")
Split = Callable[[str], tuple[str, str]]
"""A figure's name as row and column; ("", "") if it has none."""


@dataclass(frozen=True)
class Family:
    """One row of figures by column."""

    stem: str
    members: dict[str, Figure]


def families(figures: Sequence[Figure]) -> tuple[list[list[Family]], list[Figure]]:
    """Tables of families, and the figures that are in none of them, both in the order given."""
    tables, rest = [], list(figures)
    for split, fewest in ((_by_number, 1), (_by_last_word, 2), (_by_first_word, 2)):
        rows = _rows(rest, split)
        if len(rows) >= fewest and rows:
            tables.append(rows)
            taken = {id(figure) for row in rows for figure in row.members.values()}
            rest = [figure for figure in rest if id(figure) not in taken]
    return tables, rest


def family_table(rows: Sequence[Family]) -> str:
    """A row a family, a column a number or word."""
    columns = columns_of(rows)
    numbered = all(column.isdigit() for column in columns)
    heads = [("", "figure at" if numbered else "figure"), *(("n", words(column)) for column in columns)]
    return table(heads, [[_name(row), *(_value(row, column) for column in columns)] for row in rows])


def columns_of(rows: Sequence[Family]) -> list[str]:
    """Every column of any row: numbers by size, words as they come."""
    columns = list(dict.fromkeys(column for row in rows for column in row.members))
    return sorted(columns, key=int) if all(column.isdigit() for column in columns) else columns


def _rows(figures: Sequence[Figure], split: Split) -> list[Family]:
    """Rows of two or more members of one unit and direction that share at least two of the commonest columns."""
    found: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        stem, column = split(figure.name)
        if stem:
            found.setdefault(stem, {})[column] = figure
    kept = [Family(stem, members) for stem, members in found.items() if len(members) > 1 and _alike(members)]
    if split is _by_number or not kept:
        return kept
    common = Counter(frozenset(row.members) for row in kept).most_common(1)[0][0]
    return [row for row in kept if len(common & row.members.keys()) > 1]


def _alike(members: dict[str, Figure]) -> bool:
    return len({(figure.unit, figure.better) for figure in members.values()}) == 1


def _by_number(name: str) -> tuple[str, str]:
    match = _NUMBERED.fullmatch(name)
    return (match[1], match[2]) if match else ("", "")


def _by_last_word(name: str) -> tuple[str, str]:
    stem, _, column = name.rpartition("_")
    return stem, column


def _by_first_word(name: str) -> tuple[str, str]:
    column, _, stem = name.partition("_")
    return stem, column


def _name(row: Family) -> Cell:
    members = list(row.members.values())
    unit = f" <span class='soft'>{escape(members[0].unit)}</span>" if members[0].unit else ""
    notes = {figure.note for figure in members}
    lines = [line for line in (notes.pop() if len(notes) == 1 else "", direction(members[0])) if line]
    note = f'<span class="note">{escape("; ".join(lines))}</span>' if lines else ""
    return "", f"{words(row.stem)}{unit}{note}"


def _value(row: Family, column: str) -> Cell:
    figure = row.members.get(column)
    if figure is None:
        return "n", ""
    small = [
        ", ".join(text for text in (_interval(figure), f"n {figure.count:,}" * bool(figure.count)) if text)
    ]
    if figure.reach:
        small.append(f"{escape(figure.reach)}: {tag(status(figure))}")
    if len({member.note for member in row.members.values()}) > 1 and figure.note:
        small.append(escape(figure.note))
    lines = "".join(f"<small>{line}</small>" for line in small if line)
    return "n", f"{number(figure.value) if isfinite(figure.value) else NONE}{lines}"


def _interval(figure: Figure) -> str:
    text = interval(figure)
    return "" if text == NONE else text
