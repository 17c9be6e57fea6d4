"""The front door of playing: `worldsim play`, and people's rollouts for `worldsim record`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from worldsim.play.headless import run_headless
from worldsim.play.inputs import Inputs
from worldsim.play.options import PlayOptions as PlayOptions
from worldsim.play.session import Session
from worldsim.play.worker import Worker

FREE_RATE = 10_000.0
"""Ticks a second that no world reaches."""


def play(options: PlayOptions) -> None:
    """Play in a window until the player quits, or headless for a number of ticks.

    Raises:
        WorldSimError: one line about what can't be done, e.g. `DisplayError` without a display.
        KeyboardInterrupt: after Ctrl-C, once recordings are committed and the window is closed.
    """
    if options.headless:
        run_headless(options)
    else:
        play_in_window(options)


def play_in_window(options: PlayOptions, *, episodes: int | None = None) -> None:
    """Open the window on the worlds that the options name.

    Args:
        episodes: return after so many episodes, each ended by the world or by the key G.
    """
    show(options, lambda: Session(options, episodes=episodes))


def show(options: PlayOptions, open_session: Callable[[], Session]) -> None:
    """Open the window, live the session in a thread beside it, and close both whatever happens.

    Raises:
        DisplayError: there is no display.
        WorldSimError: the session could not be opened.
    """
    from worldsim.play.window import Window

    inputs = Inputs()
    window = Window(options, inputs)
    worker = Worker(open_session, inputs.take, FREE_RATE if options.free else options.fps)
    try:
        worker.start()
        window.run(worker)
    finally:
        try:
            worker.stop()
        finally:
            window.close()
    if worker.error is not None:
        raise worker.error


def human_rollout(env_id: str, episodes: int, out: str, *, options: PlayOptions | None = None) -> None:
    """Let a person play `episodes` episodes of an env in a window and record them into `out`.

    An episode ends when the world ends it or the player presses G; closing the window ends early,
    with the episode so far committed.

    Args:
        options: everything else, e.g. the seed of the first episode or the learned world.
    """
    chosen = replace(options or PlayOptions(), env=env_id, record=out, headless=False, policy="human")
    play_in_window(chosen, episodes=episodes)
