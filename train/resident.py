"""Clips of a live game that stay on the GPU: every frame crosses the bus once, however often it is drawn.

A batch of 128 clips of 40 frames is 400 MB; put together by the processor and sent anew for every step
it would take longer than the step. Here a thread carries the workers' new ticks over as they come,
and a batch is an index into what lies there.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.data.crew import Crew
from worldsim.data.episode import ClipBatch
from worldsim.data.live import LiveSource
from worldsim.errors import WorldSimError

_PAUSE_SECONDS = 0.2
"""Time between two loads: many small ones would keep the interpreter from training."""
_WORD = 8
_SPARE = 16
"""One part in so many of a ring is not drawn from: it is overwritten next."""


class Resident:
    """A live source (see `LiveSource`) whose `sample` returns tensors on `device` in place of arrays.

    Args:
        source: with one worker or more; its own rings serve as a buffer and may be short.
        gigabytes: memory that is taken on the device.

    Raises:
        UsageError: from `sample`, for clips longer than the shortest episode.
        WorldSimError: from `sample`, if a worker ended.
    """

    def __init__(self, source: LiveSource, device: torch.device, gigabytes: float) -> None:
        self._source, self._device, self._gigabytes = source, device, gigabytes
        self._store: _Store | None = None

    def sample(self, batch: int | None = None, *, length: int | None = None) -> ClipBatch:
        """Draw clips as `LiveSource.sample` does; tensors on the device stand where its arrays do."""
        store, length = self.start(), length or self._source.length
        self._source.check_length(length, store.ticks)
        return store.sample(batch or self._source.batch, length)

    def start(self) -> _Store:
        """Let the game begin, if it has not."""
        if self._store is None:
            self._store = _Store(self._source.start(), self._device, self._gigabytes)
        return self._store

    def state_dict(self) -> dict[str, int]:
        """As the live source's: it goes on in new worlds."""
        state = self._source.state_dict()
        return {**state, "draws": state["draws"] + (self._store.draws if self._store else 0)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from `state_dict()`."""
        self._source.load_state_dict(state)

    def close(self) -> None:
        """Stop the thread and the workers."""
        if self._store is not None:
            self._store.close()
        self._source.close()


class _Store:
    """The ticks on the device, the thread that brings them, and the windows that are drawn."""

    def __init__(self, crew: Crew, device: torch.device, gigabytes: float) -> None:
        self.crew, self.device, self.draws = crew, device, 0
        ring, layout = crew.ring, crew.ring.layout
        names = ["frames", "actions", "poses", "signals", *(["depths"] if layout.depth else [])]
        self.sources: dict[str, NDArray[Any]] = {name: getattr(ring, name) for name in names}
        tick = sum(array[0, 0].nbytes for array in self.sources.values())
        self.ticks = max(2 * layout.ticks, int(gigabytes * 1e9 / tick / layout.rings))
        self.tensors = {name: self._empty(array) for name, array in self.sources.items()}
        self.episodes = np.zeros((layout.rings, self.ticks), np.int64)
        self.captions = np.zeros((layout.rings, self.ticks), ring.captions.dtype)
        self.heads = np.zeros(layout.workers, np.int64)  # of all rings of a worker
        self.reach = self.heads  # up to where ticks are being brought
        self.rng = np.random.default_rng(crew.key)
        self._failure: Exception | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._bring, name="resident", daemon=True)
        self._thread.start()

    def sample(self, count: int, length: int) -> ClipBatch:
        self._wait(2 * length)
        self.draws += 1
        while True:
            drawn = self._draw(count, length)
            clips = self._read(drawn, length)
            if self._intact(drawn):
                return clips

    def _read(self, drawn: NDArray[np.int64], length: int) -> ClipBatch:
        slots = (drawn[:, 1:] + np.arange(length)) % self.ticks
        place = torch.from_numpy(drawn[:, :1] * self.ticks + slots).to(self.device)
        out: dict[str, Any] = {name: _pick(tensor, place) for name, tensor in self.tensors.items()}
        captions = self.captions[drawn[:, 0], slots[:, -1]].tolist()
        return ClipBatch(
            frames=out["frames"], actions=out["actions"], depth=out.get("depths"), pose=out["poses"],
            signals=out["signals"], captions=tuple(c.decode(errors="ignore") for c in captions),
        )  # fmt: skip

    def close(self) -> None:
        self._ending.set()
        self._thread.join()

    def _empty(self, array: NDArray[Any]) -> Tensor:
        shape, dtype = (array.shape[0], self.ticks, *array.shape[2:]), torch.from_numpy(array[:0]).dtype
        return torch.empty(shape, dtype=dtype, device=self.device)

    def _draw(self, count: int, length: int) -> NDArray[np.int64]:
        """Windows [count, 2] of (ring, first tick), each within one episode."""
        found: list[NDArray[np.int64]] = []
        engines, n = self.crew.ring.layout.engines, self.ticks
        while sum(map(len, found)) < count:
            rings = self.rng.integers(0, len(self.episodes), count * 2)
            heads = self.heads[rings // engines]
            low = np.maximum(0, heads - n + max(length, n // _SPARE))
            room = heads - length - low + 1
            starts = low + (self.rng.random(len(rings)) * np.maximum(room, 1)).astype(np.int64)
            first, last = (self.episodes[rings, when % n] for when in (starts, starts + length - 1))
            whole = (room > 0) & (first == last)
            found.append(np.stack([rings[whole], starts[whole]], 1))
        return np.concatenate(found)[:count]

    def _intact(self, drawn: NDArray[np.int64]) -> bool:
        """Whether nothing was brought to where these windows lie since they were drawn."""
        reach = self.reach[drawn[:, 0] // self.crew.ring.layout.engines]
        return bool((drawn[:, 1] >= reach - self.ticks).all())

    def _wait(self, ticks: int) -> None:
        """Return once half of the workers have something to draw from."""
        while self._failure is None and np.median(self.heads) < ticks:
            self._ending.wait(_PAUSE_SECONDS)
        if self._failure is not None:
            raise WorldSimError(f"live source: {self._failure}") from self._failure

    def _bring(self) -> None:
        try:
            # A stream of its own, so that training does not wait for it.
            stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
            with torch.cuda.stream(stream), torch.no_grad():
                while not self._ending.wait(_PAUSE_SECONDS):
                    self._bring_all(stream)
        except Exception as error:
            self._failure = error

    def _bring_all(self, stream: torch.cuda.Stream | None) -> None:
        ring, layout = self.crew.ring, self.crew.ring.layout
        self.crew.check()
        heads = ring.heads.reshape(layout.workers, layout.engines).min(1)
        self.reach = heads
        for worker in np.nonzero(heads > self.heads)[0].tolist():
            self._copy(worker, int(self.heads[worker]), int(heads[worker]))
        if stream is not None:
            stream.synchronize()
        self.heads = heads  # only now may they be drawn, and overwritten where they were made
        ring.allowed[:] = (heads + layout.ticks - 2) * layout.engines

    def _copy(self, worker: int, first: int, last: int) -> None:
        """Carry ticks `first` to `last` of a worker's rings over, in pieces that wrap nowhere."""
        ring, layout = self.crew.ring, self.crew.ring.layout
        rings = slice(worker * layout.engines, (worker + 1) * layout.engines)
        while first < last:
            source, target = first % layout.ticks, first % self.ticks
            count = min(last - first, layout.ticks - source, self.ticks - target)
            here, there = slice(source, source + count), slice(target, target + count)
            for name, array in self.sources.items():
                self.tensors[name][rings, there] = torch.from_numpy(array[rings, here]).to(self.device)
            self.episodes[rings, there] = ring.episodes[rings, here]
            self.captions[rings, there] = ring.captions[rings, here]
            first += count


def _pick(tensor: Tensor, place: Tensor) -> Tensor:
    """Ticks `[B, T, ...]` of a tensor `[rings, ticks, ...]`, picked as long words, as many a second as bytes."""
    flat = tensor.flatten(0, 1)
    if flat[0].nbytes % _WORD:
        return flat[place]
    words = flat.flatten(1).view(torch.int64)[place]
    return words.view(tensor.dtype).unflatten(-1, tensor.shape[2:])
