"""Any video with its action file, or with actions that a model made up, as ticks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE
from worldsim.data.action_file import read_actions
from worldsim.data.foreign_video import ForeignVideo
from worldsim.data.ticks import Tick
from worldsim.errors import DatasetError


def video_ticks(video: ForeignVideo, actions: Path) -> Iterator[Tick]:
    """Yield the ticks of a video of `n` frames and its action file of `n` lines, or `n - 1`.

    The last frame's line says what nobody sees the outcome of; only a pose makes it necessary.

    Raises:
        MediaError: the video can't be decoded.
        DatasetError: a line can't be read, or there are more or fewer than that: they would be out of step.
    """
    rows = read_actions(actions)
    count, posed = 0, False
    pictures = iter(video)
    for picture in pictures:
        row = next(rows, None)
        frame = partial(video.frame, picture)
        if row is None:
            extra = sum(1 for _ in pictures)
            if extra or posed:
                what = "a pose needs a line for the last frame too" if posed and not extra else "out of step"
                raise _uneven(video, actions, count, count + 1 + extra, what)
            yield Tick(frame, np.zeros(ACTION_SIZE, np.float32), null=True)
            return
        posed = row.pose is not None
        columns = {"pose": row.pose} if posed else {}
        yield Tick(frame, row.action, row.reward, columns, null=not row.action.any())
        count += 1
    extra = sum(1 for _ in rows)
    if extra:
        raise _uneven(video, actions, count + extra, count, "out of step")


def labelled_ticks(video: ForeignVideo, actions: NDArray[np.float32], every: int) -> Iterator[Tick]:
    """Yield each `every`-th frame with the actions `[n - 1, 25]` that were made up for them."""
    nothing = np.zeros(ACTION_SIZE, np.float32)
    kept = (picture for number, picture in enumerate(video) if number % every == 0)
    for t, picture in enumerate(kept):
        action = actions[t] if t < len(actions) else nothing
        yield Tick(partial(video.frame, picture), action, null=not action.any())


def _uneven(video: ForeignVideo, actions: Path, lines: int, frames: int, what: str) -> DatasetError:
    return DatasetError(
        f"{actions}: has {lines} lines for the {frames} frames of {video.path.name}: {what}; "
        f"expected {frames} or {frames - 1}"
    )
