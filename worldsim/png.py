"""PNG files with no imaging library: training machines are often bare, and pages of strips should stay small."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write one picture uint8 `[H, W, 3]`; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(picture))


def grid(rows: list[Any]) -> NDArray[np.uint8]:
    """Lay rows of frames uint8 `[n, H, W, 3]` (arrays or CPU tensors) under each other."""
    return np.concatenate([np.concatenate(list(np.asarray(row)), axis=1) for row in rows], axis=0)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """One picture uint8 `[H, W, 3]` as a PNG file; the same bytes for the same picture."""
    height, width = picture.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(_filtered(picture.reshape(height, width * 3)), 9)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _filtered(raw: NDArray[np.uint8]) -> bytes:
    """Of the filters none, sub, up and Paeth the one with the least sum of magnitudes, row by row."""
    here = raw.astype(np.int16)
    left, above, corner = np.zeros_like(here), np.zeros_like(here), np.zeros_like(here)
    left[:, 3:], above[1:], corner[1:, 3:] = here[:, :-3], here[:-1], here[:-1, :-3]
    guess = left + above - corner
    to_left, to_above, to_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
    paeth = np.where((to_left <= to_above) & (to_left <= to_corner), left, above)
    paeth = np.where((to_corner < to_left) & (to_corner < to_above), corner, paeth)
    kinds = {0: here, 1: here - left, 2: here - above, 4: here - paeth}
    bodies = np.stack([body.astype(np.uint8) for body in kinds.values()])
    cost = np.abs(bodies.astype(np.int8).astype(np.int16)).sum(2)
    best = cost.argmin(0)
    rows = bodies[best, np.arange(len(raw))]
    return np.concatenate([np.array(list(kinds), np.uint8)[best][:, None], rows], 1).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
