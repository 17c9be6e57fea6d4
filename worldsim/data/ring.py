"""Ring buffers of ticks in memory that several processes share, one ring an engine.

The memory has no name: it belongs to a file descriptor that the workers inherit, so that nothing
can be left behind, however the processes end.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.data.episode import SIGNALS, ClipBatch
from worldsim.data.stream import Tick
from worldsim.errors import UsageError

CAPTION_BYTES = 128
_ALIGN = 64


@dataclass(frozen=True)
class RingLayout:
    """Sizes of the shared memory: `rings` engines in all, `ticks` a ring."""

    workers: int
    engines: int
    ticks: int
    width: int
    height: int
    depth: bool = True

    @property
    def rings(self) -> int:
        """Engines of all workers together."""
        return self.workers * self.engines

    def fields(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of every array, in the order in which they lie in memory."""
        r, n, h, w = self.rings, self.ticks, self.height, self.width
        fields: dict[str, tuple[tuple[int, ...], str]] = {
            "stop": ((1,), "<i8"),
            "allowed": ((self.workers,), "<i8"),
            "heads": ((r,), "<i8"),
            "episodes": ((r, n), "<i8"),
            "actions": ((r, n, ACTION_SIZE), "<f4"),
            "poses": ((r, n, 5), "<f4"),
            "signals": ((r, n, len(SIGNALS)), "<f4"),
            "captions": ((r, n), f"S{CAPTION_BYTES}"),
            "frames": ((r, n, h, w, 3), "|u1"),
        }
        if self.depth:
            fields["depths"] = ((r, n, h, w), "<f2")
        return fields

    def nbytes(self) -> int:
        """Bytes of the whole block."""
        return sum(_padded(shape, dtype) for shape, dtype in self.fields().values())


def ticks_for(memory_mb: float, *, engines: int, width: int, height: int, depth: bool) -> int:
    """How many ticks a ring may have for `engines` rings to fit into `memory_mb` MB."""
    one = RingLayout(1, 1, 1, width, height, depth)
    tick = sum(int(np.prod(s)) * np.dtype(d).itemsize for s, d in one.fields().values())
    return int(memory_mb * 1e6 / tick / engines)


def _padded(shape: tuple[int, ...], dtype: str) -> int:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return -(-size // _ALIGN) * _ALIGN


def allocate(nbytes: int) -> int:
    """Reserve `nbytes` of nameless shared memory and return its file descriptor."""
    if os.name != "posix":
        raise UsageError("workers: shared memory between processes needs Linux or macOS; use workers=0")
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("worldsim-live")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, nbytes)
    return fd


class Ring:
    """All rings, seen from one process. One worker writes a ring; the trainer reads all."""

    stop: NDArray[np.int64]
    allowed: NDArray[np.int64]
    heads: NDArray[np.int64]
    episodes: NDArray[np.int64]
    actions: NDArray[np.float32]
    poses: NDArray[np.float32]
    signals: NDArray[np.float32]
    captions: NDArray[np.bytes_]
    frames: NDArray[np.uint8]
    depths: NDArray[np.float16] | None

    def __init__(self, layout: RingLayout, fd: int) -> None:
        self.layout = layout
        memory = mmap.mmap(fd, layout.nbytes())
        self.depths = None
        offset = 0
        for name, (shape, dtype) in layout.fields().items():
            setattr(self, name, np.ndarray(shape, dtype, memory, offset))
            offset += _padded(shape, dtype)

    def write(self, ring: int, tick: Tick) -> None:
        """Append a tick; the head moves last, so that a reader never takes a half-written one."""
        head = int(self.heads[ring])
        slot = head % self.layout.ticks
        self.frames[ring, slot] = tick.frame
        if self.depths is not None and tick.depth is not None:
            self.depths[ring, slot] = tick.depth
        self.actions[ring, slot] = tick.action
        self.poses[ring, slot] = tick.pose
        self.signals[ring, slot] = tick.signals
        self.captions[ring, slot] = tick.caption.encode()[:CAPTION_BYTES]
        self.episodes[ring, slot] = tick.episode
        self.heads[ring] = head + 1

    def draw(self, rng: np.random.Generator, count: int, length: int) -> NDArray[np.int64]:
        """Draw up to `count` windows uniformly: int64 [<= count, 2] of (ring, first tick).

        A window lies within one episode and is not about to be overwritten.
        """
        n = self.layout.ticks
        rings = rng.integers(0, self.layout.rings, count * 4)
        heads = self.heads[rings]
        low = np.maximum(0, heads - n + max(1, n // 16))
        room = heads - length - low + 1
        starts = low + (rng.random(len(rings)) * np.maximum(room, 1)).astype(np.int64)
        last = starts + length - 1
        whole = (room > 0) & (self.episodes[rings, starts % n] == self.episodes[rings, last % n])
        return np.stack([rings[whole], starts[whole]], axis=1)[:count]

    def intact(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which windows have not been overwritten, not even in part, since they were drawn."""
        alive = windows[:, 1] > self.heads[windows[:, 0]] - self.layout.ticks
        return np.asarray(alive, np.bool_)

    def read(self, windows: NDArray[np.int64], length: int) -> ClipBatch:
        """Copy windows (ring, first tick) out into a batch."""
        last = (windows[:, 1] + length - 1) % self.layout.ticks
        return ClipBatch(
            frames=self._copy(self.frames, windows, length),
            actions=self._copy(self.actions, windows, length),
            depth=None if self.depths is None else self._copy(self.depths, windows, length),
            pose=self._copy(self.poses, windows, length),
            signals=self._copy(self.signals, windows, length),
            captions=tuple(c.decode(errors="ignore") for c in self.captions[windows[:, 0], last].tolist()),
        )

    def _copy(self, source: NDArray[Any], windows: NDArray[np.int64], length: int) -> NDArray[Any]:
        n = self.layout.ticks
        out = np.empty((len(windows), length, *source.shape[2:]), source.dtype)
        for row, (ring, start) in zip(out, windows.tolist()):
            slot = start % n
            first = min(length, n - slot)
            row[:first] = source[ring, slot : slot + first]
            row[first:] = source[ring, : length - first]
        return out
