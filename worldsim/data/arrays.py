"""Arrays in npz files, without pickle, and no larger than the manifest promised."""

from __future__ import annotations

import math
import zipfile
import zlib
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.data.manifest import DEPTH_CHUNK, Manifest
from worldsim.errors import DatasetError

_HEADER_BYTES = 10_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError, OSError)


class ArrayWriter:
    """Append arrays to an npz file that is open for writing, each compressed as it comes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w")

    def append(self, name: str, array: NDArray[Any]) -> None:
        """Add one array under `name`."""
        facts = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # equal arrays, equal bytes
        facts.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(facts, "w") as member:
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)

    def close(self) -> None:
        """Write the directory; without it the file can't be read."""
        self._zip.close()

    def abandon(self) -> None:
        """Let go of a file that is thrown away."""
        with suppress(OSError, ValueError):  # its directory can't be written, and nobody will read it
            self._zip.close()


class ArrayReader:
    """Read arrays of known dtype and shape out of an npz file.

    Raises:
        DatasetError: a missing or damaged array, or one that differs from what was promised.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._name = str(getattr(file, "name", "npz"))
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise DatasetError(f"{self._name}: is no npz file ({error}); try worldsim data repair") from error

    def names(self) -> set[str]:
        """The arrays that are there."""
        return {name.removesuffix(".npy") for name in self._zip.namelist()}

    def read(self, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read one array after checking that it is what the manifest says."""
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        try:
            facts = self._zip.getinfo(f"{name}.npy")
            if facts.file_size > expected + _HEADER_BYTES:
                raise ValueError(f"{facts.file_size} bytes, expected {expected}")
            with self._zip.open(facts) as member:
                array: NDArray[Any] = np.lib.format.read_array(
                    member, allow_pickle=False, max_header_size=_HEADER_BYTES
                )
        except _DAMAGED as error:
            raise DatasetError(
                f"{self._name}: {name} can't be read ({error}); try worldsim data repair"
            ) from error
        if array.dtype.str != dtype or array.shape != shape:
            raise DatasetError(
                f"{self._name}: {name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}"
            )
        return array

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()


def read_depth(reader: ArrayReader, manifest: Manifest, start: int, count: int) -> NDArray[np.float16]:
    """Read depth of frames `start .. start + count - 1`: float16 [count, H, W]."""
    first, last = start // DEPTH_CHUNK, (start + count - 1) // DEPTH_CHUNK
    chunks = []
    for chunk in range(first, last + 1):
        rows = min(DEPTH_CHUNK, manifest.frames - chunk * DEPTH_CHUNK)
        chunks.append(reader.read(f"{chunk:06d}", "<f2", (rows, manifest.height, manifest.width)))
    joined: NDArray[np.float16] = np.concatenate(chunks)
    return joined[start - first * DEPTH_CHUNK :][:count]
