"""PNG files with no imaging library: training machines are often bare."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write one picture uint8 `[H, W, 3]`; makes the folder."""
    height, width = picture.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter, 0: none
    rows[:, 1:] = picture.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))


def grid(rows: list[Any]) -> NDArray[np.uint8]:
    """Lay rows of frames uint8 `[n, H, W, 3]` (arrays or CPU tensors) under each other."""
    return np.concatenate([np.concatenate(list(np.asarray(row)), axis=1) for row in rows], axis=0)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
