"""Named arrays in a file beside a world's weights."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import CheckpointError

_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an npz file, by LZMA: two thirds of what `numpy.savez_compressed` makes of pictures with depth."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def load_arrays(path: Path, names: Sequence[str], limit: int) -> list[NDArray[Any]]:
    """Read arrays of an npz file, however it is compressed, in the order of the names.

    Args:
        limit: bytes of all that the file may hold, unpacked.

    Raises:
        CheckpointError: the file is damaged, lacks an array or holds too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > limit:
            raise CheckpointError(f"{path}: holds {size} bytes, expected at most {limit}")
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except _DAMAGED as error:
        raise CheckpointError(f"{path}: can't be read ({error}); copy the world again") from error
