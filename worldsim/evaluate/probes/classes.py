"""Block classes in cells: what the segmentation probe is asked, and the game's own answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

HEIGHT = 96
"""Rows that frames of any size are brought to before a probe sees them."""
CELL = 4
"""Rows and columns of those that share a class."""
CLASSES = 37
"""The game's 36 blocks by id (0 is sky) and one class for every animal."""
ANIMAL = 36
_ANIMAL_IDS = 200


def fit(frames: Tensor) -> Tensor:
    """Bring frames `[N, C, h, w]` to `HEIGHT` rows and their width to a multiple of 16, by area."""
    height, width = frames.shape[-2:]
    if height == HEIGHT and width % 16 == 0:
        return frames
    return functional.interpolate(frames, (HEIGHT, _width(height, width)), mode="area")


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of cells that frames of this size have."""
    return HEIGHT // CELL, _width(height, width) // CELL


def classes_of(blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The commonest class of each cell.

    Args:
        blocks: `[N, h, w]` block ids of pixels, 0 for sky, animals from 200 on.

    Returns:
        uint8 `[N, rows, columns]`.
    """
    rows, columns = grid_of(*blocks.shape[1:])
    if blocks.shape[1:] != (rows * CELL, columns * CELL):
        blocks = blocks[:, _nearest(blocks.shape[1], rows * CELL)][
            :, :, _nearest(blocks.shape[2], columns * CELL)
        ]
    ids = torch.from_numpy(
        np.where(blocks >= _ANIMAL_IDS, ANIMAL, np.minimum(blocks, CLASSES - 1)).astype(np.int64)
    )
    cells = ids.unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3)
    counts = torch.zeros(*cells.shape[:3], CLASSES, dtype=torch.int8)
    counts.scatter_add_(3, cells, torch.ones_like(cells, dtype=torch.int8))
    found: NDArray[Any] = counts.argmax(3).numpy()
    return found.astype(np.uint8)


def in_cells(mask: NDArray[np.bool_], share: float = 0.5) -> NDArray[np.bool_]:
    """Cells `[N, rows, columns]` of which at least `share` is set in a mask `[N, h, w]` of pixels."""
    images = torch.from_numpy(mask.astype(np.float32))[:, None]
    rows, columns = grid_of(*mask.shape[1:])
    covered: NDArray[Any] = functional.interpolate(images, (rows, columns), mode="area")[:, 0].numpy()
    return covered >= share


def _width(height: int, width: int) -> int:
    return max(16, round(width * HEIGHT / height / 16) * 16)


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    return ((np.arange(new) + 0.5) * old / new).astype(np.int64)
