"""The state of one dreamt world: immutable, so that a copy, a fork and a snapshot cost nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from worldsim.model.cells import Aim
from worldsim.model.hands import LONGEST
from worldsim.model.retrieval import shows, shrink_depth

_ANSWERS = 2  # of a memory: rewinding keeps many of those


@dataclass(frozen=True)
class KeyFrame:
    """A frame that was seen or dreamt, with what is needed to look at it from elsewhere."""

    frame: Tensor
    """uint8 `[H, W, 3]`."""
    depth: Tensor
    """float16 `[H, W]` in blocks; 0 where it is no longer known what is there, see `handiwork`."""
    pose: Tensor
    """`[5]`."""
    tick: int
    """When it was drawn, counted from the start of the dream."""
    ground: Tensor
    """uint8 `[H / 2, W / 2]`: 255 where a pixel was given or follows from what was, 0 where it is invented."""
    imagined: bool = False
    """A place that was thought of (`imagination`), and was never shown as it is."""

    @cached_property
    def given(self) -> bool:
        """Whether most of it was given or follows from what was."""
        return float(self.ground.float().mean()) > 127


@dataclass(frozen=True)
class Memory:
    """Older frames worth looking at again, oldest first, with their coarse depth at hand."""

    frames: tuple[KeyFrame, ...] = ()
    coarse: Tensor | None = None
    """`[N, 12, 20]`."""
    poses: Tensor | None = None
    """`[N, 5]`."""

    def add(self, frame: KeyFrame, limit: int) -> Memory:
        """A memory with one more frame, and `limit` at most.

        The oldest guess is forgotten first: what was given has to be there when the player comes home, even after
        many places that were thought of. It fills half of the memory at most.
        """
        return self.add_behind((frame,), 0, limit)

    def add_behind(self, frames: Sequence[KeyFrame], newer: int, limit: int) -> Memory:
        """A memory with some more frames, the newest `newer` of which stay the newest."""
        at = max(len(self.frames) - newer, 0)
        coarse = shrink_depth(torch.stack([key.depth for key in frames])).to(frames[0].pose.device)
        poses = torch.stack([key.pose for key in frames])
        if self.coarse is not None and self.poses is not None:
            coarse = torch.cat([self.coarse[:at], coarse, self.coarse[at:]])
            poses = torch.cat([self.poses[:at], poses, self.poses[at:]])
        all_of_them = (*self.frames[:at], *frames, *self.frames[at:])
        if len(all_of_them) <= limit:
            return Memory(all_of_them, coarse, poses)
        kept = _kept(all_of_them, limit)
        return Memory(tuple(all_of_them[i] for i in kept), coarse[kept], poses[kept])

    def shown(self, pose: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
        """Which cells of the view from `pose` `[5]` each frame shows, bool `[N, 240]`, and how finely, see `retrieval`.

        Several ask that in a tick: the last answers are kept.
        """
        asked = (*pose.tolist(), aspect)
        for key, answer in self._answers:
            if key == asked:
                return answer
        assert self.coarse is not None and self.poses is not None
        seen, fine = shows(self.coarse[None], self.poses[None], pose[None], aspect)
        self._answers[:] = [*self._answers[1 - _ANSWERS :], (asked, (seen[0], fine[0]))]
        return seen[0], fine[0]

    @cached_property
    def _answers(self) -> list[tuple[tuple[float, ...], tuple[Tensor, Tensor]]]:
        return []


def _kept(frames: Sequence[KeyFrame], limit: int) -> list[int]:
    """Which of more than `limit` frames, oldest first, stay."""
    given = [i for i, key in enumerate(frames) if key.given]
    last = set(given[len(given) - limit // 2 :] if len(given) > limit // 2 else given)
    by_worth = sorted(range(len(frames)), key=lambda i: i in last)
    return sorted(by_worth[len(frames) - limit :])


@dataclass(frozen=True)
class Grip:
    """What the player's hands are about."""

    aim: Aim | None = None
    """The block that attack is held on."""
    held: int = 0
    """For how many ticks."""
    since: tuple[int, int] = (LONGEST, LONGEST)
    """Ticks since a block broke, and since one was placed."""
    slot: int = -1
    """Of the hotbar, -1 before one was chosen."""
    broke: bool = False
    """In this tick."""
    placed: bool = False
    """In this tick."""
    arm: int = 0
    """Phase of the arm's swing, 0 at rest."""
    swung: bool = False
    """Whether it was swinging a tick ago."""


@dataclass(frozen=True)
class Scene:
    """The place that guesses are drawn from, see `scenery`."""

    place: int = -1
    """Tick at which it was thought of, -1 for none."""
    since: int = 0
    """Tick since which it gives the scene."""


@dataclass(frozen=True)
class WorldState:
    """Everything that decides a world's future, together with the model and the actions to come."""

    seed: int
    """Key of the world's noise."""
    episode: int
    """Second part of that key: counts resets."""
    tick: int
    """Actions taken; the third part of the key."""
    recent: tuple[KeyFrame, ...]
    """The newest frame and the one before it, if there was one."""
    memory: Memory
    actions: Tensor
    """`[K, 25]` newest first."""
    past: Tensor
    """`[2, 3]` the last steps as world offsets, newest first, in blocks."""
    caption: Tensor
    """`[384]`."""
    uncertainty: float = 0.0
    """Expected mean absolute error of the newest frame, in grey levels of 255."""
    invented: float = 0.0
    """Share of the newest frame that nothing given determines, in [0, 1]."""
    signals: Tensor | None = None
    """`[S]` what is believed of the newest frame, see `worldsim.signals`; None before the first step."""
    daytime: float = math.nan
    """Time of day in [0, 1) that it began at, nan if unknown: the light that imagined places are to have."""
    strange: float = 0.0
    """How sure it is that what it began from is not of the game it knows, in [0, 1], see `familiarity`."""
    apart: Tensor | None = None
    """`[P]` how far what it began from is from each place that exemplars show, in grey levels, see `doubt`."""
    failed: str = ""
    """Why the world ended, if its numbers went wrong."""
    eye: Tensor | None = None
    """`[5]` where the player is, if the world went on without being drawn since the newest frame."""
    scene: Scene = Scene()
    grip: Grip = Grip()
    """What hands are about, in worlds that have some."""
    overlay: Tensor | None = None
    """uint8 `[4, 32, W]` over the lower edge of the picture, in worlds that keep it apart; None before a tick."""

    @property
    def newest(self) -> KeyFrame:
        """The frame that is shown."""
        return self.recent[0]

    @property
    def pose(self) -> Tensor:
        """`[5]` where the player is."""
        return self.newest.pose if self.eye is None else self.eye

    def fork(self, seed: int) -> WorldState:
        """The same world with another future: only the noise differs."""
        return replace(self, seed=seed)
