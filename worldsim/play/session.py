"""A play session without any window: worlds under one pair of hands, their time, their recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from worldsim.actions import Action
from worldsim.errors import UsageError, WorldSimError
from worldsim.play.autopilot import Autopilot
from worldsim.play.options import PlayOptions
from worldsim.play.stage import OpenWorld, Stage
from worldsim.play.tape import Tape
from worldsim.play.view import Message, View
from worldsim.play.world import World
from worldsim.play.worlds import open_world

REWIND_SECONDS = 10
SCRUB_SPEED = 2
"""Ticks that one tick of running back undoes."""
TAP_TICKS = 4
"""Running back for no longer than this was a tap, which means ten seconds."""
DEFAULT_FOLDER = "runs/play"


class Session:
    """Worlds, whether their time runs, who acts, and what is recorded.

    Not thread-safe: one thread calls it, and reads `view()` between calls. What goes wrong in a
    world or with a file becomes a message (and a pause); only a mistake of ours raises.

    Args:
        open_world: makes a world from its id.
        auto_restart: begin the next seed by itself when an episode ends.
        episodes: stop after so many episodes (None: go on).
        episode_ticks: begin the next seed after so many ticks (None: when the world ends).

    Raises:
        WorldSimError: the first world, picture or recording can't be opened.
    """

    def __init__(
        self,
        options: PlayOptions,
        *,
        open_world: OpenWorld = open_world,
        auto_restart: bool = False,
        episodes: int | None = None,
        episode_ticks: int | None = None,
    ) -> None:
        self._options = options
        self._auto_restart = auto_restart
        self._episodes, self._episode_ticks = episodes, episode_ticks
        self._serial = self._ticks = self._ended = self._steps_due = self._scrubbed = 0
        self._scrub_back: int | None = None
        self._sampled_at: float | None = None
        self._message: Message | None = None
        self.begun = 1
        self.failure: WorldSimError | None = None
        self.paused = False
        self.autopilot = Autopilot(options.policy, options.seed or 0)
        self.tape = Tape(Path(options.record or DEFAULT_FOLDER), policy=self.autopilot.name, fps=options.fps)
        self.stage = Stage(options, open_world)
        try:
            if options.image is not None:
                self.stage.start_from_image(options.image)
            if options.side_by_side:
                self.stage.toggle_side_by_side()
            if options.record is not None:
                self.tape.start()
        except BaseException:
            self.close()
            raise

    @property
    def world(self) -> World:
        """The world that the keys move."""
        return self.stage.world

    @property
    def finished(self) -> bool:
        """Whether the ticks or episodes that were asked for are done."""
        enough = self._options.ticks is not None and self._ticks >= self._options.ticks
        return enough or (self._episodes is not None and self._ended >= self._episodes)

    def tick(self, sample: Callable[[], Action]) -> None:
        """Live one tick with the newest input; a pause or a rewind uses it up and stays where it is."""
        action, sampled_at = sample(), time.perf_counter()
        if self._scrub_back is not None:
            reach = self.world.moment.tick - self.world.history.oldest.tick
            self._scrub_back = min(self._scrub_back + SCRUB_SPEED, reach)
            self._scrubbed += 1
            self._serial += 1
        elif (not self.paused or self._steps_due) and not self.finished:
            self._steps_due = max(0, self._steps_due - 1)
            self._live(self.autopilot.act(self.world.moment.info.get("state", {}), action), sampled_at)

    def pause(self, paused: bool = True) -> None:
        """Stop time, or let it run."""
        self.paused = paused
        self._serial += 1

    def toggle_pause(self) -> None:
        """Stop time if it runs, and the other way round."""
        self.pause(not self.paused)

    def single_step(self) -> None:
        """Pause, and live one tick at the next `tick`."""
        self.pause()
        self._steps_due += 1

    def rewind(self, seconds: float = REWIND_SECONDS) -> None:
        """Go back in time, exactly, as far as the history reaches."""
        self._go_back(round(seconds * self._options.fps))

    def scrub_begin(self) -> None:
        """Begin to run back in time; every `tick` goes further until `scrub_end`."""
        if self._scrub_back is None and self.world.can_rewind:
            self._scrub_back = self._scrubbed = 0
            self._serial += 1

    def scrub_end(self) -> None:
        """Go on from the moment that running back has reached; after a tap, from ten seconds ago."""
        if self._scrub_back is not None:
            back, self._scrub_back = self._scrub_back, None
            self._go_back(back if self._scrubbed > TAP_TICKS else REWIND_SECONDS * self._options.fps)

    def restart(self, *, by: int = 1) -> None:
        """Begin a new episode from the next seed, or from the one `by` further."""

        def reset() -> None:
            seed = (self.stage.seed + by) % 2**64
            self._ended += any(w.moment.tick and not w.moment.ended for w in self.stage.shown)
            self.stage.reset(seed)
            self.autopilot.reset(seed)
            self.begun += 1

        self._attempt(reset, cut=True)

    def restart_from_image(self, path: str | Path) -> None:
        """Start the learned world from a picture; a bad one is reported and the world goes on."""
        self._attempt(lambda: self.stage.start_from_image(path), f"started from {Path(path).name}", cut=True)

    def switch(self) -> None:
        """Move between dream and game."""
        self._attempt(self.stage.switch)

    def toggle_side_by_side(self) -> None:
        """Show dream and game together, the dream going on from the game's last frames."""
        self._attempt(self.stage.toggle_side_by_side, cut=True)

    def toggle_autopilot(self) -> None:
        """Let a policy play, or take over."""
        self.autopilot.toggle()
        self.say("a policy plays; M takes over" if self.autopilot.on else "you play")

    def toggle_recording(self) -> None:
        """Record the world in hand from now on, or commit what has been recorded."""
        if self.tape.recording:
            self._attempt(self.tape.finish, f"recorded {self.tape.frames} frames into {self.tape.folder}")
        else:
            self._attempt(self.tape.start)

    def say(self, text: str, *, urgent: bool = False) -> None:
        """Show the player one line."""
        self._message = Message(text, time.perf_counter(), urgent)
        self._serial += 1

    def view(self) -> View:
        """What there is to see now."""
        failure = self.tape.failure()
        if failure is not None:
            self._fail(failure)
        return View(
            panes=self.stage.panes(self._scrub_back or 0),
            serial=self._serial,
            sampled_at=self._sampled_at,
            active=self.stage.shown.index(self.world),
            paused=self.paused,
            rewinding=self._scrub_back is not None,
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
            self.stage.close()

    def _live(self, action: Action, sampled_at: float) -> None:
        worlds = self.stage.shown
        try:
            for world in worlds:
                if world.moment.ended is None:
                    self._step(world, action)
        except WorldSimError as error:
            self._fail(error)
            self.pause()
            return
        self._ticks += 1
        self._sampled_at = sampled_at
        self._serial += 1
        ended = all(world.moment.ended for world in worlds)
        self._ended += ended
        full = self._episode_ticks is not None and self.world.moment.tick >= self._episode_ticks
        if (full or (ended and (self._auto_restart or self.autopilot.on))) and not self.finished:
            self.restart()

    def _step(self, world: World, action: Action) -> None:
        if world is not self.world:
            world.step(action)
            return
        self.tape.begin(world)
        self.tape.add(world, world.step(action))

    def _go_back(self, ticks: int) -> None:
        def back() -> None:
            if not self.world.can_rewind:
                raise UsageError(f"{self.world.title}: can't be rewound")
            for world in self.stage.shown:
                world.rewind_to(world.moment.tick - ticks)

        self._sampled_at = None
        self._attempt(back, cut=True)

    def _attempt(self, deed: Callable[[], None], said: str | None = None, *, cut: bool = False) -> None:
        """Do something that may fail for a reason outside: then say why, and leave things be."""
        self._message = None
        self._serial += 1
        try:
            deed()
        except WorldSimError as error:
            self.say(str(error), urgent=True)
            return
        if cut:
            self.tape.cut()
        if said is not None:
            self.say(said)

    def _fail(self, error: WorldSimError) -> None:
        self.failure = error
        self.say(str(error), urgent=True)
