"""The episode store: a folder with one folder an episode, each committed as a whole.

    manifest.json        format and version
    index.jsonl          a line an episode
    ep-000000/           frames.mp4 (lossless), steps.npz, depth.npz (optional), meta.json
    quarantine/          what `repair` has set aside

One writer at a time; readers see committed episodes only, also after `kill -9`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from worldsim.atomic import sync_folder
from worldsim.data.arrays import ArrayReader, read_depth
from worldsim.data.disk import disk_errors, dump_json, replace_file
from worldsim.data.episode import FPS, Episode
from worldsim.data.folder import (
    EPISODE,
    LOCK,
    QUARANTINE,
    ROOT,
    acquire_lock,
    check_root,
    clear_unfinished,
    complete_index,
    episode_names,
    names_in,
)
from worldsim.data.index import append_index, create_index, read_index
from worldsim.data.manifest import DEPTH, FORMAT, META, VERSION, Manifest, read_manifest
from worldsim.data.parts import open_checked, open_video, read_steps
from worldsim.data.writer import EpisodeWriter
from worldsim.errors import DatasetError, UsageError


class EpisodeStore:
    """Committed episodes in `folder`, and with `write=True` the right to add more.

    Raises:
        DatasetError: `folder` is no dataset.
        UsageError: it is to be written and is something else, or another process writes it.
        ResourceLimitError: the disk is full or can't be written.
    """

    def __init__(self, folder: str | os.PathLike[str], *, write: bool = False) -> None:
        self.folder = Path(folder)
        self._lock: IO[bytes] | None = None
        self._open: EpisodeWriter | None = None
        if write:
            with disk_errors(self.folder):
                self._prepare()
        check_root(self.folder)
        self._names = episode_names(self.folder)

    @property
    def names(self) -> tuple[str, ...]:
        """Episodes in the order of their numbers."""
        return tuple(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __enter__(self) -> EpisodeStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def manifest(self, episode: int) -> Manifest:
        """The facts of an episode, without reading its frames."""
        return read_manifest(self._path(episode))

    def read(self, episode: int) -> Episode:
        """Read a whole episode, after checking that its bytes are those that were committed.

        Raises:
            IntegrityError: a file was changed or cut short.
            DatasetError: a file is missing or inconsistent.
        """
        folder = self._path(episode)
        manifest = read_manifest(folder)
        actions, rewards, columns, captions = read_steps(folder, manifest, check=True)
        video = open_video(folder, manifest, check=True)
        try:
            frames = video.read(0, manifest.frames)
        finally:
            video.close()
        depth = None
        if manifest.depth:
            reader = ArrayReader(open_checked(folder, DEPTH, manifest))
            try:
                depth = read_depth(reader, manifest, 0, manifest.frames)
            finally:
                reader.close()
        return Episode(
            frames, actions, rewards, manifest.terminated, manifest.truncated, columns, depth, captions,
            {**manifest.meta, "fps": manifest.fps},
        )  # fmt: skip

    def begin(self, *, fps: float = FPS) -> EpisodeWriter:
        """Open the next episode; an open one is thrown away."""
        if self._lock is None:
            raise UsageError(f"{self.folder}: is open for reading; use EpisodeStore(folder, write=True)")
        if self._open is not None:
            self._open.abort()
        name = f"ep-{self._next_number():06d}"
        self._open = EpisodeWriter(self.folder / f".tmp-{name}", self.folder / name, self._committed, fps)
        return self._open

    def write(self, episode: Episode) -> str:
        """Add a whole episode and return its name."""
        rows = [
            {name: column[i] for name, column in episode.columns.items()} for i in range(len(episode.frames))
        ]
        writer = self.begin(fps=float(episode.meta.get("fps", FPS)))
        for i, frame in enumerate(episode.frames):
            depth = None if episode.depth is None else episode.depth[i]
            caption = None if episode.captions is None else episode.captions[i]
            if i == 0:
                writer.start(frame, columns=rows[0], depth=depth, caption=caption)
            else:
                action, reward = episode.actions[i - 1], float(episode.rewards[i - 1])
                writer.step(action, reward, frame, columns=rows[i], depth=depth, caption=caption)
        return writer.commit(terminated=episode.terminated, truncated=episode.truncated, meta=episode.meta)

    def adopt(self, episode: Path) -> str:
        """Move a committed episode of another dataset, on the same disk, into this one; return its new name.

        Raises:
            DatasetError: it is no committed episode.
        """
        if self._lock is None:
            raise UsageError(f"{self.folder}: is open for reading; use EpisodeStore(folder, write=True)")
        read_manifest(episode)
        name = f"ep-{self._next_number():06d}"
        with disk_errors(self.folder):
            meta = (episode / META).read_bytes()
            os.rename(episode, self.folder / name)
            sync_folder(self.folder)
            self._committed(name, meta)
        return name

    def close(self) -> None:
        """Throw the open episode away and let others write."""
        if self._open is not None:
            self._open.abort()
            self._open = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _path(self, episode: int) -> Path:
        if not -len(self._names) <= episode < len(self._names):
            raise DatasetError(f"{self.folder}: got episode {episode}, expected one of {len(self._names)}")
        return self.folder / self._names[episode]

    def _prepare(self) -> None:
        """Make the folder a dataset, take the lock, and clear away what a crash has left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / ROOT).exists():
            foreign = [p.name for p in self.folder.iterdir() if p.name not in (LOCK, f".{ROOT}.tmp")]
            if foreign:
                raise UsageError(
                    f"{self.folder}: holds {foreign[0]!r} and is no dataset; choose another folder"
                )
        self._lock = acquire_lock(self.folder)
        try:
            if not (self.folder / ROOT).exists():
                replace_file(self.folder / ROOT, dump_json({"format": FORMAT, "version": VERSION}))
            check_root(self.folder)
            create_index(self.folder)
            clear_unfinished(self.folder)
            complete_index(self.folder)
        except BaseException:
            self.close()
            raise

    def _next_number(self) -> int:
        known = [*names_in(self.folder), *read_index(self.folder)[0], *names_in(self.folder / QUARANTINE)]
        numbers = [int(found[1]) for name in known if (found := EPISODE.match(name))]
        return max(numbers, default=-1) + 1

    def _committed(self, name: str, meta: bytes) -> None:
        self._names.append(name)  # it is in place; without a line in the index it is still read
        append_index(self.folder, name, meta)
