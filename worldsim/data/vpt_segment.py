"""A segment of the VPT and BASALT recordings, an mp4 and a jsonl, as ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, CAMERA_LIMIT
from worldsim.codec.luanti_truth import read_truth
from worldsim.codec.vpt_keys import WINDOW
from worldsim.codec.vpt_reader import Row, RowReader
from worldsim.data.cursor import draw_cursor
from worldsim.data.foreign_video import ForeignVideo
from worldsim.data.source import read_objects
from worldsim.data.ticks import Tick


def vpt_ticks(
    video: ForeignVideo, rows: Path, reader: RowReader, *, cursor: bool, notice: Callable[[str], None]
) -> Iterator[Tick]:
    """Yield the ticks of a segment: row `i` with frame `i`, as many as there are of both.

    Columns are `pose`, `slot` and `gui`, as far as the rows tell them; rows of Luanti's tell more, see
    `luanti_truth`. With `cursor` the
    pointer is drawn where a screen is open. `notice` is told when there are more rows than frames or fewer.

    Raises:
        MediaError: the video can't be decoded.
        DatasetError: a row can't be read.
    """
    lines = read_objects(rows)
    count = 0
    for picture in video:
        line = next(lines, None)
        if line is None:
            notice(f"has {count} rows and more frames; the rest is left out")
            return
        row = reader.read(line[1], line[0])
        pointer = row.cursor if cursor and row.gui else None
        action = row.action
        action[CAMERA] = np.clip(action[CAMERA], -CAMERA_LIMIT, CAMERA_LIMIT)  # of compat, which doesn't
        frame = partial(_frame, video, picture, pointer)
        yield Tick(frame, action, columns=_columns(row) | (read_truth(line[1], line[0]) or {}), null=row.null)
        count += 1
    extra = sum(1 for _ in lines)
    if extra:
        notice(f"has {count} frames and {extra} more rows; they are left out")


def _frame(video: ForeignVideo, picture: Any, cursor: tuple[float, float] | None) -> NDArray[np.uint8]:
    if cursor is None:
        return video.frame(picture)
    full = video.full_frame(picture)
    scale = full.shape[0] / WINDOW[1]
    draw_cursor(full, int(cursor[0] * scale), int(cursor[1] * scale))
    return video.frame(full)


def _columns(row: Row) -> dict[str, Any]:
    columns: dict[str, Any] = {"gui": row.gui}
    if row.slot is not None:
        columns["slot"] = row.slot
    if row.pose is not None:
        columns["pose"] = row.pose
    return columns
