"""`worldsim train motion`: teaches a world how far each key leads, on the ground, in the air and along walls.

A game is played for that alone, mostly by a player who steps to all sides: what training on explorers says least
of. The rest of the world stays as it is. The folder gets a copy of the world with the motion head's weights in it;
what they reached in game worlds that nobody learns from is printed and kept in motion.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.motion import MotionConfig, MotionHead, motion_loss
from worldsim.model.world_model import direction, scale_actions

from .lesson_pool import Pool
from .moments import BlurConfig, Moment, blurred, mirrored
from .motion_lessons import happens, play
from .parts import Course, PartOptions, fit, give

_RATE, _BATCH, _PART, _POOL = 7e-4, 512, 64, 300_000
# Moments to begin with, and steps for each part that comes in: playing takes longer than learning.
_ENOUGH, _REUSE = 512, 16


@dataclass(frozen=True)
class TrainOptions(PartOptions):
    """Which world is taught, by what game, and where the result goes."""

    out: str = "runs/motion"
    """Folder of the world with the motion head."""
    width: int = 512
    """Units of the first layer, of a head that begins anew."""
    exam: int = 4000
    """Ticks of unseen worlds that it is examined with."""


def told(head: MotionHead, moment: Moment) -> Tensor:
    """The steps `[B, 3]` that a head expects."""
    actions = scale_actions(moment.actions[:, : head.actions])
    expected: Tensor = head(actions, direction(moment.pitch), moment.past, moment.space.float())
    return expected


def teach(
    head: MotionHead,
    batches: Iterator[Moment],
    *,
    minutes: float = math.inf,
    steps: int | None = None,
    seed: int = 0,
) -> int:
    """Train until the time or the steps are over; returns the steps."""
    pool, generator = Pool[Moment](_POOL), torch.Generator().manual_seed(seed)

    def take(batch: Moment) -> bool:
        pool.add(batch, happens(batch))
        return pool.count >= _ENOUGH

    def loss() -> Tensor:
        drawn, _ = pool.draw(_BATCH, generator)
        drawn = replace(drawn, space=drawn.space.float())
        drawn = mirrored(drawn, torch.rand(_BATCH, generator=generator) < 0.5)
        drawn = blurred(drawn, BlurConfig(), generator)
        return motion_loss(told(head, drawn), drawn.step)

    return fit(
        head, batches, take, loss, name="motion", rate=_RATE, weight_decay=0.01, minutes=minutes, steps=steps,
        reuse=_REUSE,
    )  # fmt: skip


@torch.no_grad()
def examine(head: MotionHead, moment: Moment) -> dict[str, float]:
    """What a head reaches on moments that it has not seen: mean errors in blocks.

    To expect the last step again is what costs nothing.
    """
    off = (told(head, moment) - moment.step).norm(dim=1)
    again = (moment.past[:, 0] - moment.step).norm(dim=1)
    up, level = moment.step[:, 1], moment.step[:, [0, 2]].norm(dim=1)
    kinds = {
        "all": torch.ones_like(up, dtype=torch.bool),
        "level": (up.abs() < 0.01) & (level > 0.05),
        "back": moment.step[:, 2] < -0.05,
        "rising": up > 0.05,
        "falling": up < -0.05,
        "at_rest": (up.abs() < 0.005) & (level < 0.005),
    }
    found: dict[str, float] = {"ticks": len(off)}
    for name, rows in kinds.items():
        if rows.any():
            found[f"{name}_off"], found[f"{name}_last_step_again"] = (
                float(off[rows].mean()),
                float(again[rows].mean()),
            )
    return {name: round(value, 4) for name, value in found.items()}


def _new(width: int, d: DenoiserConfig) -> MotionHead:
    return MotionHead(MotionConfig(width=width), d.action_history)


COURSE = Course(
    name="motion", play=play, batch=_PART, teach=teach, examine=examine, exam_seed=2**41, make=_new
)


def main(options: TrainOptions) -> Path:
    """Teach, examine and write; returns the folder. Raises as `parts.give` does."""
    return give(options, COURSE)
