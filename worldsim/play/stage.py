"""The worlds of a session: which are open, which one the keys move, which are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from worldsim.errors import UsageError
from worldsim.play.image import load_image, resize_frames
from worldsim.play.options import PlayOptions
from worldsim.play.view import Pane
from worldsim.play.world import World
from worldsim.play.worlds import PARTNERS

FOOTAGE = 16
"""Frames of the game that a dream beside it starts from."""


class OpenWorld(Protocol):
    """How a session comes by its worlds; `worlds.open_world`, or a fake in tests."""

    def __call__(self, env_id: str, options: PlayOptions, size: tuple[int, int] | None = None) -> World: ...


class Stage:
    """One or two worlds, opened when they are first needed; each stays where it was left.

    Whatever fails raises a `WorldSimError` and leaves what is shown as it was.
    """

    def __init__(self, options: PlayOptions, open_world: OpenWorld) -> None:
        self._options = options
        self._open_world = open_world
        self.worlds: dict[str, World] = {}
        self.active = options.env
        self.side_by_side = False
        self.seed = options.seed or 0
        self._open(self.active)

    @property
    def world(self) -> World:
        """The world that the keys move."""
        return self.worlds[self.active]

    @property
    def shown(self) -> list[World]:
        """The worlds to be seen, left to right; all of them live under the same keys."""
        partner = PARTNERS.get(self.active, "")
        if self.side_by_side and partner in self.worlds:
            return sorted((self.world, self.worlds[partner]), key=lambda w: w.generated)
        return [self.world]

    def reset(self, seed: int) -> None:
        """Begin a new episode in every world that is shown."""
        self.seed = seed
        for world in self.shown:
            if self.side_by_side and world.generated:
                self._follow_game()
            else:
                world.reset(seed)

    def switch(self) -> None:
        """Show the other world."""
        partner = self._partner()
        self._open(partner)
        self.active = partner

    def toggle_side_by_side(self) -> None:
        """Show both worlds, the dream going on from the game's last frames; or one again."""
        if self.side_by_side:
            self.side_by_side = False
            return
        self._open(self._partner())
        self.side_by_side = True
        try:
            self._follow_game()
        except BaseException:
            self.side_by_side = False
            raise

    def start_from_image(self, path: str | Path) -> None:
        """Begin a new episode of the learned world inside a picture, and show it."""
        env_id = next((i for i in (self.active, PARTNERS.get(self.active, "")) if self._generates(i)), None)
        if env_id is None:
            raise UsageError("a picture can only be dreamed on, and there is no learned world here")
        world = self.worlds[env_id]
        frame = load_image(path, *world.size)
        world.reset(self.seed, {"frames": frame[np.newaxis], "pitch": 0.0}, origin="a picture")
        if not self.side_by_side:
            self.active = env_id

    def panes(self, back: int = 0) -> tuple[Pane, ...]:
        """What the worlds show, or showed `back` ticks ago."""
        return tuple(_pane(world, back) for world in self.shown)

    def close(self) -> None:
        """Close all worlds."""
        for world in self.worlds.values():
            world.close()

    def _generates(self, env_id: str) -> bool:
        if env_id in PARTNERS:
            self._open(env_id)
        return env_id in self.worlds and self.worlds[env_id].generated

    def _follow_game(self) -> None:
        game, dream = self.shown
        footage = game.footage(FOOTAGE)
        if game.size != dream.size:
            footage["frames"] = resize_frames(footage["frames"], *dream.size)
            footage.pop("depth", None)  # of another view
        dream.reset(self.seed, footage, origin="the game")

    def _partner(self) -> str:
        if self.active not in PARTNERS:
            raise UsageError(f"{self.active}: there is no other world to switch to")
        return PARTNERS[self.active]

    def _open(self, env_id: str) -> None:
        if env_id in self.worlds:
            return
        size = self.world.size if self.worlds else None
        world = self._open_world(env_id, self._options, size)
        try:
            world.reset(self.seed)
        except BaseException:
            world.close()
            raise
        self.worlds[env_id] = world


def _pane(world: World, back: int) -> Pane:
    moment = world.history.at(world.moment.tick - back)
    state = moment.info.get("state", {})
    uncertainty, slot = moment.info.get("uncertainty"), state.get("slot")
    return Pane(
        frame=moment.frame,
        title=world.title,
        generated=world.generated,
        origin=world.origin,
        tick=moment.tick,
        uncertainty=None if uncertainty is None else float(uncertainty),
        invented=moment.info.get("invented"),
        slot=None if slot is None else int(slot),
        caption=str(state.get("caption", "")),
        ended=moment.ended,
    )
