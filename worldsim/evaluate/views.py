"""How alike two views are, by the blocks that they show."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.probes.classes import in_cells
from worldsim.evaluate.twin import overlay

Classes = NDArray[np.uint8]
_LEAST = 0.01  # share of a view that a class has to fill to be counted


def agreement(said: Classes, true: Classes, kept: NDArray[np.bool_]) -> float:
    """Share of the kept cells of views `[n, rows, columns]` with the same class; nan without cells."""
    same = (said == true)[:, kept]
    return float(same.mean()) if same.size else float("nan")


def mean_iou(said: Classes, true: Classes, kept: NDArray[np.bool_]) -> float:
    """Intersection over union, mean over the classes that fill a hundredth of the true views or more."""
    a, b = said[:, kept], true[:, kept]
    classes, counts = np.unique(b, return_counts=True)
    scores = [
        float(((a == k) & (b == k)).sum() / ((a == k) | (b == k)).sum())
        for k, count in zip(classes, counts)
        if count >= _LEAST * b.size
    ]
    return float(np.mean(scores)) if scores else float("nan")


@functools.lru_cache(maxsize=8)
def shown_cells(width: int, height: int) -> NDArray[np.bool_]:
    """Cells `[rows, columns]` that the HUD leaves free in frames of this size."""
    free: NDArray[np.bool_] = ~in_cells(overlay(width, height)[None], 0.1)[0]
    return free


def shifted(frame: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """A frame moved to the right by whole columns (to the left if negative), its edge repeated."""
    width = frame.shape[1]
    return frame[:, np.clip(np.arange(width) - columns, 0, width - 1)]
