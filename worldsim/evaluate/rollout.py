"""Dreams rolled along their twins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.dreamer import Drawn, Dreamer
from worldsim.evaluate.twin import Twin

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

    @property
    def truth(self) -> NDArray[np.uint8]:
        """`[n, H, W, 3]` the twin's frames at the same times."""
        return self.twin.frames[self.twin.scenario.context :]

    def cut(self, twin: Twin) -> Rollout:
        """The beginning of this dream, beside the twin of a shorter scenario."""
        n = twin.scenario.dreamt
        pose = None if self.pose is None else self.pose[:n]
        uncertainty = None if self.uncertainty is None else self.uncertainty[:n]
        return replace(self, twin=twin, frames=self.frames[:n], pose=pose, uncertainty=uncertainty)


def roll(
    dreamer: Dreamer, twins: Sequence[Twin], *, batch: int = 8, progress: Progress | None = None
) -> list[Rollout]:
    """Dream along each twin from its context on; in the order of `twins`, in batches of equal length."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, twin in enumerate(twins):
        groups.setdefault((twin.scenario.context, twin.scenario.dreamt), []).append(i)
    done: dict[int, Rollout] = {}
    for members in groups.values():
        for first in range(0, len(members), batch):
            chosen = members[first : first + batch]
            done |= zip(chosen, _roll(dreamer, [twins[i] for i in chosen], progress))
    return [done[i] for i in range(len(twins))]


def _roll(dreamer: Dreamer, twins: list[Twin], progress: Progress | None) -> list[Rollout]:
    told = np.stack([twin.scenario.told[twin.scenario.context - 1 :] for twin in twins], 1)
    dreamer.begin(twins)
    drawn: list[Drawn] = []
    began = time.perf_counter()
    for actions in told:
        drawn.append(dreamer.step(actions))
        if progress:
            progress(len(twins))
    seconds = (time.perf_counter() - began) / max(1, len(told) * len(twins))
    frames = np.stack([d.frames for d in drawn], 1)
    pose = [d.pose for d in drawn if d.pose is not None]
    doubt = [d.uncertainty for d in drawn if d.uncertainty is not None]
    return [
        Rollout(
            twin,
            frames[i],
            np.stack(pose, 1)[i] if pose else None,
            np.stack(doubt, 1)[i] if doubt else None,
            seconds,
        )
        for i, twin in enumerate(twins)
    ]
