"""Tasks: reward and end of an episode, from signals and pose alone.

Both are true in the game and believed in a dream, and the same code judges them. A task is a pure function
over N worlds: `memory = task.begin(pose)`, then `memory, reward, done = task.judge(memory, signals, pose)`.

Events count by their probability, 0 or 1 in the game: what a dream is paid is what the game would pay on
average. Below `LEAST` they count for nothing, or an agent could live on the decimals of a frame that shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import UsageError
from worldsim.signals import PLACE

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Told = dict[str, Any]

SECOND = 0.05
"""Seconds a tick."""
LEAST = 0.1
"""Probability below which an event did not happen."""


class Task(Protocol):
    """What a task is; another one is a frozen dataclass with these, and known by name with a line in `TASKS`."""

    name: ClassVar[str]
    text: ClassVar[str]
    """What to do, in a sentence."""
    needs: ClassVar[tuple[str, ...]]
    """The signals that it asks for."""
    options: ClassVar[dict[str, Any]]
    """Reset options that it wants of the game."""

    @property
    def limit(self) -> int:
        """Ticks after which an episode is truncated."""

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """What is remembered of N episodes that begin at `pose` [N, 5]: [N, K]."""

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """After a tick that led to `signals` [N, S] and `pose` [N, 5]: memory, rewards [N] and which are done [N]."""

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """What the player may know beside the picture, of the N worlds: arrays [N, ...]."""


@dataclass(frozen=True)
class Collect:
    """One point for each block of wood that is broken; done with `goal` of them.

    That is rare by chance: `shaping` lends points for wood in reach and for its cracks, and takes them back when
    they are gone (a potential, Ng et al. 1999: what is best to do stays the same).
    """

    name: ClassVar[str] = "collect"
    text: ClassVar[str] = "Collect logs: break blocks of wood."
    needs: ClassVar[tuple[str, ...]] = ("broke_log", "wood", "dead")
    options: ClassVar[dict[str, Any]] = {}
    goal: int = 8
    shaping: float = 0.0
    limit: int = 1200

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """Logs so far, and points lent."""
        return np.zeros((len(pose), 2))

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """A log, a point."""
        found = happened(signals, "broke_log")
        logs, lent = memory[:, 0] + found, memory[:, 1]
        if self.shaping:
            lent = self.shaping * get(signals, "wood") * (1 + get(signals, "break_progress")) / 2
        return np.stack([logs, lent], 1), found + lent - memory[:, 1], logs > self.goal - 0.5

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """Logs so far."""
        return {"logs": memory[:, 0]}


@dataclass(frozen=True)
class Beacon:
    """Reach a place `distance` blocks away: the share of the way that a tick covers, and 1 for arriving.

    It lies ahead at the start, up to `spread` degrees to either side; nothing shows it in the picture, so `tell`
    says where it is.
    """

    name: ClassVar[str] = "beacon"
    text: ClassVar[str] = "Reach the beacon: a place straight ahead, behind whatever is in the way."
    needs: ClassVar[tuple[str, ...]] = ("dead",)
    options: ClassVar[dict[str, Any]] = {}
    distance: float = 12.0
    spread: float = 0.0
    near: float = 1.5
    limit: int = 400

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """x and z of the place, and how far it is."""
        bearing = np.deg2rad(pose[:, 3] + self.spread * rng.uniform(-1, 1, len(pose)))
        ahead = np.stack([-np.sin(bearing), np.cos(bearing)], 1)
        goal = pose[:, [0, 2]] + self.distance * ahead
        return np.concatenate([goal, np.full((len(pose), 1), self.distance)], 1)

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """Nearer is better; there is done."""
        left = np.linalg.norm(memory[:, :2] - pose[:, [0, 2]], axis=1)
        there = left < self.near
        reward = (memory[:, 2] - left) / self.distance + there
        return np.concatenate([memory[:, :2], left[:, None]], 1), reward, there

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """The "goal" [N, 2]: blocks to the right and ahead of the player."""
        x, z = (memory[:, :2] - pose[:, [0, 2]]).T
        sine, cosine = np.sin(np.deg2rad(pose[:, 3])), np.cos(np.deg2rad(pose[:, 3]))
        return {"goal": np.stack([-cosine * x - sine * z, cosine * z - sine * x], 1)}


@dataclass(frozen=True)
class Roam:
    """A tenth of a point for each block farther from the start than ever before; done at `goal` blocks."""

    name: ClassVar[str] = "roam"
    text: ClassVar[str] = "Roam: get as far from where you began as you can."
    needs: ClassVar[tuple[str, ...]] = ("dead",)
    options: ClassVar[dict[str, Any]] = {}
    goal: float = 60.0
    limit: int = 400

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """x and z of the start, and the farthest so far."""
        return np.stack([pose[:, 0], pose[:, 2], np.zeros(len(pose))], 1)

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """Only a new distance pays."""
        away = np.linalg.norm(memory[:, :2] - pose[:, [0, 2]], axis=1)
        farthest = np.maximum(memory[:, 2], away)
        reward = (farthest - memory[:, 2]) / 10
        return np.concatenate([memory[:, :2], farthest[:, None]], 1), reward, farthest > self.goal

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """Nothing that can't be seen."""
        return {}


@dataclass(frozen=True)
class Tower:
    """One point a block of height gained on blocks of one's own; done at `goal`.

    What counts is the smaller of two: how much higher than at the start the player has stood, and how many
    blocks were placed. So neither a hill nor a floor pays.
    """

    name: ClassVar[str] = "tower"
    text: ClassVar[str] = "Build a tower: gain height on blocks that you place."
    needs: ClassVar[tuple[str, ...]] = ("placed", "on_ground", "dead")
    options: ClassVar[dict[str, Any]] = {}
    goal: int = 4
    limit: int = 600

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """Height at the start, blocks placed, most height gained while standing."""
        nothing = np.zeros(len(pose))
        return np.stack([pose[:, 1], nothing, nothing], 1)

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """Only a new height pays."""
        start, placed, rise = memory.T
        before = np.minimum(placed, rise)
        stands = get(signals, "on_ground") > 0.5
        placed = placed + happened(signals, "placed")
        rise = np.where(stands, np.maximum(rise, pose[:, 1] - start), rise)
        height = np.minimum(placed, rise)
        return np.stack([start, placed, rise], 1), height - before, height > self.goal - 0.25

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """Height so far, in blocks."""
        return {"height": np.minimum(memory[:, 1], memory[:, 2])}


@dataclass(frozen=True)
class Dry:
    """One point a second out of water; done after `patience` ticks in it, one after the other."""

    name: ClassVar[str] = "dry"
    text: ClassVar[str] = "Stay dry: keep out of water."
    needs: ClassVar[tuple[str, ...]] = ("in_water", "dead")
    options: ClassVar[dict[str, Any]] = {}
    patience: int = 3
    limit: int = 600

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """Ticks in water so far."""
        return np.zeros((len(pose), 1))

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """A tick out of water is a twentieth of a point."""
        wet = get(signals, "in_water") > 0.5
        ticks = np.where(wet, memory[:, 0] + 1, 0.0)
        return ticks[:, None], np.where(wet, 0.0, SECOND), ticks >= self.patience

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """Nothing that can't be seen."""
        return {}


@dataclass(frozen=True)
class Night:
    """One point a second alive, less a tenth of a point for each of the 20 of health lost; done at sunrise.

    The game begins half a minute before sunrise, a dream whenever its footage does.
    """

    name: ClassVar[str] = "night"
    text: ClassVar[str] = "Survive the night: stay whole until the sun rises."
    needs: ClassVar[tuple[str, ...]] = ("damage", "hurt", "dead", "time_of_day")
    options: ClassVar[dict[str, Any]] = {"time_of_day": 0.2}
    limit: int = 1200

    def begin(self, pose: Floats, rng: np.random.Generator) -> Floats:
        """Whether it has been night, and for how many ticks it has been day since."""
        return np.zeros((len(pose), 2))

    def judge(self, memory: Floats, signals: Floats, pose: Floats) -> tuple[Floats, Floats, Bools]:
        """Sunrise counts after a second of it, since a dream may take a flash for the sun."""
        time = get(signals, "time_of_day")
        day = (time >= 0.25) & (time < 0.75)
        was: Floats = np.maximum(memory[:, 0], np.where(day, 0.0, 1.0))
        light = np.where(day & (was > 0), memory[:, 1] + 1, 0.0)
        lost = get(signals, "damage") * (get(signals, "hurt") >= LEAST)
        worth: Floats = SECOND - lost / 10
        return np.stack([was, light], 1), worth, light >= 20

    def tell(self, memory: Floats, pose: Floats) -> Told:
        """Nothing that can't be seen."""
        return {}


TASKS: dict[str, type[Any]] = {task.name: task for task in (Collect, Beacon, Roam, Tower, Dry, Night)}


def find_task(task: str | Task) -> Task:
    """A task by name, or one that is given.

    Raises:
        UsageError: no such task.
    """
    if not isinstance(task, str):
        if all(hasattr(task, part) for part in ("begin", "judge", "tell", "needs", "limit")):
            return task
        raise UsageError(f"task: got {type(task).__name__}, expected a name ({', '.join(TASKS)}) or a task")
    if task not in TASKS:
        raise UsageError(f"task: got {task[:40]!r}, expected one of {', '.join(TASKS)}")
    made: Task = TASKS[task]()
    return made


def get(signals: Floats, name: str) -> Floats:
    """One signal of N worlds, [N]."""
    return signals[:, PLACE[name]]


def happened(signals: Floats, name: str) -> Floats:
    """How often an event happened in this tick: its probability, or 0 if that is small."""
    chance = get(signals, name)
    return np.where(chance >= LEAST, chance, 0.0)


def dead(signals: Floats) -> Bools:
    """Which of N players are dead."""
    return get(signals, "dead") > 0.5


def missing(task: Task, signals: NDArray[Any]) -> list[str]:
    """The signals that a task needs and rows [N, S] do not tell."""
    return [name for name in task.needs if np.isnan(signals[:, PLACE[name]]).any()]
