"""The pygame window: turns events into input and commands, and draws the newest view."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from worldsim.errors import WorldSimError
from worldsim.play.clock import Meter, Rate
from worldsim.play.display import first_size, open_display, save_screenshot
from worldsim.play.hud import Figures, Hud, message_seconds
from worldsim.play.inputs import Inputs
from worldsim.play.keymap import ACTION_KEYS, COMMAND_KEYS, MOUSE_BUTTONS, SESSION_COMMANDS, TURN_KEYS
from worldsim.play.layout import arrange
from worldsim.play.options import PlayOptions
from worldsim.play.view import Message, View, tinted
from worldsim.play.worker import Worker

if TYPE_CHECKING:
    import pygame

DEGREES_PER_PIXEL = 0.15
POLL_RATE = 120
HINT_SECONDS = 12.0


class Window:
    """A resizable window over a `Worker`; `run` returns when the player quits.

    Raises:
        DisplayError: there is no display to open it on.
    """

    def __init__(self, options: PlayOptions, inputs: Inputs) -> None:
        self._options = options
        self._inputs = inputs
        self._hud = Hud()
        self._latency = Meter()
        self._rate = Rate()
        self._shown = -1
        self._sampled_at: float | None = None
        self._dirty = True
        self._busy = False
        self._quitting = self._escaped = False
        self._notice: Message | None = None
        self._opened_at = time.perf_counter()
        self.mouse_held = False
        self.show_help = False
        self.show_figures = options.figures
        self.smooth, self.show_guesses = options.smooth, False
        self._fullscreen = options.fullscreen
        self._screen = open_display(first_size(options), fullscreen=options.fullscreen)

    def run(self, worker: Worker) -> None:
        """Show what the worker lives until the player quits, the worker ends, or its work is done."""
        import pygame

        clock, awaited = pygame.time.Clock(), True
        while not self._quitting and worker.alive:
            for event in pygame.event.get():
                self._handle(event, worker)
            view = worker.view
            if view is None:
                self._wait_for_world()
            else:
                if awaited:
                    awaited, self._shown, self._opened_at = False, -1, time.perf_counter()
                if worker.busy != self._busy:
                    self._busy, self._dirty = worker.busy, True
                self._show(view)
                self._quitting = self._quitting or view.finished
            clock.tick(POLL_RATE)

    def close(self) -> None:
        """Give the mouse and the display back."""
        import pygame

        pygame.quit()

    def _wait_for_world(self) -> None:
        """Say that the world is being loaded; drawn seldom, because loading needs the processor."""
        import pygame

        seconds = int(time.perf_counter() - self._opened_at)
        if self._dirty or seconds != self._shown:
            text = "waking the world" + (f" · {seconds} s" if seconds >= 2 else "")
            self._hud.waiting(self._screen, text)
            pygame.display.flip()
            self._shown, self._dirty = seconds, False

    def _show(self, view: View) -> None:
        """Draw if anything is new, and measure how long the input behind a new frame took."""
        import pygame

        if view.serial == self._shown and not self._dirty and not self._fading(view):
            return
        fresh = view.serial != self._shown and view.sampled_at not in (None, self._sampled_at)
        if fresh:
            self._rate.add()
        self._draw(view)
        pygame.display.flip()
        if fresh and view.sampled_at is not None:
            self._latency.add(time.perf_counter() - view.sampled_at)
            self._sampled_at = view.sampled_at
            if view.panes[0].slot is not None:
                self._inputs.set_slot(view.panes[0].slot)
        self._shown, self._dirty = view.serial, False

    def _draw(self, view: View) -> None:
        import pygame

        self._screen.fill((10, 12, 15))
        sizes = [(pane.frame.shape[1], pane.frame.shape[0]) for pane in view.panes]
        boxes = arrange(sizes, self._screen.get_size(), whole=not self.smooth)
        scale = pygame.transform.smoothscale if self.smooth else pygame.transform.scale
        for pane, box in zip(view.panes, boxes):
            height, width = pane.frame.shape[:2]
            frame = tinted(pane) if self.show_guesses else pane.frame
            picture = pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
            self._screen.blit(
                scale(picture.convert(self._screen), (box.width, box.height)), (box.left, box.top)
            )
        newest = max((m for m in (view.message, self._notice) if m), key=lambda m: m.at, default=None)
        self._hud.draw(self._screen, _with_message(view, newest), boxes, self._figures())

    def _figures(self) -> Figures:
        return Figures(
            frames_per_second=self._rate.per_second(),
            latency_ms=self._latency.percentile_ms(50),
            latency_p95_ms=self._latency.percentile_ms(95),
            target=self._options.fps,
            mouse_held=self.mouse_held,
            busy=self._busy,
            show_figures=self.show_figures,
            show_help=self.show_help,
            show_hint=time.perf_counter() - self._opened_at < HINT_SECONDS,
        )

    def _fading(self, view: View) -> bool:
        """Whether a message or the hint has just come to its end and has to be wiped away."""
        now = time.perf_counter()
        ends = [m.at + message_seconds(m) for m in (view.message, self._notice) if m]
        return any(0 <= now - end < 0.1 for end in [*ends, self._opened_at + HINT_SECONDS])

    def _handle(self, event: pygame.event.Event, worker: Worker) -> None:
        import pygame

        if event.type == pygame.QUIT:
            self._quitting = True
        elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
            self._key(pygame.key.name(event.key), event.type == pygame.KEYDOWN, event.mod, worker)
        elif event.type == pygame.MOUSEMOTION and self.mouse_held:
            step = DEGREES_PER_PIXEL * self._options.sensitivity
            self._inputs.turn(event.rel[1] * step, event.rel[0] * step)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button in MOUSE_BUTTONS:
            if self.mouse_held:
                self._inputs.press(MOUSE_BUTTONS[event.button])
            else:
                self._hold_mouse(worker)
        elif event.type == pygame.MOUSEBUTTONUP and event.button in MOUSE_BUTTONS:
            self._inputs.release(MOUSE_BUTTONS[event.button])
        elif event.type == pygame.MOUSEWHEEL:
            self._inputs.wheel(-event.y)
        elif event.type == pygame.DROPFILE:
            path = str(event.file)
            worker.post(lambda session: session.restart_from_image(path))
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._inputs.release_all()
            self._free_mouse()
        elif event.type in (pygame.WINDOWSIZECHANGED, pygame.WINDOWEXPOSED):
            self._screen = pygame.display.get_surface() or self._screen
            self._dirty = True

    def _key(self, name: str, down: bool, modifiers: int, worker: Worker) -> None:
        import pygame

        if worker.view is None and name != "escape":
            return  # there is nothing yet that a key could mean
        if name in ACTION_KEYS:
            (self._inputs.press if down else self._inputs.release)(ACTION_KEYS[name])
        elif name in TURN_KEYS:
            self._inputs.arrow(TURN_KEYS[name], down)
        elif name in COMMAND_KEYS and not modifiers & (pygame.KMOD_ALT | pygame.KMOD_META):
            command = COMMAND_KEYS[name]
            if command == "scrub":
                worker.post(lambda session: session.scrub_begin() if down else session.scrub_end())
            elif down:
                self._command(command, bool(modifiers & pygame.KMOD_SHIFT), worker)

    def _command(self, command: str, shift: bool, worker: Worker) -> None:
        self._dirty = True
        self._escaped = self._escaped and command == "escape"
        if command == "escape":
            self._escape(worker)
        elif command == "help":
            self.show_help = not self.show_help
        elif command == "figures":
            self.show_figures = not self.show_figures
        elif command == "smooth":
            self.smooth = not self.smooth
        elif command == "guesses":
            self.show_guesses = not self.show_guesses
        elif command == "fullscreen":
            self._fullscreen = not self._fullscreen
            self._screen = open_display(first_size(self._options), fullscreen=self._fullscreen)
        elif command == "screenshot":
            self._screenshot()
        elif command == "restart":
            worker.post(lambda session: session.restart(by=-1 if shift else 1))
        else:
            name = SESSION_COMMANDS[command]
            worker.post(lambda session: getattr(session, name)())

    def _escape(self, worker: Worker) -> None:
        """First free the mouse and pause; then quit, even if the world is too busy to have paused."""
        paused = worker.view is None or worker.view.paused
        if self.show_help:
            self.show_help = False
        elif self._escaped or (paused and not self.mouse_held):
            self._quitting = True
        else:
            self._escaped = True
            self._free_mouse()
            worker.post(lambda session: session.pause())

    def _hold_mouse(self, worker: Worker) -> None:
        """Take the mouse for looking around; a click on a paused world also goes on."""
        import pygame

        self.mouse_held, self._dirty, self._escaped = True, True, False
        pygame.mouse.set_visible(False)
        pygame.event.set_grab(True)
        pygame.mouse.get_rel()
        worker.post(lambda session: session.pause(False))

    def _free_mouse(self) -> None:
        import pygame

        if self.mouse_held:
            pygame.event.set_grab(False)
            pygame.mouse.set_visible(True)
        self.mouse_held, self._dirty = False, True

    def _screenshot(self) -> None:
        try:
            saved = save_screenshot(self._screen)
        except WorldSimError as error:
            self._notice = Message(str(error), time.perf_counter(), urgent=True)
        else:
            self._notice = Message(f"saved {saved.as_posix()}", time.perf_counter())


def _with_message(view: View, message: Message | None) -> View:
    return dataclasses.replace(view, message=message)
