"""When a dream has come apart: detectors that the game itself does not set off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.residual import residual_motion
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.traits import COLOUR, TRAITS, motion, spread, traits

RUN = 16
"""Frames in a row that a fault has to last."""
TURNING = 0.5
"""Degrees a frame from which the picture has to change, walls or not."""
STRAY = 2.5
"""Sigmas beyond the range that a trait has in the game's episode."""
FAINT = np.log(0.2)
"""Log detail against the game's median in the episode below which a picture is mush."""
JUMP = 25.0
"""Grey levels by which half of the picture changes from one frame to the next in a cut."""
CAUSES = ("broken", "colour", "mush", "frozen", "flicker", "cut")


@dataclass(frozen=True, eq=False)
class Course:
    """One dream's traits and motion over n frames, beside the game's."""

    rollout: Rollout
    dream: NDArray[np.float64]
    """`[n, len(TRAITS)]`."""
    game: NDArray[np.float64]
    """`[n, len(TRAITS)]`."""
    away: NDArray[np.float64]
    """`[n, len(TRAITS)]` dream minus game in sigmas."""
    motion: NDArray[np.float64]
    """`[n]` grey levels."""
    game_motion: NDArray[np.float64]
    """`[n]` grey levels."""
    ends: dict[str, int]
    """First frame of each fault that there is, by cause."""

    @classmethod
    def of(cls, r: Rollout) -> Course:
        """Follow a rollout."""
        before = r.twin.frames[r.twin.scenario.context - 1]
        height, width = r.frames.shape[1:3]
        sigma = spread(width, height)
        dream, game = traits(r.frames), traits(r.truth)
        moved, game_moved = motion(r.frames, before), motion(r.truth, before)
        faults = {
            "broken": np.zeros(len(dream), bool) if r.uncertainty is None else ~np.isfinite(r.uncertainty),
            **_looks(dream, game, sigma),
            **_moves(r, before, moved, game_moved),
        }
        ends = {cause: int(fault.argmax()) for cause, fault in faults.items() if fault.any()}
        return cls(r, dream, game, (dream - game) / sigma, moved, game_moved, ends)

    @property
    def end(self) -> int:
        """The frame at which it came apart; its length if it never did."""
        return min(self.ends.values(), default=len(self.dream))

    @property
    def cause(self) -> str:
        """Why it came apart; "" if it did not."""
        return min(self.ends, key=lambda cause: self.ends[cause], default="")


def _looks(
    dream: NDArray[np.float64], game: NDArray[np.float64], sigma: NDArray[np.float64]
) -> dict[str, NDArray[np.bool_]]:
    """`[n]` by cause: whether a fault of the dream's looks begins at this frame."""
    beyond = np.maximum(dream - game.max(0), game.min(0) - dream) / sigma
    sharp, entropy = TRAITS.index("detail"), TRAITS.index("entropy")
    faint = (dream[:, sharp] < np.median(game[:, sharp]) + FAINT) & (beyond[:, sharp] > 0)
    flat = (beyond[:, entropy] > STRAY) & (dream[:, entropy] < game[:, entropy].min())
    return {
        "colour": _lasting((beyond[:, : len(COLOUR)] > STRAY).any(1)),
        "mush": _lasting(faint | flat),
    }


def _moves(
    r: Rollout, before: NDArray[np.uint8], moved: NDArray[np.float64], game_moved: NDArray[np.float64]
) -> dict[str, NDArray[np.bool_]]:
    """`[n]` by cause: whether a fault of the dream's motion begins at this frame.

    A dream that walks where the game stands, or the other way round, is wrong but alive: to freeze is
    to stay while the camera turns, to flicker is to change without getting anywhere, and to cut is to
    change most of the picture at once, other than by the camera's turn: a quick turn in the sun changes
    more than one in a cave.
    """
    context = r.twin.scenario.context
    turned = np.abs(np.diff(r.twin.pose[context - 1 :, 3:], axis=0)).max(1) > TURNING
    frozen = np.zeros(len(moved), bool)
    turns = np.flatnonzero(turned & (game_moved > 1.0))
    frozen[turns] = _lasting(moved[turns] < 0.05 * game_moved[turns])
    pictures = [before, before, *r.frames]
    two_back = np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(pictures, pictures[2:])])
    seen = r.twin.pose[context - 1 :]
    pose = seen if r.pose is None else np.concatenate([seen[:1], r.pose])
    jump, game_jump = (residual_motion(f, before, p) for f, p in ((r.frames, pose), (r.truth, seen)))
    busy = _mean(jump) > 5 * np.maximum(_mean(game_jump), 1.0)
    around = np.array([game_jump[max(0, t - 3) : t + 4].max() for t in range(len(game_jump))])
    return {
        "frozen": frozen,
        "flicker": busy & (_mean(two_back) < 1.15 * _mean(moved)),
        "cut": (jump > JUMP) & (jump > 5 * np.maximum(around, 1.0)),
    }


def _lasting(fault: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a fault begins that lasts `RUN` frames."""
    begins = np.zeros(len(fault), bool)
    for t in range(len(fault) - RUN + 1):
        begins[t] = fault[t : t + RUN].all()
    return begins


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the `RUN` frames from each one on; 0 where fewer are left."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    means = np.zeros(len(values))
    if len(values) >= RUN:
        means[: len(values) - RUN + 1] = (total[RUN:] - total[:-RUN]) / RUN
    return means
