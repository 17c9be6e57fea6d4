"""Actions for a video that has none, by an inverse-dynamics model.

label = Labeller("runs/idm")
actions = label(Path("clip.mp4"), every=3)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.checkpoint import load_checkpoint, load_into
from worldsim.config import from_json
from worldsim.data.foreign_video import ForeignVideo
from worldsim.errors import CheckpointError
from worldsim.model.inverse import AFTER, BEFORE, InverseConfig, InverseModel

KIND = "idm"
CHUNK = 256


class Labeller:
    """A trained inverse-dynamics model; `accuracy` is what it reached on recordings it never saw.

    Raises:
        CheckpointError: there is no such model, or it is damaged or of another kind.
    """

    def __init__(self, folder: str | os.PathLike[str], *, device: str = "cpu") -> None:
        saved = load_checkpoint(Path(folder))
        if saved.info.get("kind") != KIND:
            raise CheckpointError(
                f"{folder}: is no inverse-dynamics model; train one with  worldsim train idm --data DIR --out DIR"
            )
        config = from_json(InverseConfig, saved.config, "config")
        self.model = InverseModel(config)
        load_into(self.model, {name: tensor.float() for name, tensor in saved.tensors.items()})
        self.model.eval().to(device)
        self.hash = saved.hash
        self.accuracy: dict[str, Any] = saved.info.get("accuracy", {})

    def __call__(self, video: Path, *, every: int = 1) -> NDArray[np.float32]:
        """Label each `every`-th frame: float32 `[n - 1, 25]` for `n` frames; a few hundred are held at a time.

        Raises:
            MediaError: the video can't be decoded.
        """
        config = self.model.config
        with closing(ForeignVideo(video, size=(config.width, config.height))) as opened:
            frames = (opened.frame(p) for i, p in enumerate(opened) if i % every == 0)
            parts = list(self._parts(frames))
        return np.concatenate(parts) if parts else np.zeros((0, ACTION_SIZE), np.float32)

    def _parts(self, frames: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Chunks that overlap by what the model looks around; each action is taken from one chunk only."""
        held: list[NDArray[np.uint8]] = []
        first = 0  # the place in `held` of the next frame whose action is due
        for frame in frames:
            held.append(frame)
            if len(held) - first > CHUNK + AFTER + 1:
                yield self.model.predict(np.stack(held))[first : first + CHUNK]
                kept = max(0, first + CHUNK - BEFORE)
                held, first = held[kept:], first + CHUNK - kept
        if len(held) - first > 1:
            yield self.model.predict(np.stack(held))[first:]
