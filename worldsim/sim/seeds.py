"""Seed frames: a few moments of real footage that a dream can begin from, kept beside the weights."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import CheckpointError

SEEDS_FILE = "seeds.npz"
_SIZE_LIMIT = 64 * 2**20
_MEMBERS = ("frames", "depth", "pose", "actions", "captions")


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

    def __len__(self) -> int:
        return len(self.frames)


def encode_seeds(seeds: Seeds) -> bytes:
    """The bytes of a seeds file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: getattr(seeds, name) for name in _MEMBERS})
    return buffer.getvalue()


def load_seeds(folder: Path) -> Seeds | None:
    """Read the seeds that lie beside a world's weights; None if there are none.

    Raises:
        CheckpointError: the file is damaged or of the wrong shapes.
    """
    path = folder / SEEDS_FILE
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _SIZE_LIMIT:
            raise CheckpointError(f"{path}: holds {size} bytes, expected at most {_SIZE_LIMIT}")
        with np.load(path, allow_pickle=False) as arrays:
            seeds = Seeds(**{name: arrays[name] for name in _MEMBERS})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: can't be read ({error}); copy the world again") from error
    s, t = seeds.frames.shape[:2]
    shapes = (seeds.depth.shape[:2], seeds.pose.shape, seeds.actions.shape, seeds.captions.shape)
    if seeds.frames.dtype != np.uint8 or shapes != ((s, t), (s, t, 5), (s, t - 1, 25), (s,)):
        raise CheckpointError(f"{path}: arrays don't fit each other; copy the world again")
    return seeds
