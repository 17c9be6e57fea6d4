"""Confidence intervals over episodes: frames of one episode are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.959964
"""Quantile of 97.5 % of the normal distribution."""


def bootstrap_mean(values: ArrayLike, seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """Mean and its 95 % interval by resampling episodes; values that are nan are left out.

    Args:
        values: one number an episode.

    Returns:
        (mean, low, high); all nan without values, no interval with a single one.
    """
    x = np.asarray(values, np.float64).ravel()
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return nan, nan, nan
    mean = float(x.mean())
    if len(x) == 1:
        return mean, nan, nan
    means = x[_picks(len(x), seed, draws)].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return mean, float(low), float(high)


def bootstrap_of(
    function: Callable[..., NDArray[np.float64]], *columns: ArrayLike, seed: int = 0, draws: int = 2000
) -> tuple[float, float, float]:
    """A function of means over episodes with its 95 % interval, such as dB of a mean squared error.

    Args:
        function: takes one array of means for each column and returns an array of their shape.
        columns: one number an episode each; episodes with a nan in any are left out.

    Returns:
        (value, low, high); all nan without episodes, no interval with a single one.
    """
    x = np.stack([np.asarray(column, np.float64).ravel() for column in columns])
    x = x[:, np.isfinite(x).all(0)]
    if x.shape[1] == 0:
        return nan, nan, nan
    value = float(function(*x.mean(1)))
    if x.shape[1] == 1 or not np.isfinite(value):
        return value, nan, nan
    resampled = function(*x[:, _picks(x.shape[1], seed, draws)].mean(2))
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return value, float(low), float(high)


def bootstrap_over(
    statistic: Callable[[NDArray[np.int64]], float], n: int, seed: int = 0, draws: int = 200
) -> tuple[float, float, float]:
    """Any statistic of n episodes with its 95 % interval; slower than the others.

    Args:
        statistic: takes indices of episodes, repeats allowed.
    """
    if n == 0:
        return nan, nan, nan
    value = statistic(np.arange(n))
    found = np.array([statistic(picks) for picks in _picks(n, seed, draws)]) if n > 1 else np.empty(0)
    found = found[np.isfinite(found)]
    if len(found) < draws // 2:
        return value, nan, nan
    low, high = np.quantile(found, (0.025, 0.975))
    return value, float(low), float(high)


def bootstrap_ratio(above: ArrayLike, below: ArrayLike, seed: int = 0) -> tuple[float, float, float]:
    """Ratio of sums over episodes with its 95 % interval: rates where episodes weigh by their length."""
    return bootstrap_of(_ratio, above, below, seed=seed)


def wilson(successes: float, n: float) -> tuple[float, float, float]:
    """A rate and its 95 % Wilson interval (Wilson 1927); all nan for n = 0."""
    if n <= 0:
        return nan, nan, nan
    rate = successes / n
    centre = (rate + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(rate * (1 - rate) / n + Z * Z / (4 * n * n))
    return rate, max(0.0, centre - half), min(1.0, centre + half)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], seed: int = 0, draws: int = 2000
) -> tuple[float, float, float]:
    """Mean of `b - a` over paired episodes and its 95 % interval; pairs with a nan are left out."""
    if len(a) != len(b):
        raise ValueError(f"paired_bootstrap: got {len(a)} and {len(b)} episodes, expected as many of each")
    return bootstrap_mean(np.asarray(b, np.float64) - np.asarray(a, np.float64), seed, draws)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    below = np.asarray(below)
    return np.where(below == 0, nan, above / np.where(below == 0, 1.0, below))


def _picks(n: int, seed: int, draws: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n, (draws, n))
