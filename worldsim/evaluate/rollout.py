"""Dreams rolled along their twins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.dreamer import Drawn, Dreamer
from worldsim.evaluate.twin import Twin

A = TypeVar("A")
ALONE = "alone"
Progress = Callable[[int], None]
"""Told how many frames have been dreamt since it was last told."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """A dream beside its twin; dreamt frame i is the twin's frame `context + i`."""

    twin: Twin
    frames: NDArray[np.uint8]
    """`[n, H, W, 3]`, n = N + 1 - context."""
    pose: NDArray[np.float32] | None = None
    """`[n, 5]` where the dream believes the eye to be."""
    uncertainty: NDArray[np.float32] | None = None
    """`[n]` expected error in grey levels."""
    seconds: float = 0.0
    """Mean time of a frame, of the whole batch divided by its size."""
    times: NDArray[np.float64] | None = None
    """`[n]` seconds that each step of the whole batch took."""
    start: float = 0.0
    """Seconds that the whole batch took to begin."""
    coded: NDArray[np.uint8] | None = None
    """`[n, H, W, 3]` the twin's frames through the world's tokenizer; None where it loses nothing."""
    depth: NDArray[np.float16] | None = None
    """`[n, h, w]` blocks along the view axis as the dream believes them."""
    signals: NDArray[np.float32] | None = None
    """`[n, S]` what the dream believes of its player, see `worldsim.signals`; nan where it tells nothing."""

    @property
    def truth(self) -> NDArray[np.uint8]:
        """`[n, H, W, 3]` the twin's frames at the same times."""
        return self.twin.frames[self.twin.scenario.context :]

    def cut(self, twin: Twin) -> Rollout:
        """The beginning of this dream, beside the twin of a shorter scenario."""
        n = twin.scenario.dreamt

        def first(array: A | None) -> A | None:
            return None if array is None else array[:n]  # type: ignore[index, no-any-return]

        return replace(
            self,
            twin=twin,
            frames=self.frames[:n],
            pose=first(self.pose),
            uncertainty=first(self.uncertainty),
            times=first(self.times),
            coded=first(self.coded),
            depth=first(self.depth),
            signals=first(self.signals),
        )

    def pictures_only(self) -> Rollout:
        """The same without depth and blocks, which are more than a third of it; their arrays are empty."""
        twin = self.twin
        depth, blocks = twin.depth[:0].copy(), twin.blocks[:0].copy()  # a view would keep the whole
        return replace(self, twin=replace(twin, depth=depth, blocks=blocks), depth=None)


def roll(
    dreamer: Dreamer, twins: Sequence[Twin], *, batch: int = 8, progress: Progress | None = None
) -> list[Rollout]:
    """Dream along each twin from its context on; in the order of `twins`, in batches of equal length.

    Scenarios of the group "alone" are dreamt one at a time, as a player's world is.
    """
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i, twin in enumerate(twins):
        s = twin.scenario
        groups.setdefault((s.context, s.dreamt, i if s.group == ALONE else -1), []).append(i)
    done: dict[int, Rollout] = {}
    for members in groups.values():
        for first in range(0, len(members), batch):
            chosen = members[first : first + batch]
            done |= zip(chosen, _roll(dreamer, [twins[i] for i in chosen], progress))
    return [done[i] for i in range(len(twins))]


def _roll(dreamer: Dreamer, twins: list[Twin], progress: Progress | None) -> list[Rollout]:
    told = np.stack([twin.scenario.told[twin.scenario.context - 1 :] for twin in twins], 1)
    began = time.perf_counter()
    dreamer.begin(twins)
    start = time.perf_counter() - began
    drawn: list[Drawn] = []
    times = np.zeros(len(told))
    for t, actions in enumerate(told):
        began = time.perf_counter()
        drawn.append(dreamer.step(actions))
        times[t] = time.perf_counter() - began
        if progress:
            progress(len(twins))
    frames = np.stack([d.frames for d in drawn], 1)
    pose = [d.pose for d in drawn if d.pose is not None]
    doubt = [d.uncertainty for d in drawn if d.uncertainty is not None]
    depth = [d.depth for d in drawn if d.depth is not None]
    signals = [d.signals for d in drawn if d.signals is not None]
    code = getattr(dreamer, "code", None)
    return [
        Rollout(
            twin,
            frames[i],
            np.stack(pose, 1)[i] if pose else None,
            np.stack(doubt, 1)[i] if doubt else None,
            float(times.mean()) / len(twins),
            times,
            start,
            code(twin.frames[twin.scenario.context :]) if code else None,
            np.stack(depth, 1)[i] if depth else None,
            np.stack(signals, 1)[i] if signals else None,
        )
        for i, twin in enumerate(twins)
    ]
