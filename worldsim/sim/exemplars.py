"""Exemplars: views of the training footage, kept beside the weights, that invention begins from.

Where a dream comes to a place that nothing given shows, the network alone can only answer with the
mean of all that might be there. An exemplar that goes on from what is known is one such place
(`worldsim.sim.imagination`): retrieval-augmented generation (Blattmann et al. 2022), and scene
completion from many photographs (Hays and Efros 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from worldsim.checkpoint import EXEMPLARS_FILE
from worldsim.errors import CheckpointError
from worldsim.sim.arrays import load_arrays, pack_arrays

U = TypeVar("U", np.uint8, np.uint16)
_SIZE_LIMIT = 256 * 2**20


@dataclass(frozen=True)
class Exemplars:
    """N views of places."""

    frames: NDArray[np.uint8]
    """`[N, H, W, 3]`."""
    depth: NDArray[np.float16]
    """`[N, H, W]` z-depth in blocks."""
    pose: NDArray[np.float32]
    """`[N, 5]` of the eye, see `camera`; all but the pitch is nan where it isn't known."""
    daytime: NDArray[np.float32]
    """`[N]` time of day in [0, 1), nan where it isn't known."""
    place: NDArray[np.int32]
    """`[N]` number of the place: views of the same one were taken in one world, a few steps and turns apart."""

    def __len__(self) -> int:
        return len(self.frames)


def single(
    frames: NDArray[np.uint8],
    depth: NDArray[np.float16],
    pose: NDArray[np.float32],
    daytime: NDArray[np.float32],
) -> Exemplars:
    """Exemplars of which each is of another place."""
    return Exemplars(frames, depth, pose, daytime, np.arange(len(frames), dtype=np.int32))


def joined(parts: Sequence[Exemplars]) -> Exemplars:
    """Exemplars one after the other; no place of one is a place of another."""
    places, used = [], 0
    for part in parts:
        places.append(part.place + used)
        used = int(places[-1].max(initial=used - 1)) + 1
    return Exemplars(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.depth for part in parts]),
        np.concatenate([part.pose for part in parts]),
        np.concatenate([part.daytime for part in parts]),
        np.concatenate(places),
    )


def unplaced(pitch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Poses `[N, 5]` of views of which the pitch `[N]` alone is known."""
    pose = np.full((len(pitch), 5), np.nan, np.float32)
    pose[:, 4] = pitch
    return pose


def encode_exemplars(exemplars: Exemplars) -> bytes:
    """The bytes of an exemplars file.

    Colours are kept to 2 grey levels (white to 3) and depth to a 512th part of itself, which takes off two fifths of
    the bytes; depth as differences along a row, which compress better than values do.
    """
    bits = _rounded(exemplars.depth.view(np.uint16))
    return pack_arrays(
        {
            "views": _rounded(exemplars.frames),
            "depth_low": _differences((bits & 255).astype(np.uint8), axis=2),
            "depth_high": _differences((bits >> 8).astype(np.uint8), axis=2),
            "pose": exemplars.pose,
            "daytime": exemplars.daytime,
            "place": exemplars.place,
        }
    )


def load_exemplars(folder: Path, size: tuple[int, int]) -> Exemplars | None:
    """Read the exemplars that lie beside a world's weights; None if there are none.

    Args:
        size: (height, width) of the world's frames.

    Raises:
        CheckpointError: the file is damaged, or of another size.
    """
    path = folder / EXEMPLARS_FILE
    if not path.is_file():
        return None
    frames, low, high, pose, daytime, place = _read(path)
    count = len(frames)
    fits = frames.dtype == low.dtype == high.dtype == np.uint8 and pose.dtype == daytime.dtype == np.float32
    shapes = frames.shape == (count, *size, 3) and low.shape == high.shape == (count, *size)
    told = pose.shape == (count, 5) and daytime.shape == place.shape == (count,) and place.dtype == np.int32
    if not (fits and shapes and told) or count == 0:
        raise CheckpointError(
            f"{path}: got frames {frames.shape}, expected [N, {size[0]}, {size[1]}, 3] and depth, pose, daytime "
            "and place to them; copy the world again"
        )
    bits = _sums(low, axis=2).astype(np.uint16) | (_sums(high, axis=2).astype(np.uint16) << 8)
    depth = np.nan_to_num(bits.view(np.float16), nan=1.0)
    pose[:, 4] = np.nan_to_num(pose[:, 4])
    return Exemplars(frames, depth, pose, daytime, place)


def _read(path: Path) -> list[NDArray[Any]]:
    """Frames, the bytes of depth, pose, daytime and place, as they are kept now or were before."""
    depth = ["depth_low", "depth_high"]
    try:
        return load_arrays(path, ["views", *depth, "pose", "daytime", "place"], _SIZE_LIMIT)
    except CheckpointError as error:
        for told in ("pose", "pitch"):
            try:
                frames, low, high, where, daytime = load_arrays(
                    path, ["frames", *depth, told, "daytime"], _SIZE_LIMIT
                )
            except CheckpointError:
                continue
            pose = unplaced(where) if told == "pitch" and where.ndim == 1 else where
            place = np.arange(len(frames), dtype=np.int32)
            return [_sums(frames, axis=2), low, high, pose, daytime, place]
        raise error from error.__cause__


def _rounded(values: NDArray[U]) -> NDArray[U]:
    """Whole numbers to multiples of 4."""
    return (np.minimum(values, np.iinfo(values.dtype).max - 2) + 2) & ~np.array(3, values.dtype)


def _differences(values: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Each value less the one before it, modulo 256 (PNG's "Sub" filter)."""
    return np.diff(values, axis=axis, prepend=np.uint8(0)).astype(np.uint8)


def _sums(values: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    return np.cumsum(values, axis=axis, dtype=np.uint8)
