"""What hands learn from: ticks in which a player dug or built, and what the game showed after them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldsim import registry
from worldsim.model.camera import relative_pose
from worldsim.model.cells import Aim, Cell, aim, cross
from worldsim.model.hands import ATTACK, HOTBAR, LONGEST, USE, Grasp, crop_of, strip_of, tell
from worldsim.model.tokenizer import frames_to_float
from worldsim.model.warp import warp
from worldsim.signals import SLOTS

FIRST_WORLD = 1_800_000
"""Seeds of the worlds that are played in: above 1,000,000, where training goes, too."""
_TICKS = 700
_PIXELS = 160
_KEPT = 0.25  # of the ticks in which attack is held and nothing happens
_SAME = (0.04, 0.02)  # blocks, and share of the depth, within which a surface is where a face is
_PAUSE = 6  # ticks after a break
_UNTOLD = 0.3  # of the ticks say nothing of the slot


@dataclass(frozen=True)
class Lesson:
    """One tick, or a batch of them with a leading axis."""

    crop: Tensor
    """uint8 `[3, 32, 32]`."""
    strip: Tensor
    """uint8 `[3, 32, W]`."""
    told: Tensor
    """`[n]`."""
    pressed: Tensor
    """`[2]` attack and use."""
    happened: Tensor
    """`[2]` a block broke, one was placed."""
    face: Tensor
    """int8 `[P]` of pixels that show the edited cell; -1 where there are fewer than P."""
    place: Tensor
    """`[P, 2]` where on that face."""
    colour: Tensor
    """uint8 `[P, 3]`."""
    there: Tensor
    """`[P]` whether there is a surface on that face."""
    stands_for: Tensor
    """How many ticks like it were played."""
    needed: Tensor
    """Ticks of attack that the block takes, nan where the game's progress does not tell."""

    def grasp(self) -> Grasp:
        """As hands take it, for a batch."""
        return Grasp(_floats(self.crop), _floats(self.strip), self.told)


def _floats(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1


class Pupil:
    """Follows a player's hands as a dream does: what is aimed at, for how long, and what happened when."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._held, self._since = rng, 0, [LONGEST, LONGEST]
        self._cell: Cell | None = None

    def follow(
        self, before: dict[str, Any], after: dict[str, Any], action: Tensor, usable: Tensor
    ) -> Lesson | None:
        """The lesson of a tick, if there is one.

        Args:
            before, after: frame, depth, pose and state of the frames that the action leads from and to.
            usable: `[H, W]` bool.
        """
        events = after["state"]["events"]
        happened = bool(events["broken"]), bool(events["placed"])
        self._since = [min(n + 1, LONGEST) for n in self._since]
        attack, use = bool(action[ATTACK] > 0.5), bool(action[USE] > 0.5)
        lesson = None
        if attack or use:
            frame, found = self._aim(before, after["pose"], usable)
            held = self._held + 1 if found and self._cell == found.cell else 1
            self._cell, self._held = (found.cell, held) if found and attack else (None, 0)
            kept = 1.0 if any(happened) or use else _KEPT
            if found and self._rng.random() < kept:
                lesson = self._lesson(before, after, action, frame, found, happened, usable, 1 / kept)
        else:
            self._cell, self._held = None, 0
        self._since = [0 if done else n for done, n in zip(happened, self._since)]
        if happened[0]:
            self._cell, self._held = None, 0
        return lesson

    def _aim(self, before: dict[str, Any], pose: Tensor, usable: Tensor) -> tuple[Tensor, Aim | None]:
        rotation, translation = relative_pose(before["pose"][None], pose[None])
        image = frames_to_float(before["frame"][None])
        seen = warp(image, before["depth"][None, None], rotation, translation, usable)
        return seen.frames[0], aim(pose, seen.depth[0, 0], seen.known[0, 0])

    def _lesson(
        self, before: dict[str, Any], after: dict[str, Any], action: Tensor, frame: Tensor, found: Aim,
        happened: tuple[bool, bool], usable: Tensor, stands_for: float,
    ) -> Lesson:  # fmt: skip
        since = (self._since[0], self._since[1])
        middle = torch.tensor(found.before) + 0.5 - after["pose"][:3]
        slot = slot_after(int(before["state"]["slot"]), action)
        told = tell(
            action, max(self._held, 1), since, -1 if self._rng.random() < _UNTOLD else slot, found.face,
            found.distance, middle,
        )  # fmt: skip
        pixels = _shown(after, found, happened, usable, self._rng)
        pressed = torch.tensor([float(action[ATTACK] > 0.5), float(action[USE] > 0.5)])
        return Lesson(
            _bytes(crop_of(frame)), _bytes(strip_of(frames_to_float(before["frame"][None])[0])), told, pressed,
            torch.tensor(happened).float(), *pixels, torch.tensor(stands_for),
            torch.tensor(self._needed(after["state"], happened[0])),
        )  # fmt: skip

    def _needed(self, state: Mapping[str, Any], broke: bool) -> float:
        """The ticks that the block in hand takes, if the game says how far it is; a pause after the last one aside."""
        progress = 1.0 if broke else float(state.get("break_progress", 0.0))
        rested = self._since[0] >= min(self._held + _PAUSE, LONGEST)
        return self._held / progress if progress > 0 and self._held and rested else math.nan


def slot_after(slot: int, action: Tensor) -> int:
    """The slot that is chosen after the hotbar's keys of an action `[25]`."""
    keys = action[HOTBAR : HOTBAR + SLOTS] > 0.5
    return int(keys.nonzero()[-1]) if bool(keys.any()) else slot


def _shown(
    after: dict[str, Any], found: Aim, happened: tuple[bool, bool], usable: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels of the frame after an edit that show the edited cell: face, place, colour, and whether it is there."""
    nothing = (
        torch.full((_PIXELS,), -1, dtype=torch.int8), torch.zeros(_PIXELS, 2),
        torch.zeros(_PIXELS, 3, dtype=torch.uint8), torch.zeros(_PIXELS),
    )  # fmt: skip
    if happened[0] == happened[1]:
        return nothing
    depth = after["depth"]
    ray = cross(after["pose"], found.before if happened[1] else found.cell, *depth.shape)
    near = ray.enter if happened[1] else ray.leave
    off = _SAME[0] + _SAME[1] * near
    there = (depth - near).abs() < off
    # In front of the cell something hides it; that which a hole's far side does not show lies behind it.
    open_ = ray.hit & usable & (ray.enter > 0) & (depth > (near - off if happened[1] else ray.enter - off))
    index = (open_ & there if happened[1] else open_).flatten().nonzero()[:, 0]
    if len(index) < 12:
        return nothing
    index = index[torch.from_numpy(rng.permutation(len(index))[:_PIXELS].copy())]
    face, place = (ray.enter_face, ray.enter_place) if happened[1] else (ray.leave_face, ray.leave_place)
    count = len(index)
    for whole, part in zip(
        nothing, (face.flatten(), place.flatten(0, 1), after["frame"].flatten(0, 1), there.flatten().float())
    ):
        whole[:count] = part[index]
    return nothing


def _bytes(image: Tensor) -> Tensor:
    return ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def play(engine: str, seed: int, *, width: int, height: int) -> Iterator[Lesson]:
    """Lessons without end, from one world after the other; `seed` decides which, and what is done there."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    usable = torch.from_numpy(~game.overlay_mask())
    rng = np.random.default_rng(seed)
    while True:
        game.reset(int(FIRST_WORLD + rng.integers(100_000)))
        player, pupil = (
            registry.resolve(registry.POLICIES, "tinker", "policy")(int(rng.integers(2**31))),
            Pupil(rng),
        )
        now = _look(game)
        for _ in range(_TICKS):
            action = player.act(now["state"])
            game.step(action)
            before, now = now, _look(game)
            lesson = pupil.follow(before, now, torch.from_numpy(action), usable)
            if lesson is not None:
                yield lesson


def _look(game: Any) -> dict[str, Any]:
    frame, depth, _ids = game.render_buffers()
    state = game.state()
    return {
        "frame": torch.from_numpy(frame), "depth": torch.from_numpy(depth), "state": state,
        "pose": torch.from_numpy(state["pose"]),
    }  # fmt: skip
