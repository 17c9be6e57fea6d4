"""How well one number orders another: rank correlation and the area under the ROC curve."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import ArrayLike, NDArray


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two columns; nan if one of them is constant or too short."""
    x, y = ranks(a), ranks(b)
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return nan
    return float(np.corrcoef(x, y)[0, 1])


def auroc(strange: ArrayLike, usual: ArrayLike) -> float:
    """Probability that a strange score lies above a usual one, ties half; nan if there are none."""
    above, below = np.asarray(strange, np.float64).ravel(), np.asarray(usual, np.float64).ravel()
    if len(above) == 0 or len(below) == 0:
        return nan
    order = ranks(np.concatenate([above, below]))[: len(above)]
    return float((order.sum() - len(above) * (len(above) + 1) / 2) / (len(above) * len(below)))


def false_alarms(strange: ArrayLike, usual: ArrayLike, found: float = 0.95) -> float:
    """Share of usual scores above the threshold that finds a share `found` of the strange ones."""
    above, below = np.asarray(strange, np.float64).ravel(), np.asarray(usual, np.float64).ravel()
    if len(above) == 0 or len(below) == 0:
        return nan
    threshold = np.sort(above)[int(np.floor((1 - found) * len(above)))]
    return float((below >= threshold).mean())


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, ties share their mean."""
    x = np.asarray(values, np.float64).ravel()
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], np.float64)
