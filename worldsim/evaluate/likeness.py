"""One dreamt episode against its twin, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate import pixels
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.twin import overlay


@dataclass(frozen=True, eq=False)
class Likeness:
    """Errors of n dreamt frames and of their anchors."""

    rollout: Rollout
    dream: NDArray[np.float64]
    """`[n]` mean squared error."""
    copy: NDArray[np.float64]
    """`[n]` that of the last given frame."""
    coded: NDArray[np.float64]
    """`[n]` that of the game through the world's tokenizer; nan where it loses nothing."""
    distance: NDArray[np.float64]
    """`[n]` blocks between the eye and where the dream believes it; nan where it believes nothing."""
    moved: NDArray[np.bool_]
    """`[n]` whether the eye has moved or turned since the last given frame."""
    hidden: NDArray[np.bool_]
    """`[H, W]` where the HUD may be."""

    @classmethod
    def of(cls, r: Rollout) -> Likeness:
        """Compare a rollout."""
        context, pose, truth = r.twin.scenario.context, r.twin.pose, r.truth
        away = np.abs(pose[context:] - pose[context - 1])
        unknown = np.full(len(truth), nan)
        gap = unknown if r.pose is None else np.linalg.norm(r.pose[:, :3] - pose[context:, :3], axis=1)
        return cls(
            r,
            pixels.squared_error(r.frames, truth),
            pixels.squared_error(np.broadcast_to(r.twin.frames[context - 1], truth.shape), truth),
            unknown if r.coded is None else pixels.squared_error(r.coded, truth),
            np.asarray(gap, np.float64),
            (np.linalg.norm(away[:, :3], axis=1) > 0.05) | (away[:, 3:].max(1) > 1.0),
            overlay(truth.shape[2], truth.shape[1]),
        )

    def __len__(self) -> int:
        return len(self.dream)

    def at(self, part: str, h: int) -> float:
        """One of the arrays at horizon `h` (1 is the first dreamt frame), nan beyond the episode."""
        return float(getattr(self, part)[h - 1]) if h <= len(self) else nan

    def pair(self, h: int) -> tuple[pixels.Frames, pixels.Frames]:
        """Dream and game at horizon `h`, `[1, H, W, 3]` each."""
        return self.rollout.frames[h - 1 : h], self.rollout.truth[h - 1 : h]
