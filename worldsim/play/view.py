"""What a session shows at one instant: plain values, safe to hand from thread to thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pane:
    """One world's picture and what to write on it."""

    frame: NDArray[np.uint8]
    """uint8 [H, W, 3]."""
    title: str
    """`dream` or `game`."""
    generated: bool
    """Whether a model made the frame."""
    origin: str
    """What the episode began with: its seed, a picture, the game."""
    tick: int
    """Ticks since the episode began."""
    uncertainty: float | None = None
    """The world's own figure of how much it is guessing, if it gives one."""
    invented: NDArray[np.uint8] | None = None
    """uint8 [H, W], 255 where nothing told the model what to show, if the world tells."""
    slot: int | None = None
    """Chosen slot of the hotbar, 0 to 8, if the world tells."""
    caption: str = ""
    """One line about what is to be seen, if the world tells."""
    ended: str | None = None
    """Why the episode is over, or None while it goes on."""


@dataclass(frozen=True)
class Message:
    """A line for the player; `urgent` ones are drawn as warnings."""

    text: str
    at: float
    """time.perf_counter() when it was said."""
    urgent: bool = False


@dataclass(frozen=True)
class View:
    """Everything the window draws that comes from the session."""

    panes: tuple[Pane, ...]
    serial: int
    """Grows whenever anything here changes."""
    sampled_at: float | None = None
    """When the input behind this frame was sampled (time.perf_counter()); None for no new frame."""
    active: int = 0
    """Which pane the keys, the recording and a policy belong to."""
    paused: bool = False
    rewinding: bool = False
    autopilot: bool = False
    recorded: int | None = None
    """Frames recorded since recording began; None while not recording."""
    message: Message | None = None
    finished: bool = False
    """Whether the session has run all the ticks or episodes it was asked for."""


TINT = (255, 96, 200)
"""What is guessed is shown in this colour, which the game does not have."""


def tinted(pane: Pane) -> NDArray[np.uint8]:
    """The pane's frame, half in `TINT` where it is invented; as it is if the world does not tell."""
    if pane.invented is None:
        return pane.frame
    share = pane.invented[..., None] / np.float32(510)
    mixed: NDArray[np.uint8] = (pane.frame * (1 - share) + np.array(TINT, np.float32) * share).astype(
        np.uint8
    )
    return mixed
