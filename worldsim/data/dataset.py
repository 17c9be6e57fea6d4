"""Random clips of recorded episodes, fast enough to train on.

    source = ClipDataset("runs/mine", length=12, batch=8)
    batch = source.sample()

Frames are decoded once into a cache of raw arrays and mapped from there; without room for a cache
they are decoded clip by clip.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA
from worldsim.data.arrays import ArrayReader, read_depth
from worldsim.data.cache import ArrayCache, default_cache
from worldsim.data.episode import Clip, ClipBatch, collate, led_to
from worldsim.data.manifest import DEPTH, STEPS, VIDEO, Manifest
from worldsim.data.parts import open_checked, open_video, read_steps
from worldsim.data.storage import EpisodeStore
from worldsim.data.video import VideoReader
from worldsim.errors import DatasetError, UsageError
from worldsim.signals import SIGNALS, from_columns, known

_GUESSED = "guessed depth"
_OPEN = 200
"""Files that are open at a time; systems allow 1024 or so, and mapped arrays count."""


class DepthGuess(Protocol):
    """Tells depth from pictures, where recordings have none."""

    @property
    def name(self) -> str:
        """Of what it would say: another network, another name."""
        ...

    def __call__(self, frames: NDArray[np.uint8], pitch: NDArray[np.float32]) -> NDArray[np.float16]:
        """Depth `[n, H, W]` in blocks of frames `[n, H, W, 3]`; pitch `[n]` in degrees is nan where it isn't known."""
        ...


@dataclass(frozen=True)
class _Steps:
    """What an episode has beside its frames, ready to be cut."""

    actions: NDArray[np.float32]
    pose: NDArray[np.float32] | None
    signals: NDArray[np.float32] | None
    captions: list[str] | None


class ClipDataset:
    """Clips of `length` frames, uniformly over all places where one fits; never across episodes.

    Draw `k` is a function of `seed` and `k` alone, so that a resumed run sees the same batches.

    Args:
        folder: a dataset that `worldsim record` or a `Recorder` wrote.
        length: frames a clip, T. Shorter episodes are left out.
        batch: clips a batch, B.
        cache: folder of decoded frames; None decodes every clip. The default is
            `worldsim/clips` in the user's cache folder, or `.cache` in the dataset if that one
            can't be written.
        cache_gb: how large the cache may grow.
        turns: where an episode has no pose, take one from the turns of its actions; it never leaves its place then.
        guess: where an episode has no depth, what tells it from the frames; kept in the cache, too.

    Raises:
        DatasetError: no dataset, no episode of that length, or episodes of different sizes.
        IntegrityError: from `sample`, a file that was changed or cut short.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        length: int,
        batch: int = 1,
        seed: int = 0,
        cache: str | os.PathLike[str] | None = "auto",
        cache_gb: float = 16.0,
        turns: bool = False,
        guess: DepthGuess | None = None,
    ) -> None:
        for name, value in (("length", length), ("batch", batch)):
            if value < 1:
                raise UsageError(f"{name}: got {value}, expected 1 or more")
        if not 0 <= seed < 2**64:
            raise UsageError(f"seed: got {seed}, expected 0 to 2**64 - 1")
        self.length, self.batch = length, batch
        self._seed, self._draws = seed, 0
        self._store = EpisodeStore(folder)
        manifests = [self._store.manifest(i) for i in range(len(self._store))]
        self._episodes = [(i, m) for i, m in enumerate(manifests) if m.frames >= length]
        self._check(manifests)
        self.width, self.height = self._episodes[0][1].width, self._episodes[0][1].height
        self._ends = np.cumsum([m.frames - length + 1 for _, m in self._episodes])
        # A batch either always or never has depth, pose and signals; depth and signals are nan in clips that lack them.
        kept = [m for _, m in self._episodes]
        self.has_depth = any(m.depth for m in kept)
        """Whether any episode was recorded with depth; the others' is guessed, or nan."""
        self._guess = guess
        self._depth = self.has_depth or guess is not None
        self._turns = turns
        self._pose = turns or all("column.pose" in m.arrays for m in kept)
        self._signals = any(known(name.removeprefix("column.") for name in m.arrays) for m in kept)
        self._cache = None if cache is None else ArrayCache(self._cache_folder(cache), limit_gb=cache_gb)
        self._cache_at, self._cache_gb = cache, cache_gb
        self._others: dict[int, ClipDataset] = {}
        self._steps: dict[int, _Steps] = {}
        self._direct: set[tuple[int, str]] = set()
        self._open: OrderedDict[tuple[int, str], Any] = OrderedDict()

    @property
    def guesses(self) -> bool:
        """Whether depth that was not recorded is guessed."""
        return self._guess is not None

    @property
    def poseless(self) -> str | None:
        """The name of the first episode without a pose; clips have one if there is no such episode, or with `turns`."""
        lacking = (i for i, m in self._episodes if "column.pose" not in m.arrays)
        return next((self._store.names[i] for i in lacking), None)

    def __len__(self) -> int:
        """The number of different clips."""
        return int(self._ends[-1])

    def clip(self, number: int) -> Clip:
        """Clip `number` of `len(self)`; neighbours overlap."""
        episode = int(np.searchsorted(self._ends, number, side="right"))
        start = number - (int(self._ends[episode - 1]) if episode else 0)
        window = slice(start, start + self.length)
        steps = self._read_steps(episode)
        return Clip(
            frames=self._frames(episode, start),
            actions=steps.actions[window],
            depth=self._read_depth(episode, start) if self._depth else None,
            pose=None if steps.pose is None else steps.pose[window],
            signals=None if steps.signals is None else steps.signals[window],
            caption="" if steps.captions is None else steps.captions[window.stop - 1],
        )

    def sample(self, batch: int | None = None, *, length: int | None = None) -> ClipBatch:
        """Draw `batch` clips of `length` frames (default: the dataset's own numbers) as fresh arrays.

        Raises:
            DatasetError: no episode has `length` frames.
        """
        count = self.batch if batch is None else batch
        source = self if length in (None, self.length) else self._of(length)
        rng = np.random.default_rng([self._seed, 3, self._draws])
        clips = [source.clip(int(number)) for number in rng.integers(0, len(source), count)]
        self._draws += 1
        return collate(clips)

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands, as JSON values."""
        return {"seed": self._seed, "draws": self._draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from `state_dict()`, to the bit."""
        self._seed, self._draws = int(state["seed"]), int(state["draws"])

    def close(self) -> None:
        """Close all files; a later `sample` opens them again."""
        for other in self._others.values():
            other.close()
        while self._open:
            self._close_oldest()

    def _of(self, length: int | None) -> ClipDataset:
        """The same episodes cut to another length."""
        assert length is not None
        if length not in self._others:
            self._others[length] = ClipDataset(
                self._store.folder,
                length=length,
                seed=self._seed,
                cache=self._cache_at,
                cache_gb=self._cache_gb,
                turns=self._turns,
                guess=self._guess,
            )
        return self._others[length]

    def _check(self, manifests: list[Manifest]) -> None:
        if not self._episodes:
            longest = max((m.frames for m in manifests), default=0)
            raise DatasetError(
                f"{self._store.folder}: no episode has {self.length} frames (the longest has {longest}); "
                "record longer ones or lower length"
            )
        shapes = {(m.width, m.height, m.arrays["actions"][1][1:]) for _, m in self._episodes}
        if len(shapes) > 1:
            raise DatasetError(
                f"{self._store.folder}: episodes differ in size or actions ({sorted(map(str, shapes))}); "
                "keep each kind in a dataset of its own"
            )

    def _cache_folder(self, cache: str | os.PathLike[str]) -> Path:
        if cache != "auto":
            return Path(cache)
        folder = default_cache()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
        except OSError:
            return self._store.folder / ".cache"
        return self._store.folder / ".cache"

    def _place(self, episode: int) -> tuple[Path, Manifest]:
        number, manifest = self._episodes[episode]
        return self._store.folder / self._store.names[number], manifest

    def _read_steps(self, episode: int) -> _Steps:
        if episode not in self._steps:
            actions, _, columns, captions = read_steps(*self._place(episode), check=True)
            pose = columns["pose"] if "pose" in columns else turned(actions) if self._turns else None
            self._steps[episode] = _Steps(
                actions=led_to(actions),
                pose=pose.astype(np.float32) if self._pose and pose is not None else None,
                signals=_told(columns, len(actions) + 1) if self._signals else None,
                captions=captions,
            )
        return self._steps[episode]

    def _frames(self, episode: int, start: int) -> NDArray[np.uint8]:
        _, m = self._place(episode)
        whole = self._mapped(episode, VIDEO, "|u1", (m.frames, m.height, m.width, 3))
        if whole is not None:
            return whole[start : start + self.length]
        video: VideoReader = self._opened(episode, VIDEO, lambda: self._open_video(episode))
        return video.read(start, self.length)

    def _read_depth(self, episode: int, start: int) -> NDArray[np.float16]:
        _, m = self._place(episode)
        if not m.depth:
            return self._guessed(episode, start)
        whole = self._mapped(episode, DEPTH, "<f2", (m.frames, m.height, m.width))
        if whole is not None:
            return whole[start : start + self.length]
        reader: ArrayReader = self._opened(episode, DEPTH, lambda: self._open_depth(episode))
        return read_depth(reader, m, start, self.length)

    def _guessed(self, episode: int, start: int) -> NDArray[np.float16]:
        _, m = self._place(episode)
        if self._guess is None:
            return np.full((self.length, m.height, m.width), np.nan, np.float16)
        shape = (m.frames, m.height, m.width)
        whole = self._mapped(episode, _GUESSED, "<f2", shape)
        if whole is not None:
            return whole[start : start + self.length]
        window = slice(start, start + self.length)
        return self._guess(self._frames(episode, start), self._pitch(episode)[window])

    def _pitch(self, episode: int) -> NDArray[np.float32]:
        """Degrees `[frames]`; nan where only turns are known, and not where they began."""
        _, m = self._place(episode)
        pose = self._read_steps(episode).pose
        if pose is None or "column.pose" not in m.arrays:
            return np.full(m.frames, np.nan, np.float32)
        return pose[:, 4]

    def _open_video(self, episode: int) -> VideoReader:
        return open_video(*self._place(episode), check=True)

    def _open_depth(self, episode: int) -> ArrayReader:
        folder, manifest = self._place(episode)
        return ArrayReader(open_checked(folder, DEPTH, manifest))

    def _decode(self, episode: int, name: str) -> NDArray[Any]:
        frames = self._place(episode)[1].frames
        if name == _GUESSED:
            assert self._guess is not None
            return self._guess(self._decode(episode, VIDEO), self._pitch(episode))
        if name == VIDEO:
            with closing(self._open_video(episode)) as video:
                return video.read(0, frames)
        with closing(self._open_depth(episode)) as reader:
            return read_depth(reader, self._place(episode)[1], 0, frames)

    def _mapped(self, episode: int, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        """The whole of a file as an array of the cache, or None where it can't be kept."""
        cache, key = self._cache, (episode, name)
        if cache is None or key in self._direct:
            return None
        source = self._source(episode, name)
        array: NDArray[Any] | None = self._opened(
            episode, name, lambda: cache.get(source, dtype, shape, lambda: self._decode(episode, name))
        )
        if array is None:
            self._direct.add(key)
            del self._open[key]
        return array

    def _source(self, episode: int, name: str) -> str:
        """What an array is made from, as a name in the cache."""
        files = self._place(episode)[1].files
        if name != _GUESSED:
            return files[name][1]
        assert self._guess is not None
        return f"{files[VIDEO][1][:32]}-{files[STEPS][1][:32]}-{self._guess.name}"

    def _opened(self, episode: int, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned for this file, unless it was closed since to make room for others."""
        key = (episode, name)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        if len(self._open) >= _OPEN:
            self._close_oldest()
        self._open[key] = make()
        return self._open[key]

    def _close_oldest(self) -> None:
        _, item = self._open.popitem(last=False)
        if isinstance(item, (VideoReader, ArrayReader)):
            item.close()  # a mapped array is closed when its last clip is gone


def _told(columns: dict[str, NDArray[Any]], count: int) -> NDArray[np.float32]:
    """The signals of an episode's columns; nan where it tells none."""
    told = from_columns(columns)
    return np.full((count, len(SIGNALS)), np.nan, np.float32) if told is None else told


def turned(actions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Poses `[n + 1, 5]` of who only turns as actions `[n, 25]` say; pitch stops at 90 degrees."""
    pose = np.zeros((len(actions) + 1, 5), np.float32)
    for t, (pitch, yaw) in enumerate(actions[:, CAMERA]):
        pose[t + 1, 3] = pose[t, 3] + yaw
        pose[t + 1, 4] = np.clip(pose[t, 4] + pitch, -90.0, 90.0)
    return pose
