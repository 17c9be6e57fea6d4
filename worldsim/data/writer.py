"""One episode on its way to the disk: frames are encoded as they come, and all appears at once.

Everything lies in a hidden folder until `commit` has synced it and renamed it into place, so that
a crash loses this episode and no other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.atomic import sync_folder
from worldsim.data.arrays import ArrayWriter
from worldsim.data.disk import digest, disk_errors, dump_json, replace_file, sync_file
from worldsim.data.manifest import DEPTH, DEPTH_CHUNK, META, STEPS, VIDEO, Manifest
from worldsim.data.video import MAX_FRAMES, VideoWriter
from worldsim.errors import DatasetError, ResourceLimitError


class EpisodeWriter:
    """The open episode of a store; made by `EpisodeStore.begin`.

    First `start` with the first observation, then `step` for every action, then `commit` or
    `abort`. A failure aborts.

    Raises:
        ResourceLimitError: the disk is full or can't be written; the store stays as it was.
    """

    def __init__(
        self, folder: Path, target: Path, committed: Callable[[str, bytes], None], fps: float
    ) -> None:
        self._folder, self._target, self._committed, self._fps = folder, target, committed, fps
        self._actions: list[NDArray[np.float32]] = []
        self._rewards: list[float] = []
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._captions: list[str] | None = None
        self._depths: list[NDArray[np.float16]] = []
        self._depth_file: ArrayWriter | None = None
        self._depth_chunks = 0
        self._frames = 0
        self._size = (0, 0)
        self._files: dict[str, IO[bytes]] = {}
        self.open = True
        with disk_errors(target):
            os.mkdir(folder)
            self._video = VideoWriter(self._create(VIDEO), fps=fps)

    def start(
        self,
        frame: NDArray[np.uint8],
        *,
        columns: Mapping[str, Any] | None = None,
        depth: NDArray[Any] | None = None,
        caption: str | None = None,
    ) -> None:
        """Add the observation before the first action; it fixes which columns there are."""
        self._columns = {name: [] for name in columns or {}}
        self._captions = None if caption is None else []
        self._size = (int(frame.shape[1]), int(frame.shape[0]))
        if depth is not None:
            with self._guard():
                self._depth_file = ArrayWriter(self._create(DEPTH))
        self._observe(frame, columns or {}, depth, caption)

    def step(
        self,
        action: NDArray[np.float32],
        reward: float,
        frame: NDArray[np.uint8],
        *,
        columns: Mapping[str, Any] | None = None,
        depth: NDArray[Any] | None = None,
        caption: str | None = None,
    ) -> None:
        """Add an action, its reward and the observation it led to."""
        if self._frames >= MAX_FRAMES:
            self.abort()
            raise ResourceLimitError(
                f"{self._target}: an episode has at most {MAX_FRAMES} frames; end it earlier"
            )
        self._actions.append(np.array(action, np.float32).reshape(-1))
        self._rewards.append(float(reward))
        self._observe(frame, columns or {}, depth, caption)

    def commit(self, *, terminated: bool, truncated: bool, meta: Mapping[str, Any]) -> str:
        """Sync everything, rename the folder into place, and return the episode's name."""
        if not self.open or not self._frames:
            raise DatasetError(f"{self._target}: there is no open episode to commit; start one")
        with self._guard():
            self._video.close()
            arrays = self._write_steps()
            self._write_depth(last=True)
            facts = {name: self._finish(file) for name, file in self._files.items()}
            manifest = Manifest(
                frames=self._frames, width=self._size[0], height=self._size[1], fps=self._fps,
                terminated=terminated, truncated=truncated, depth=self._depth_file is not None,
                arrays={name: (a.dtype.str, a.shape) for name, a in arrays.items()},
                files=facts, meta=dict(meta),
            )  # fmt: skip
            data = dump_json(manifest.to_json())
            replace_file(self._folder / META, data)
            os.rename(self._folder, self._target)
            self.open = False
            sync_folder(self._target.parent)
            self._committed(self._target.name, data)
        return self._target.name

    def abort(self) -> None:
        """Throw the open episode away; safe to call twice, and after `commit`."""
        if not self.open:
            return
        self.open = False
        self._video.abandon()
        if self._depth_file is not None:
            self._depth_file.abandon()
        for file in self._files.values():
            with suppress(OSError):  # what could not be flushed to a full disk is removed below
                file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _observe(
        self,
        frame: NDArray[np.uint8],
        columns: Mapping[str, Any],
        depth: NDArray[Any] | None,
        caption: str | None,
    ) -> None:
        if not self.open:
            raise DatasetError(f"{self._target}: the episode is closed; begin another")
        with self._guard():
            self._video.append(frame)
            self._frames += 1
            self._append_columns(columns)
            if self._captions is not None:
                self._captions.append(caption or "")
            if self._depth_file is not None:
                if depth is None:
                    raise DatasetError(f"{self._target}: depth was there at the start and is missing now")
                self._depths.append(np.asarray(depth, np.float16))
                self._write_depth(last=False)

    def _append_columns(self, columns: Mapping[str, Any]) -> None:
        """A column has the same shape at every tick, or is dropped."""
        for name in list(self._columns):
            rows = self._columns[name]
            row = np.array(columns[name]) if name in columns else None
            if row is None or row.dtype.kind not in "biuf" or (rows and rows[0].shape != row.shape):
                del self._columns[name]
            else:
                rows.append(row)

    def _write_steps(self) -> dict[str, NDArray[Any]]:
        width = len(self._actions[0]) if self._actions else ACTION_SIZE
        arrays: dict[str, NDArray[Any]] = {
            "actions": np.array(self._actions, np.float32).reshape(len(self._actions), width),
            "rewards": np.array(self._rewards, np.float32),
        }
        for name, values in self._columns.items():
            arrays[f"column.{name}"] = np.stack(values)
        if self._captions is not None:
            arrays["captions"] = np.array(self._captions, np.str_)
        with closing(ArrayWriter(self._create(STEPS))) as steps:
            for name, array in arrays.items():
                steps.append(name, array)
        return arrays

    def _write_depth(self, *, last: bool) -> None:
        if self._depth_file is None:
            return
        if self._depths and (last or len(self._depths) == DEPTH_CHUNK):
            self._depth_file.append(f"{self._depth_chunks:06d}", np.stack(self._depths))
            self._depth_chunks += 1
            self._depths.clear()
        if last:
            self._depth_file.close()

    def _create(self, name: str) -> IO[bytes]:
        self._files[name] = open(self._folder / name, "x+b")  # noqa: SIM115 - closed by commit or abort
        return self._files[name]

    def _finish(self, file: IO[bytes]) -> tuple[int, str]:
        sync_file(file)
        sha256 = digest(file)
        size = os.fstat(file.fileno()).st_size
        file.close()
        return size, sha256

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            with disk_errors(self._target):
                yield
        except BaseException:
            self.abort()
            raise
