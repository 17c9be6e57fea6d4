"""The files of one stored episode, opened and checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.data.arrays import ArrayReader
from worldsim.data.disk import digest, open_regular
from worldsim.data.manifest import STEPS, VIDEO, Manifest
from worldsim.data.video import VideoReader
from worldsim.errors import IntegrityError


def open_checked(folder: Path, name: str, manifest: Manifest) -> IO[bytes]:
    """Open a file of an episode whose bytes are those that the manifest promises.

    Raises:
        IntegrityError: size or sha256 differ.
    """
    file = open_regular(folder / name)
    size, sha256 = manifest.files[name]
    actual = os.fstat(file.fileno()).st_size
    if actual != size or digest(file) != sha256:
        file.close()
        what = f"has {actual} bytes, expected {size}" if actual != size else "was changed (sha256 differs)"
        raise IntegrityError(f"{folder / name}: {what}; run worldsim data repair")
    return file


def open_video(folder: Path, manifest: Manifest, *, check: bool) -> VideoReader:
    """Open an episode's frames."""
    file = open_checked(folder, VIDEO, manifest) if check else open_regular(folder / VIDEO)
    return VideoReader(file, width=manifest.width, height=manifest.height)


def read_steps(
    folder: Path, manifest: Manifest, *, check: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[Any]], list[str] | None]:
    """Read actions, rewards, columns and captions."""
    file = open_checked(folder, STEPS, manifest) if check else open_regular(folder / STEPS)
    reader = ArrayReader(file)
    try:
        arrays = {name: reader.read(name, *facts) for name, facts in manifest.arrays.items()}
    finally:
        reader.close()
    captions = arrays.pop("captions").tolist() if "captions" in arrays else None
    actions, rewards = arrays.pop("actions"), arrays.pop("rewards")
    columns = {name.removeprefix("column."): array for name, array in arrays.items()}
    return actions, rewards, columns, captions
