"""A recording as ticks: a frame, and the action that was taken after it was seen.

`store_ticks` turns them into an episode: the action of tick `t` leads to the frame of tick `t + 1`,
and that of the last tick, which leads to no frame, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, CAMERA_LIMIT
from worldsim.data.storage import EpisodeStore
from worldsim.errors import MediaError


@dataclass(frozen=True)
class Tick:
    """One tick. frame: makes the uint8 [H, W, 3] when it is wanted. action: float32 [25]. columns: state
    at the frame. null: nobody did anything.
    """

    frame: Callable[[], NDArray[np.uint8]]
    action: NDArray[np.float32]
    reward: float = 0.0
    columns: Mapping[str, Any] = field(default_factory=dict)
    null: bool = False


def merged(ticks: Iterable[Tick], every: int) -> Iterator[Tick]:
    """Keep each `every`-th frame; turns and rewards between are added up, keys that were down are down."""
    group: list[Tick] = []
    for tick in ticks:
        group.append(tick)
        if len(group) == every:
            yield _together(group)
            group = []
    if group:
        yield _together(group)


def _together(group: list[Tick]) -> Tick:
    if len(group) == 1:
        return group[0]
    actions = np.stack([tick.action for tick in group])
    action = actions.max(axis=0)
    action[CAMERA] = np.clip(actions[:, CAMERA].sum(axis=0), -CAMERA_LIMIT, CAMERA_LIMIT)
    rewards, null = sum(tick.reward for tick in group), all(tick.null for tick in group)
    return replace(group[0], action=action, reward=rewards, null=null)


def store_ticks(
    store: EpisodeStore,
    ticks: Iterable[Tick],
    *,
    fps: float,
    meta: Mapping[str, Any],
    counted: Callable[[], None] | None = None,
) -> tuple[str, int]:
    """Write ticks as one episode, which ends as truncated; returns its name and its frames.

    One frame is held at a time. When anything raises, nothing of the episode is kept.

    Raises:
        MediaError: there are no ticks.
    """
    writer = store.begin(fps=fps)
    before: Tick | None = None
    count = 0
    try:
        for tick in ticks:
            if before is None:
                writer.start(tick.frame(), columns=tick.columns)
            else:
                writer.step(before.action, before.reward, tick.frame(), columns=tick.columns)
            before, count = tick, count + 1
            if counted is not None:
                counted()
        if not count:
            raise MediaError("has no frames")
        return writer.commit(terminated=False, truncated=True, meta=meta), count
    finally:
        writer.abort()
