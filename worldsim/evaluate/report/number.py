"""Figures as people write them."""

from __future__ import annotations

from math import isfinite

from worldsim.evaluate.result import Figure

NONE = "–"


def number(value: float, like: float | None = None) -> str:
    """A number with three digits or so; `like` decides how many decimals (the value an interval belongs to)."""
    if not isfinite(value):
        return NONE if value != value else str(value)
    text = f"{value:,.{_decimals(value if like is None else like)}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def interval(figure: Figure) -> str:
    """The 95 % interval, "0.91 to 0.95"; a dash where there is none."""
    if not (isfinite(figure.low) and isfinite(figure.high)):
        return NONE
    return f"{number(figure.low, figure.value)} to {number(figure.high, figure.value)}"


def with_unit(figure: Figure) -> str:
    """The value and its unit."""
    return f"{number(figure.value)} {figure.unit}".strip() if isfinite(figure.value) else NONE


def signed(value: float, like: float | None = None) -> str:
    """A difference with its sign."""
    text = number(value, like)
    return f"+{text}" if isfinite(value) and value > 0 and text.strip("0.") else text


def _decimals(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
