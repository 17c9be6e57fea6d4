"""One evaluation episode: a game world and what is pressed in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE

Actions = NDArray[np.float32]
"""float32 [N, 25] in the order of `worldsim.actions.VECTOR_NAMES`."""

SPOILS = ("noise", "black", "inverted", "")
"""What the frames that the dream begins from may be replaced with."""


def no_actions() -> Actions:
    """An empty sequence, float32 [0, 25]."""
    return np.zeros((0, ACTION_SIZE), np.float32)


@dataclass(frozen=True, eq=False)
class Scenario:
    """One evaluation episode: a game world and what is pressed in it.

    Frame 0 is what the game shows after `lead`; then N actions make N + 1 frames.
    """

    seed: int
    """Game world and key of the dream's noise; evaluation seeds are below 1,000, training's above 1,000,000."""
    actions: Actions
    """`[N, 25]`; action t leads from frame t to frame t + 1."""
    context: int
    """The first `context` frames are given to the dream; it dreams frames `context` to N."""
    group: str = ""
    """What kind of episode it is, such as "turn" or "place": chosen by the metric that asks for it."""
    pair: int = -1
    """Scenarios with the same number, 0 or more, belong together (counterfactuals, edit and no edit)."""
    marks: dict[str, int] = field(default_factory=dict)
    """Frames that a metric looks at, by name."""
    lead: Actions = field(default_factory=no_actions)
    """`[K, 25]` played before frame 0, never drawn: how the player got to where the episode begins."""
    pressed: Actions | None = None
    """`[N, 25]` what the dream is told in place of `actions` (anchors: wrong actions); None for the truth."""
    spoil: str = ""
    """What the dream is shown in place of the context frames, one of `SPOILS`; "" for the truth."""

    @property
    def dreamt(self) -> int:
        """How many frames are dreamt."""
        return len(self.actions) + 1 - self.context

    @property
    def told(self) -> Actions:
        """`[N, 25]` what the dream is told."""
        return self.actions if self.pressed is None else self.pressed
