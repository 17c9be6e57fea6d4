"""What lies over the picture in recordings of a game that can't be asked: found where the camera turns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.data.storage import EpisodeStore
from worldsim.model.turns import find_overlay
from worldsim.model.world_model import WorldModel

EPISODES, FRAMES = 10, 120
"""Episodes that are looked at, and frames of each."""


def recorded_overlay(folder: str | Path) -> NDArray[np.bool_] | None:
    """Bool `[H, W]`: hotbar, crosshair and hand in the recordings of a folder; None, and a notice, if nobody turns."""
    found = find_overlay(_beginnings(EpisodeStore(folder)))
    if found is None:
        print(
            f"notice: {folder} has too few turns to tell what lies over the picture: all of it counts as the world",
            file=sys.stderr,
        )
    return found


def mark_overlay(model: WorldModel, folder: str | Path) -> None:
    """Tell a world where the picture of recordings does not turn with the camera, if they show it."""
    overlay = recorded_overlay(folder)
    if overlay is not None and overlay.shape == model.usable.shape:
        model.usable.copy_(torch.from_numpy(~overlay))


def _beginnings(store: EpisodeStore) -> Iterator[NDArray[np.uint8]]:
    """Frames of some episodes, from their middle: recordings often begin at a loading screen."""
    for number in np.linspace(0, len(store) - 1, min(EPISODES, len(store))).astype(int):
        frames = store.read(int(number)).frames
        start = max(0, (len(frames) - FRAMES) // 2)
        yield frames[start : start + FRAMES]
