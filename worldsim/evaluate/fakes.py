"""Dreamers whose faults are known: a metric that does not tell them apart is broken.

They know the twin and spoil it on purpose. Tests run every metric on them before it is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.dreamer import Drawn
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.twin import Twin, play

GREY = np.array((0.299, 0.587, 0.114), np.float32)


class Oracle:
    """Shows the twin's own frames; told other actions, it plays those.

    Args:
        honest: say the true error as uncertainty, else a constant.
    """

    name = "oracle"

    def __init__(self, size: tuple[int, int] = (96, 160), *, honest: bool = True) -> None:
        self.size, self.honest = size, honest
        self.twins: list[Twin] = []
        self.played: list[Twin] = []
        """What the game shows under the actions that the dream is told."""
        self.told: list[NDArray[np.float32]] = []
        self._drawn = 0

    def begin(self, twins: Sequence[Twin]) -> None:
        """Begin beside the twins."""
        self.twins, self.played, self._drawn = list(twins), [_told(twin) for twin in twins], 0
        self.told = [twin.signals for twin in self.played]

    def step(self, actions: NDArray[np.float32]) -> Drawn:
        """The next frames."""
        times = [twin.scenario.context + self._drawn for twin in self.twins]
        frames = np.stack([self.frame(i, t) for i, t in enumerate(times)])
        pose = np.stack([self.pose(i, t) for i, t in enumerate(times)])
        errors = [_error(f, twin.frames[t]) for f, twin, t in zip(frames, self.twins, times)]
        doubt = np.array(errors if self.honest else [1.0] * len(errors), np.float32)
        self._drawn += 1
        return Drawn(frames, pose, doubt, signals=np.stack([self.signals(i, t) for i, t in enumerate(times)]))

    def frame(self, i: int, t: int) -> NDArray[np.uint8]:
        """Frame t of dream i, uint8 [H, W, 3]."""
        return self.played[i].frames[t]

    def pose(self, i: int, t: int) -> NDArray[np.float32]:
        """Where dream i believes the eye to be at frame t, [5]."""
        return self.played[i].pose[t]

    def signals(self, i: int, t: int) -> NDArray[np.float32]:
        """What dream i believes of its player at frame t, [S]."""
        return self.told[i][t]


class Frozen(Oracle):
    """Repeats the last frame that it was given, whatever is pressed."""

    name = "frozen"

    def frame(self, i: int, t: int) -> NDArray[np.uint8]:
        return self.twins[i].shown[-1]

    def pose(self, i: int, t: int) -> NDArray[np.float32]:
        return self.twins[i].pose[self.twins[i].scenario.context - 1]

    def signals(self, i: int, t: int) -> NDArray[np.float32]:
        return self.told[i][self.twins[i].scenario.context - 1]


class Amnesiac(Oracle):
    """Obeys and moves well, but after every turn of more than `degrees` it goes on in another world.

    The turn counts from where it began, or where it last forgot.
    """

    name = "amnesiac"
    worlds = 3
    """How many other worlds there are to forget into, one after the other."""

    def __init__(
        self, size: tuple[int, int] = (96, 160), *, honest: bool = True, degrees: float = 60.0
    ) -> None:
        super().__init__(size, honest=honest)
        self.degrees = degrees
        self._others: dict[tuple[int, int], Twin] = {}
        self._lapses: list[NDArray[np.int64]] = []

    def begin(self, twins: Sequence[Twin]) -> None:
        super().begin(twins)
        self._others = {}
        self._lapses = [lapses(twin, self.degrees) for twin in self.played]

    def frame(self, i: int, t: int) -> NDArray[np.uint8]:
        lapse = int(self._lapses[i][t])
        if lapse == 0:
            return self.played[i].frames[t]
        key = (i, (lapse - 1) % self.worlds)
        if key not in self._others:
            twin = self.played[i]
            seed = 500 + (twin.scenario.seed + 137 * (key[1] + 1)) % 500
            self._others[key] = _play(twin, replace(twin.scenario, seed=seed))
        return self._others[key].frames[t]


class ColourDrifter(Oracle):
    """The twin with colours that grow `rate` stronger every frame."""

    name = "colour drifter"

    def __init__(
        self, size: tuple[int, int] = (96, 160), *, honest: bool = True, rate: float = 0.001
    ) -> None:
        super().__init__(size, honest=honest)
        self.rate = rate

    def frame(self, i: int, t: int) -> NDArray[np.uint8]:
        frame = self.played[i].frames[t].astype(np.float32)
        grey = (frame @ GREY)[..., None]
        strength = 1 + self.rate * (t + 1 - self.twins[i].scenario.context)
        drifted = grey + (frame - grey) * strength
        return np.asarray(np.clip(np.rint(drifted), 0, 255), np.uint8)


FAKES: dict[str, type[Oracle]] = {
    "oracle": Oracle, "frozen": Frozen, "amnesiac": Amnesiac, "drifter": ColourDrifter,
}  # fmt: skip


def lapses(twin: Twin, degrees: float) -> NDArray[np.int64]:
    """`[N + 1]` how often a player that forgets after a turn of `degrees` has forgotten by each frame."""
    yaw, first = twin.pose[:, 3], twin.scenario.context - 1
    counts, since = np.zeros(len(yaw), np.int64), yaw[first]
    for t in range(first + 1, len(yaw)):
        forgets = abs(float(yaw[t] - since)) > degrees
        counts[t] = counts[t - 1] + forgets
        since = yaw[t] if forgets else since
    return counts


def _told(twin: Twin) -> Twin:
    if twin.scenario.pressed is None:
        return twin
    first = twin.scenario.context - 1
    actions = np.concatenate([twin.scenario.actions[:first], twin.scenario.pressed[first:]])
    return _play(twin, replace(twin.scenario, actions=actions, pressed=None))


def _play(twin: Twin, scenario: Scenario) -> Twin:
    height, width = twin.frames.shape[1:3]
    return play(scenario, width=width, height=height)


def _error(frame: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    return float(np.abs(frame.astype(np.float32) - truth).mean())
