"""Named arrays in a file beside a world's weights."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import CheckpointError


def load_arrays(path: Path, names: Sequence[str], limit: int) -> list[NDArray[Any]]:
    """Read arrays of an npz file, in the order of the names.

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
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: can't be read ({error}); copy the world again") from error
