"""Seed frames: a few moments of real footage that a dream can begin from, kept beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import CheckpointError
from worldsim.sim.arrays import load_arrays, pack_arrays

SEEDS_FILE = "seeds.npz"
_SIZE_LIMIT = 64 * 2**20
_MEMBERS = ("frames", "depth", "pose", "actions", "captions", "daytime")


@dataclass(frozen=True)
class Seeds:
    """S moments of T frames each."""

    frames: NDArray[np.uint8]
    """`[S, T, H, W, 3]`."""
    depth: NDArray[np.float16]
    """`[S, T, H, W]` in blocks."""
    pose: NDArray[np.float32]
    """`[S, T, 5]`."""
    actions: NDArray[np.float32]
    """`[S, T - 1, 25]`."""
    captions: NDArray[np.str_]
    """`[S]`."""
    daytime: NDArray[np.float32]
    """`[S]` time of day in [0, 1), nan where it isn't known."""

    def __len__(self) -> int:
        return len(self.frames)


def encode_seeds(seeds: Seeds) -> bytes:
    """The bytes of a seeds file."""
    return pack_arrays({name: getattr(seeds, name) for name in _MEMBERS})


def load_seeds(folder: Path) -> Seeds | None:
    """Read the seeds that lie beside a world's weights; None if there are none.

    Raises:
        CheckpointError: the file is damaged or of the wrong shapes.
    """
    path = folder / SEEDS_FILE
    if not path.is_file():
        return None
    seeds = Seeds(*load_arrays(path, _MEMBERS, _SIZE_LIMIT))
    s, t = seeds.frames.shape[:2]
    parts = (seeds.pose, seeds.actions, seeds.captions, seeds.daytime)
    shapes = (seeds.depth.shape[:2], *(part.shape for part in parts))
    if seeds.frames.dtype != np.uint8 or shapes != ((s, t), (s, t, 5), (s, t - 1, 25), (s,), (s,)):
        raise CheckpointError(f"{path}: arrays don't fit each other; copy the world again")
    return seeds
