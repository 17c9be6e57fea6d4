"""Words for the time of day, for the captions of every game."""

from __future__ import annotations

_NAMES = (
    (0.21, "at night"),
    (0.29, "at sunrise"),
    (0.44, "in the morning"),
    (0.56, "at noon"),
    (0.71, "in the afternoon"),
    (0.79, "at sunset"),
)


def time_words(time_of_day: float) -> str:
    """Words for a time of day in 0..1 (0.25 sunrise, 0.5 noon)."""
    return next((name for limit, name in _NAMES if time_of_day < limit), "at night")
