"""A play session without any window: worlds under one pair of hands, their time, their recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from worldsim.actions import Action
from worldsim.errors import UsageError, WorldSimError
from worldsim.play.autopilot import Autopilot
from worldsim.play.image import load_image, resize_frames
from worldsim.play.options import PlayOptions
from worldsim.play.tape import Tape
from worldsim.play.view import Message, Pane, View
from worldsim.play.world import World
from worldsim.play.worlds import PARTNERS, open_world

REWIND_SECONDS = 10
SCRUB_SPEED = 2
"""Ticks that one tick of running back undoes."""
FOOTAGE = 16
"""Frames of the game that a dream beside it starts from."""
DEFAULT_FOLDER = "runs/play"


class OpenWorld(Protocol):
    """How a session comes by its worlds; `worlds.open_world`, or a fake in tests."""

    def __call__(self, env_id: str, options: PlayOptions, size: tuple[int, int] | None = None) -> World: ...


class Session:
    """One or two worlds, which of them are shown, whether time runs, and what is recorded.

    Not thread-safe: one thread calls it, and reads `view()` between calls. What goes wrong in a
    world or with a file becomes a message and a pause; only a mistake of ours raises.

    Args:
        open_world: makes a world from its id.
        auto_restart: begin the next seed by itself when an episode ends.
        episodes: stop after so many episodes (None: go on).
    """

    def __init__(
        self,
        options: PlayOptions,
        *,
        open_world: OpenWorld = open_world,
        auto_restart: bool = False,
        episodes: int | None = None,
    ) -> None:
        self._options = options
        self._open = open_world
        self._auto_restart = auto_restart
        self._episodes = episodes
        self._serial = 0
        self._ticks = 0
        self._ended = 0
        self.begun = 1
        self.failure: WorldSimError | None = None
        self._sampled_at: float | None = None
        self._message: Message | None = None
        self._steps_due = 0
        self._scrub_tick: int | None = None
        self.paused = False
        self.side_by_side = False
        self.seed = options.seed or 0
        self.autopilot = Autopilot(options.policy, self.seed)
        self.tape = Tape(Path(options.record or DEFAULT_FOLDER), policy=self.autopilot.name, fps=options.fps)
        self.worlds: dict[str, World] = {}
        self.active = options.env
        self._start()

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

    @property
    def finished(self) -> bool:
        """Whether the ticks or episodes that were asked for are done."""
        enough = self._options.ticks is not None and self._ticks >= self._options.ticks
        return enough or (self._episodes is not None and self._ended >= self._episodes)

    def tick(self, sample: Callable[[], Action]) -> None:
        """Live one tick with the newest input; a pause or a rewind uses it up and stays where it is."""
        action, sampled_at = sample(), time.perf_counter()
        if self._scrub_tick is not None:
            self._scrub_tick = max(self._scrub_tick - SCRUB_SPEED, self.world.history.oldest.tick)
            self._serial += 1
        elif (not self.paused or self._steps_due) and not self.finished:
            self._steps_due = max(0, self._steps_due - 1)
            self._live(self.autopilot.act(self.world.moment.info.get("state", {}), action), sampled_at)

    def toggle_pause(self) -> None:
        """Stop time, or let it run."""
        self.paused = not self.paused
        self._serial += 1

    def pause(self) -> None:
        """Stop time."""
        self.paused = True
        self._serial += 1

    def resume(self) -> None:
        """Let time run."""
        self.paused = False
        self._serial += 1

    def single_step(self) -> None:
        """Pause, and live one tick at the next `tick`."""
        self.paused = True
        self._steps_due += 1

    def rewind(self, seconds: float = REWIND_SECONDS) -> None:
        """Go back in time, exactly, as far as the history reaches."""
        self._go_back(round(seconds * self._options.fps))

    def scrub_begin(self) -> None:
        """Begin to run back in time; every `tick` goes further until `scrub_end`."""
        if self._scrub_tick is None and self.world.can_rewind:
            self._scrub_tick = self.world.moment.tick
            self._serial += 1

    def scrub_end(self) -> None:
        """Go on from the moment that running back has reached."""
        if self._scrub_tick is not None:
            back, self._scrub_tick = self.world.moment.tick - self._scrub_tick, None
            self._go_back(back)

    def restart(self, seed: int | None = None, *, by: int = 1) -> None:
        """Begin a new episode from `seed`; without it from the next one, or `by` further."""
        self.seed = (self.seed + by) % 2**64 if seed is None else seed
        self._attempt(self._reset_shown)

    def restart_from_image(self, path: str | Path) -> None:
        """Start the learned world from a picture; a bad one is reported and the world goes on."""
        self._attempt(lambda: self._enter_image(path))

    def switch(self) -> None:
        """Move between dream and game; each stays where it was left."""
        self._attempt(self._enter_partner)

    def toggle_side_by_side(self) -> None:
        """Show dream and game together, the dream going on from the game's last frames."""
        self._attempt(self._leave_side_by_side if self.side_by_side else self._enter_side_by_side)

    def toggle_autopilot(self) -> None:
        """Let a policy play, or take over."""
        self.autopilot.toggle()
        self.say("a policy plays; M takes over" if self.autopilot.on else "you play")

    def toggle_recording(self) -> None:
        """Record what is shown from now on, or commit what has been recorded."""
        if self.tape.recording:
            self.say(f"recorded {self.tape.frames} frames into {self.tape.folder}")
            self._attempt(self.tape.stop)
        else:
            self._attempt(self.tape.start)
        self._serial += 1

    def say(self, text: str, *, urgent: bool = False) -> None:
        """Show the player one line."""
        self._message = Message(text, time.perf_counter(), urgent)
        self._serial += 1

    def view(self) -> View:
        """What there is to see now."""
        failure = self.tape.failure()
        if failure is not None:
            self.failure = failure
            self.say(str(failure), urgent=True)
        return View(
            panes=tuple(self._pane(world) for world in self.shown),
            serial=self._serial,
            sampled_at=self._sampled_at,
            paused=self.paused,
            rewinding=self._scrub_tick is not None,
            autopilot=self.autopilot.on,
            recorded=self.tape.frames if self.tape.recording else None,
            message=self._message,
            finished=self.finished,
        )

    def close(self) -> None:
        """Commit the recording and close the worlds."""
        try:
            self.tape.stop()
        finally:
            for world in self.worlds.values():
                world.close()

    def _start(self) -> None:
        try:
            self._open_world(self.active)
            if self._options.image is not None:
                self._enter_image(self._options.image)
            if self._options.side_by_side:
                self._enter_side_by_side()
            if self._options.record is not None:
                self.tape.start()
        except BaseException:
            self.close()
            raise

    def _live(self, action: Action, sampled_at: float) -> None:
        try:
            for world in self.shown:
                if world.moment.ended is None:
                    before, step = world.moment, world.step(action)
                    if world is self.world:
                        self.tape.add(world, before, step)
        except WorldSimError as error:
            self.failure = error
            self.pause()
            self.say(str(error), urgent=True)
            return
        self._ticks += 1
        self._sampled_at = sampled_at
        self._serial += 1
        if all(world.moment.ended for world in self.shown):
            self._ended += 1
            if (self._auto_restart or self.autopilot.on) and not self.finished:
                self.restart()

    def _go_back(self, ticks: int) -> None:
        def back() -> None:
            for world in self.shown:
                self.tape.cut()
                world.rewind_to(world.moment.tick - ticks)

        self._sampled_at = None
        self._attempt(back)

    def _reset_shown(self) -> None:
        self._ended += any(world.moment.tick and not world.moment.ended for world in self.shown)
        for world in self.shown:
            self.tape.cut()
            if self.side_by_side and world.generated:
                self._follow_game()
            else:
                world.reset(self.seed)
        self.autopilot.reset(self.seed)
        self.begun += 1

    def _enter_image(self, path: str | Path) -> None:
        env_id = next((i for i in (self.active, PARTNERS.get(self.active, "")) if self._generates(i)), None)
        if env_id is None:
            raise UsageError("a picture can only be dreamed on; there is no learned world here")
        width, height = self.worlds[env_id].size
        frame = load_image(path, width, height)
        self.tape.cut()
        self.worlds[env_id].reset(self.seed, {"frames": frame[np.newaxis], "actions": [], "pitch": 0.0})
        if not self.side_by_side:
            self.active = env_id
        self.say(f"started from {Path(path).name}")

    def _generates(self, env_id: str) -> bool:
        if env_id in PARTNERS:
            self._open_world(env_id)
        return env_id in self.worlds and self.worlds[env_id].generated

    def _enter_partner(self) -> None:
        partner = self._partner()
        self._open_world(partner)
        self.active = partner
        self.say(self.world.title)

    def _enter_side_by_side(self) -> None:
        self._open_world(self._partner())
        self.side_by_side = True
        self._follow_game()

    def _leave_side_by_side(self) -> None:
        self.side_by_side = False

    def _follow_game(self) -> None:
        """Let the dream go on from the game's last frames, so that both begin at one place."""
        game, dream = self.shown
        footage = game.footage(FOOTAGE)
        footage["frames"] = resize_frames(footage["frames"], *dream.size)
        self.tape.cut()
        dream.reset(self.seed, footage)

    def _partner(self) -> str:
        if self.active not in PARTNERS:
            raise UsageError(f"{self.active}: there is no other world to switch to")
        return PARTNERS[self.active]

    def _open_world(self, env_id: str) -> None:
        if env_id not in self.worlds:
            size = self.worlds[self.active].size if self.worlds else None
            world = self._open(env_id, self._options, size)
            try:
                world.reset(self.seed)
            except BaseException:
                world.close()
                raise
            self.worlds[env_id] = world

    def _attempt(self, deed: Callable[[], None]) -> None:
        """Do something that may fail for a reason outside: then say why, and leave things be."""
        try:
            deed()
        except WorldSimError as error:
            self.say(str(error), urgent=True)
        self._serial += 1

    def _pane(self, world: World) -> Pane:
        moment = world.moment
        if self._scrub_tick is not None:
            moment = world.history.at(moment.tick - (self.world.moment.tick - self._scrub_tick))
        state = moment.info.get("state", {})
        uncertainty, slot = moment.info.get("uncertainty"), state.get("slot")
        return Pane(
            frame=moment.frame,
            title=world.title,
            generated=world.generated,
            seed=world.seed,
            tick=moment.tick,
            uncertainty=None if uncertainty is None else float(uncertainty),
            slot=None if slot is None else int(slot),
            caption=str(state.get("caption", "")),
            ended=moment.ended,
        )
