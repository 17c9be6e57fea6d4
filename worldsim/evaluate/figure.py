"""Figures from one number an episode, with the interval that fits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worldsim.evaluate.result import Better, Figure
from worldsim.evaluate.stats import bootstrap_mean, bootstrap_of

Values = NDArray[np.float64]


def mean(
    name: str, values: ArrayLike, unit: str = "", better: Better = "neutral", reach: str = "", note: str = ""
) -> Figure:
    """The mean over episodes; those that are nan have no say."""
    x = np.asarray(values, np.float64).ravel()
    return Figure(
        name, *bootstrap_mean(x), unit, better, reach, int(np.isfinite(x).sum()), note, _tuple(x)
    )  # fmt: skip


def pooled(
    name: str,
    function: Callable[..., Values],
    *columns: ArrayLike,
    unit: str = "",
    better: Better = "neutral",
    reach: str = "",
    note: str = "",
) -> Figure:
    """A function of the episodes' means, such as dB of the mean squared error; `episodes` has it for each."""
    x = [np.asarray(column, np.float64).ravel() for column in columns]
    count = int(np.isfinite(np.stack(x)).all(0).sum())
    return Figure(
        name, *bootstrap_of(function, *x), unit, better, reach, count, note, _tuple(function(*x))
    )  # fmt: skip


def _tuple(values: Values) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
