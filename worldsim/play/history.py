"""A bounded past: frames of the last seconds, and snapshots from which any of them is exact again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import Action

SNAPSHOT_EVERY = 5
MAX_BYTES = 128 * 2**20
SHORTEST, LONGEST = 220, 600


@dataclass(frozen=True)
class Moment:
    """One frame that a world showed, and how it came about."""

    tick: int
    """Ticks since the last reset."""
    frame: NDArray[np.uint8]
    """uint8 [H, W, 3]."""
    info: dict[str, Any]
    """What the world said about it: `state`, `uncertainty`, `invented` (uint8 [H, W])."""
    action: Action | None = None
    """The action that led here; None for the first frame."""
    ended: str | None = None
    """Why the episode is over, or None while it goes on."""


class History:
    """The newest moments of one episode, oldest first; the oldest always has a snapshot.

    Frames are kept as they were shown, so looking back costs nothing; going back restores the
    nearest snapshot before and replays at most `SNAPSHOT_EVERY - 1` actions.
    """

    def __init__(self, length: int | None = None) -> None:
        self._length = length
        self._moments: deque[Moment] = deque()
        self._snapshots: dict[int, object] = {}

    def __len__(self) -> int:
        return len(self._moments)

    @property
    def newest(self) -> Moment:
        """The present."""
        return self._moments[-1]

    @property
    def oldest(self) -> Moment:
        """As far back as one can go."""
        return self._moments[0]

    def start(self, moment: Moment, snapshot: object) -> None:
        """Forget everything and begin an episode with its first frame."""
        self._moments = deque([moment])
        self._snapshots = {moment.tick: snapshot}

    def wants_snapshot(self, tick: int) -> bool:
        """Whether the moment at `tick` should be added together with a snapshot."""
        return tick % SNAPSHOT_EVERY == 0

    def add(self, moment: Moment, snapshot: object | None = None) -> None:
        """Append the next moment, with a snapshot if `wants_snapshot` says so."""
        self._moments.append(moment)
        if snapshot is not None:
            self._snapshots[moment.tick] = snapshot
        length = self._length or max(SHORTEST, min(LONGEST, MAX_BYTES // max(1, moment.frame.nbytes)))
        while len(self._moments) > length and self._second_snapshot() is not None:
            self._drop_oldest()

    def at(self, tick: int) -> Moment:
        """The moment of a tick, or the nearest one that is kept."""
        return self._moments[self._index(tick)]

    def last(self, count: int) -> list[Moment]:
        """The newest `count` moments, oldest first (fewer when there are fewer)."""
        return list(self._moments)[-count:]

    def way_to(self, tick: int) -> tuple[object, list[Action]]:
        """The snapshot to restore and the actions to replay to stand at `tick` again."""
        index = self._index(tick)
        start = index
        while self._moments[start].tick not in self._snapshots:
            start -= 1
        actions = [self._moments[i].action for i in range(start + 1, index + 1)]
        return self._snapshots[self._moments[start].tick], [a for a in actions if a is not None]

    def cut_after(self, tick: int) -> None:
        """Forget everything later than `tick`."""
        while len(self._moments) > 1 and self._moments[-1].tick > tick:
            self._snapshots.pop(self._moments.pop().tick, None)

    def _index(self, tick: int) -> int:
        return min(max(tick - self._moments[0].tick, 0), len(self._moments) - 1)

    def _second_snapshot(self) -> int | None:
        later = [t for t in self._snapshots if t > self._moments[0].tick]
        return min(later, default=None)

    def _drop_oldest(self) -> None:
        until = self._second_snapshot()
        self._snapshots.pop(self._moments[0].tick, None)
        while until is not None and self._moments[0].tick < until:
            self._moments.popleft()
