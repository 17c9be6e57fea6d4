"""Decoded episodes as raw arrays on the disk: training maps them instead of decoding them again.

A file is named by the sha256 of what it was decoded from, so that a changed recording is never
taken for the old one, and written beside and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.data.disk import sync_file

_KEEP_FREE = 2 * 10**9


def default_cache() -> Path:
    """`worldsim/clips` in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "worldsim" / "clips"


class ArrayCache:
    """Arrays by name in `folder`, in at most `limit_gb` GB; the longest unused are removed first.

    It never fails: where nothing can be kept, `get` says so by returning None.
    """

    def __init__(self, folder: Path, *, limit_gb: float) -> None:
        self.folder, self._limit = folder, int(limit_gb * 1e9)
        self._own: set[str] = set()

    def get(
        self, name: str, dtype: str, shape: tuple[int, ...], make: Callable[[], NDArray[Any]]
    ) -> NDArray[Any] | None:
        """Map the array `name`; `make` computes it if it is not there. None if it can't be kept."""
        path = self.folder / f"{name}.raw"
        size = math.prod(shape) * np.dtype(dtype).itemsize
        self._own.add(path.name)
        try:
            if not path.exists() or path.stat().st_size != size:
                if not self._room_for(size):
                    return None
                self._keep(path, make())
            os.utime(path)
            return np.memmap(path, np.dtype(dtype), "r", shape=shape)
        except OSError:
            return None

    def _keep(self, path: Path, array: NDArray[Any]) -> None:
        descriptor, fresh = tempfile.mkstemp(prefix=".tmp-", dir=self.folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(np.ascontiguousarray(array).data)
                sync_file(file)
            os.replace(fresh, path)
        except BaseException:
            os.unlink(fresh)
            raise

    def _room_for(self, size: int) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free < size + _KEEP_FREE:
            return False
        files = [(f.stat().st_mtime, f.stat().st_size, f) for f in self.folder.glob("*.raw")]
        total = sum(file[1] for file in files) + size
        for _, length, path in sorted(files):
            if total <= self._limit:
                break
            if path.name not in self._own:
                path.unlink()
                total -= length
        return total <= self._limit
