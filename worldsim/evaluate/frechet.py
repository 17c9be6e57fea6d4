"""Frechet distance of two sets of feature vectors, from sums that add up over episodes.

d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), Dowson and Landau 1982; with Inception features of
whole pictures it is called FID (Heusel et al. 2017). What it means depends on the features: distances
on different encoders have different names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, sum and sum of outer products of feature vectors; those of several sets are added."""

    count: int
    total: Array
    """`[D]`."""
    outer: Array
    """`[D, D]`."""

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.outer + other.outer)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.total - other.total, self.outer - other.outer)

    @property
    def mean(self) -> Array:
        """`[D]`."""
        return self.total / self.count

    @property
    def covariance(self) -> Array:
        """`[D, D]`, divided by the count."""
        mean = self.mean
        return self.outer / self.count - np.outer(mean, mean)


def moments(features: NDArray[np.float32]) -> Moments:
    """Moments of features `[N, D]`, N at least 1."""
    x = np.asarray(features, np.float64)
    return Moments(len(x), x.sum(0), x.T @ x)


def pooled(parts: Sequence[Moments]) -> Moments:
    """All of at least one set together."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def frechet(a: Moments, b: Moments) -> float:
    """Squared Frechet distance of two normal distributions with these moments; 0 or more."""
    root = _root(a.covariance)
    cross = np.linalg.eigvalsh(root @ b.covariance @ root)
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    apart = np.square(a.mean - b.mean).sum() + traces - 2 * np.sqrt(np.maximum(cross, 0)).sum()
    return max(0.0, float(apart))


def jackknife(a: Sequence[Moments], b: Sequence[Moments]) -> tuple[float, Array]:
    """Distance of two sets of n episodes, and its pseudo-values `[n]` (Tukey 1958; one needs n of 2 or more).

    Episode i of both sets belongs together and is left out together. The pseudo-values' standard
    error is that of the distance.
    """
    whole_a, whole_b, n = pooled(a), pooled(b), len(a)
    value = frechet(whole_a, whole_b)
    left_out = [frechet(whole_a - x, whole_b - y) for x, y in zip(a, b)] if n > 1 else []
    return value, n * value - (n - 1) * np.array(left_out)


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
