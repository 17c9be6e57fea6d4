"""The referee: judges a task in N worlds, tick by tick, from what their infos say.

    referee = Referee("collect", count=N)
    referee.begin(which, infos)                          # after reset
    ruling = referee.judge(which, infos, terminated)     # after step

`which` are the places of the worlds concerned and `infos` theirs, as scalar envs give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError, UsageError
from worldsim.signals import from_state
from worldsim.tasks import Task, dead, find_task, missing

Which = Sequence[int] | NDArray[np.int64]
MOST_TICKS = 2**31


@dataclass(frozen=True)
class Ruling:
    """What a tick was worth in n worlds."""

    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    """The task is done, or the player dead."""
    truncated: NDArray[np.bool_]
    """Out of time, or the dream no longer knows what it shows."""


@dataclass(frozen=True)
class Record:
    """What the referee remembers of one world: picklable, and all that decides its further rulings."""

    memory: NDArray[np.float64]
    ticks: int
    state: Mapping[str, Any]


class Referee:
    """See the module's docstring.

    Args:
        task: a name of `tasks.TASKS`, or a task.
        count: N.
        limit: ticks an episode may take; None for the task's own.
        max_uncertainty: truncates where `info["uncertainty"]`, the expected error of the frame in grey levels,
            is above; worlds that say none, such as the game, are never in doubt.

    Raises:
        UsageError: no such task.
        ConfigError: a limit out of range.
    """

    def __init__(
        self,
        task: str | Task,
        *,
        count: int = 1,
        limit: int | None = None,
        max_uncertainty: float | None = None,
    ) -> None:
        self.task = find_task(task)
        self.limit = _ticks(self.task.limit if limit is None else limit)
        self.max_uncertainty = _doubt(max_uncertainty)
        self._records: list[Record | None] = [None] * count

    def check_told(self, names: Iterable[str]) -> None:
        """Make sure that a world which tells these signals tells enough.

        Raises:
            UsageError: it does not; the message names what is missing.
        """
        known = set(names)
        unknown = [name for name in self.task.needs if name not in known]
        if unknown:
            raise UsageError(
                f"task {self.task.name!r}: this world does not tell {', '.join(unknown)}; give it heads with "
                "worldsim train world --init WORLD --set only=heads --out DIR, or pass a reward function"
            )

    def begin(self, which: Which, infos: Sequence[dict[str, Any]]) -> None:
        """Begin episodes in some worlds; each info gets a "task" entry with its name and what the player may know."""
        for place, info in zip(which, infos):
            rng = np.random.default_rng(int(info.get("seed", 0)))
            pose = _pose(info)
            memory = self.task.begin(pose, rng)
            self._records[place] = Record(memory[0], 0, info["state"])
            info["task"] = self._told(memory, pose)

    def judge(self, which: Which, infos: Sequence[dict[str, Any]], terminated: NDArray[np.bool_]) -> Ruling:
        """Judge one tick in some worlds.

        Args:
            terminated: [n] what the worlds themselves say.

        Raises:
            UsageError: a world whose info does not tell what the task needs.
        """
        records = [self._record(place) for place in which]
        rows = [from_state(info["state"], record.state) for info, record in zip(infos, records)]
        signals = np.stack(rows).astype(np.float64)
        unknown = missing(self.task, signals)
        if unknown:
            raise UsageError(f"task {self.task.name!r}: info['state'] does not tell {', '.join(unknown)}")
        pose = np.concatenate([_pose(info) for info in infos])
        memory, rewards, done = self.task.judge(np.stack([r.memory for r in records]), signals, pose)
        ticks = np.array([record.ticks + 1 for record in records])
        doubtful = self._doubtful(infos)
        for i, (place, info) in enumerate(zip(which, infos)):
            self._records[place] = Record(memory[i], int(ticks[i]), info["state"])
            info["task"] = self._told(memory[i : i + 1], pose[i : i + 1])
            if doubtful[i]:
                info.setdefault(
                    "reason", f"uncertainty {info['uncertainty']:.1f} above {self.max_uncertainty:g}"
                )
        ended = np.asarray(terminated, np.bool_) | done | dead(signals)
        return Ruling(rewards, ended, doubtful | (ticks >= self.limit))

    def clone(self) -> tuple[Record | None, ...]:
        """What is remembered of all N worlds."""
        return tuple(self._records)

    def restore(self, records: Sequence[Record | None]) -> None:
        """Go back to what `clone` returned."""
        self._records = list(records)

    def _told(self, memory: NDArray[np.float64], pose: NDArray[np.float64]) -> dict[str, Any]:
        told = {name: value[0].astype(np.float32) for name, value in self.task.tell(memory, pose).items()}
        return {"name": self.task.name, **told}

    def _doubtful(self, infos: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        if self.max_uncertainty is None:
            return np.zeros(len(infos), np.bool_)
        return np.array([info.get("uncertainty", 0.0) > self.max_uncertainty for info in infos])

    def _record(self, place: int) -> Record:
        record = self._records[place]
        assert record is not None, "judge() before begin()"
        return record


def _pose(info: Mapping[str, Any]) -> NDArray[np.float64]:
    if "pose" not in info.get("state", {}):
        raise UsageError('task: got an info without state["pose"], expected a dream or a game of worldsim')
    return np.asarray(info["state"]["pose"], np.float64)[None]


def _ticks(limit: Any) -> int:
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or not 1 <= limit <= MOST_TICKS:
        raise ConfigError(f"limit: got {limit!r:.40}, expected ticks from 1 to {MOST_TICKS}")
    return int(limit)


def _doubt(limit: Any) -> float | None:
    if limit is None:
        return None
    number = isinstance(limit, (int, float, np.integer, np.floating)) and not isinstance(limit, bool)
    if not number or not 0 < limit <= 255:
        raise ConfigError(f"max_uncertainty: got {limit!r:.40}, expected grey levels above 0, up to 255")
    return float(limit)
