"""Targets written in words, and whether a figure is there."""

from __future__ import annotations

import re
from math import inf, isfinite
from typing import Literal

from worldsim.evaluate.result import Figure

Status = Literal["reached", "missed", "undecided", "unmeasured", ""]

FEWEST = 5
"""Episodes below which nothing is decided."""

_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
_LEAST = ("at least", "or more", "above", "more than", "over ")
_MOST = ("at most", "or less", "or fewer", "below", "less than", "under ", "within")


def bounds(figure: Figure) -> tuple[float, float] | None:
    """(lowest, highest) value that counts as reached; None where the words hold no number.

    Understands "at least 0.90", "0.90 or more", "below 2 %", "at most 0.5", "0.95 to 1.05" and a
    number alone, which has to be met exactly. A percentage is taken as a share where the figure's own unit is not %.
    """
    words = figure.reach.lower()
    numbers = [float(text.replace(",", "").replace("−", "-")) for text in _NUMBER.findall(words)]
    if not numbers:
        return None
    scale = 0.01 if "%" in words and figure.unit != "%" else 1.0
    first = numbers[0] * scale
    if len(numbers) > 1 and re.search(r"\d\s*%?\s*(to|and|–)\s*[-−]?\d", words):
        return first, numbers[1] * scale
    least, most = (min((words.find(w) for w in ws if w in words), default=inf) for ws in (_LEAST, _MOST))
    if least == most == inf:
        return (first, first) if _NUMBER.fullmatch(words.strip()) else None
    return (first, inf) if least < most else (-inf, first)


def status(figure: Figure) -> Status:
    """Reached or missed with the whole interval, undecided where it crosses the target, "" without a target.

    Fewer than `FEWEST` episodes decide nothing: their interval is not to be believed. Unmeasured: no value.
    """
    limits = bounds(figure)
    if limits is None:
        return ""
    if not isfinite(figure.value):
        return "unmeasured"
    if 0 < figure.count < FEWEST:
        return "undecided"
    low = figure.low if isfinite(figure.low) else figure.value
    high = figure.high if isfinite(figure.high) else figure.value
    if limits[0] <= low and high <= limits[1]:
        return "reached"
    return "missed" if high < limits[0] or low > limits[1] else "undecided"
