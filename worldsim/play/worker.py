"""The thread that lives the world, so that drawing never waits for a model."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from worldsim.actions import Action
from worldsim.play.clock import Pacer
from worldsim.play.session import Session
from worldsim.play.view import View

Command = Callable[[Session], None]
MAX_COMMANDS = 32
BUSY_SECONDS = 0.3


class Worker:
    """Runs a session at `rate` ticks a second in a thread of its own.

    The window reads `view` (the newest only), and posts commands. Input is sampled the moment a
    tick begins: a slow world sees the newest input and never a queue of old ones.

    Args:
        open_session: makes the session; called inside the thread, because models load slowly.
        sample: the newest action, see `Inputs.take`.
    """

    def __init__(
        self, open_session: Callable[[], Session], sample: Callable[[], Action], rate: float
    ) -> None:
        self.view: View | None = None
        self.error: BaseException | None = None
        self._busy_since: float | None = None
        self._open = open_session
        self._sample = sample
        self._rate = rate
        self._commands: deque[Command] = deque(maxlen=MAX_COMMANDS)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    def start(self) -> None:
        """Begin to open the session, then to live it."""
        self._thread.start()

    def post(self, command: Command) -> None:
        """Have `command` called with the session, between two ticks."""
        self._commands.append(command)
        self._wake.set()

    @property
    def busy(self) -> bool:
        """Whether a command, and the first tick after it, take longer than a player would not notice."""
        since = self._busy_since
        return since is not None and time.perf_counter() - since > BUSY_SECONDS

    @property
    def alive(self) -> bool:
        """Whether the thread still runs; it ends by `stop` or by an error."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 30.0) -> None:
        """End the thread after the tick it is in, with recordings committed; safe to call twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            session = self._open()
        except BaseException as error:
            self.error = error
            return
        try:
            self._live(session)
        except BaseException as error:
            self.error = error
        finally:
            try:
                session.close()
            except BaseException as error:
                self.error = self.error or error

    def _live(self, session: Session) -> None:
        self.view = session.view()
        pacer = Pacer(self._rate)
        while not self._stopping.is_set():
            self._wake.wait(pacer.remaining())
            self._wake.clear()
            commanded = self._run_commands(session)
            if pacer.remaining() == 0 and not self._stopping.is_set():
                pacer.advance()
                session.tick(self._sample)
                commanded = True
            if commanded:
                self.view = session.view()
            self._busy_since = None

    def _run_commands(self, session: Session) -> bool:
        ran = bool(self._commands)
        while self._commands:
            self._busy_since = time.perf_counter()
            self._commands.popleft()(session)
        return ran
