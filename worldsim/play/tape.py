"""What is being recorded: the episode of the world in hand, written by a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import to_vector
from worldsim.errors import WorldSimError
from worldsim.play.history import Moment
from worldsim.play.world import Step, World

if TYPE_CHECKING:
    from worldsim.data.writer import EpisodeWriter

Job = Callable[["Scribe"], None]
Depth = NDArray[np.float32]


class Tape:
    """Records one world at a time into a store; only `start` and `stop` wait for the disk.

    An episode ends with the world's, or when it is `cut` by a rewind, a restart or a change of
    world: it is committed then, and the next step begins another.

    Args:
        folder: where the episodes go; made when recording starts.
        policy: who plays, for the episodes' notes.
    """

    def __init__(self, folder: Path, *, policy: str, fps: float = 20) -> None:
        self.folder = folder
        self.frames = 0
        self._policy, self._fps = policy, fps
        self._world: World | None = None
        self._scribe: Scribe | None = None
        self._closing: Scribe | None = None

    @property
    def recording(self) -> bool:
        """Whether steps are being kept."""
        return self._scribe is not None

    def start(self) -> None:
        """Open the store and record from the next step on.

        Raises:
            WorldSimError: the folder can't be written, or another program records into it.
        """
        if self._scribe is None:
            self.stop()
            self._scribe = Scribe(self.folder, self._fps)
            self.frames = 0

    def begin(self, world: World) -> None:
        """Open an episode with the world's present, unless one of it is open; before each step."""
        if self._scribe is None or world is self._world:
            return
        self.cut()
        self._world = world
        moment, depth, meta = world.moment, world.depth(), self._meta(world)
        self._scribe.put(lambda scribe: scribe.begin(moment, depth, meta))

    def add(self, world: World, step: Step) -> None:
        """Record a step of the world that `begin` was called with."""
        if self._scribe is None:
            return
        depth = world.depth()
        self._scribe.put(lambda scribe: scribe.step(step, depth))
        self.frames += 1
        if step.moment.ended is not None:
            self.cut()

    def cut(self) -> None:
        """Commit the episode so far."""
        if self._scribe is not None and self._world is not None:
            self._scribe.put(lambda scribe: scribe.commit())
        self._world = None

    def failure(self) -> WorldSimError | None:
        """What went wrong on the disk since the last call; recording has ended with it."""
        if self._scribe is not None and self._scribe.error is not None:
            self.finish()
        error = self._closing.error if self._closing is not None else None
        if error is not None:
            self._closing = None
        return error

    def finish(self) -> None:
        """Record no more, and commit without waiting; `failure` tells if that goes wrong."""
        self.cut()
        scribe, self._scribe = self._scribe, None
        if scribe is not None:
            scribe.end()
            self._closing = scribe

    def stop(self) -> None:
        """Commit everything and wait until the disk has it; harmless while not recording.

        Raises:
            WorldSimError: what went wrong on the disk.
        """
        self.finish()
        if self._closing is not None:
            self._closing.join()
        error = self.failure()
        self._closing = None
        if error is not None:
            raise error

    def _meta(self, world: World) -> dict[str, Any]:
        return {
            "env": world.world_id,
            "seed": world.seed,
            "started_from": world.origin,
            "generated": world.generated,
            "policy": self._policy,
            "action_space": "minerl",
        }


class Scribe:
    """The thread that has the store; after an error it drops all further jobs."""

    def __init__(self, folder: Path, fps: float) -> None:
        from worldsim.data.storage import EpisodeStore

        self.error: WorldSimError | None = None
        self._store = EpisodeStore(folder, write=True)
        self._fps = fps
        self._writer: EpisodeWriter | None = None
        self._meta: dict[str, Any] = {}
        self._end: tuple[bool, bool] | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Have a job done after those before it."""
        self._jobs.put(job)

    def end(self) -> None:
        """Take no more jobs; when those before are done, the store is given back."""
        self._jobs.put(None)

    def join(self) -> None:
        """Wait for all of that."""
        self._thread.join()

    def begin(self, moment: Moment, depth: Depth | None, meta: dict[str, Any]) -> None:
        """Open an episode with its first frame."""
        self._writer, self._meta, self._end = self._store.begin(fps=self._fps), meta, None
        self._writer.start(moment.frame, **_notes(moment, depth))

    def step(self, step: Step, depth: Depth | None) -> None:
        """Add a step to the open episode."""
        if self._writer is not None and step.moment.action is not None:
            vector = to_vector(step.moment.action)
            self._writer.step(vector, step.reward, step.moment.frame, **_notes(step.moment, depth))
            self._end = (step.terminated, step.truncated)

    def commit(self) -> None:
        """Put the open episode in its place; one that was cut by hand counts as truncated."""
        writer, self._writer = self._writer, None
        if writer is not None and self._end is None:
            writer.abort()
        elif writer is not None and self._end is not None:
            terminated, truncated = self._end
            writer.commit(terminated=terminated, truncated=truncated or not terminated, meta=self._meta)

    def _run(self) -> None:
        with contextlib.closing(self._store):
            while (job := self._jobs.get()) is not None:
                if self.error is not None:
                    continue
                try:
                    job(self)
                except WorldSimError as error:
                    self.error = error
                except Exception as error:  # a thread can't raise to anyone: hand it over
                    self.error = WorldSimError(f"recording into {self._store.folder}: {error!r}")


def _notes(moment: Moment, depth: Depth | None) -> dict[str, Any]:
    """The columns, caption and depth of a moment, as the episode writer takes them."""
    state = moment.info.get("state", {})
    columns = {name: value for name, value in _numbers("", state)}
    if "uncertainty" in moment.info:
        columns["uncertainty"] = np.float32(moment.info["uncertainty"])
    return {"columns": columns, "depth": depth, "caption": state.get("caption")}


def _numbers(prefix: str, state: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in state.items():
        if isinstance(value, dict):
            found += _numbers(f"{prefix}{name}.", value)
        elif np.asarray(value).dtype.kind in "biuf":
            found.append((prefix + name, np.asarray(value)))
    return found
