"""`worldsim train hands`: teaches a world when blocks break and are placed, and how they look.

A game is played for that alone, by a player who does little else. The rest of the world stays as it is. The
folder gets a copy of the world with the hands' weights in it; what they reached in game worlds that nobody
learns from is printed and kept in hands.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.hands import Hands, HandsConfig

from .hand_lessons import Lesson, play
from .lesson_pool import Pool
from .parts import Course, PartOptions, fit, give

_RATE, _BATCH, _PART, _POOL = 1.5e-3, 64, 16, 16_000


@dataclass(frozen=True)
class TrainOptions(PartOptions):
    """Which world gets hands, from what game, and where the result goes."""

    out: str = "runs/hands"
    """Folder of the world with hands."""
    width: int = 192
    """Units of the hidden layers of new hands."""


@dataclass(frozen=True)
class Losses:
    """Mean losses of a batch."""

    act: Tensor
    needed: Tensor
    colour: Tensor
    solid: Tensor

    @property
    def total(self) -> Tensor:
        """Their weighted sum."""
        return self.act + self.needed + 2 * self.colour + 0.3 * self.solid


def losses(hands: Hands, lesson: Lesson, weight: Tensor | None = None) -> Losses:
    """What hands get wrong: when things happen, and how the edited cell looks.

    Args:
        weight: `[B]` of ticks, for when things happen; 1 if missing.
    """
    seen = hands.see(lesson.grasp())
    says, needed = hands.time(seen)
    act = F.binary_cross_entropy_with_logits(says, lesson.happened, reduction="none")
    counts = lesson.pressed if weight is None else lesson.pressed * (weight * lesson.stands_for)[:, None]
    act = (act * counts).sum() / counts.sum().clamp(min=1)
    known = lesson.needed.isfinite()
    zero = act.new_zeros(())
    slow = (
        F.smooth_l1_loss(needed[known].log(), lesson.needed[known].log(), beta=0.1) if known.any() else zero
    )
    colour, solid = [], []
    for kind in (0, 1):
        rows = (lesson.happened[:, kind] > 0).nonzero()[:, 0]
        if len(rows):
            off, wrong = _looks(hands, seen[rows], lesson, rows, placed=bool(kind))
            colour.append(off)
            if not kind:
                solid.append(wrong)
    return Losses(act, slow, torch.stack(colour or [zero]).mean(), torch.stack(solid or [zero]).mean())


def _looks(
    hands: Hands, seen: Tensor, lesson: Lesson, rows: Tensor, *, placed: bool
) -> tuple[Tensor, Tensor]:
    skin = hands.skin(seen, placed=placed)
    face = lesson.face[rows].long()
    told = (face >= 0).float()
    face, there = face.clamp(min=0), lesson.there[rows]
    off = (skin.paint(face, lesson.place[rows]) - (lesson.colour[rows].float() / 127.5 - 1)).abs().mean(2)
    shown = told * there
    chance = skin.solid.gather(1, face).clamp(1e-4, 1 - 1e-4)
    wrong = F.binary_cross_entropy(chance, there, reduction="none")
    return (off * shown).sum() / shown.sum().clamp(min=1), (wrong * told).sum() / told.sum().clamp(min=1)


def teach(
    hands: Hands,
    batches: Iterator[Lesson],
    *,
    minutes: float = math.inf,
    steps: int | None = None,
    seed: int = 0,
) -> int:
    """Train until the time or the steps are over; returns the steps."""
    pool, generator = Pool[Lesson](_POOL), torch.Generator().manual_seed(seed)

    def take(batch: Lesson) -> bool:
        pool.add(batch, batch.happened.any(1))
        return True

    def loss() -> Tensor:
        return losses(hands, *pool.draw(_BATCH, generator)).total

    return fit(
        hands, batches, take, loss, name="hands", rate=_RATE, weight_decay=0.01, minutes=minutes, steps=steps, reuse=2
    )  # fmt: skip


@torch.no_grad()
def examine(hands: Hands, lesson: Lesson) -> dict[str, float]:
    """What hands reach on lessons they have not seen; grey levels for colours."""
    seen = hands.see(lesson.grasp())
    _, needed = hands.time(seen)
    says, pressed = hands.decide(seen), lesson.pressed > 0
    known = lesson.needed.isfinite()
    off = (needed[known] - lesson.needed[known]).abs()
    found: dict[str, float] = {"ticks": len(seen), "needed_off_by_two": float((off > 2.5).float().mean())}
    for kind, name in enumerate(("broke", "placed")):
        true, said = lesson.happened[:, kind] > 0, says[:, kind] & pressed[:, kind]
        right, ticks = (said & true).sum(), lesson.stands_for
        found[f"{name}_ticks"] = int(true.sum())
        found[f"{name}_recall"] = float(right / true.sum().clamp(min=1))
        found[f"{name}_precision"] = float(right / (said * ticks).sum().clamp(min=1))
        rows = true.nonzero()[:, 0]
        if len(rows):
            off, _ = _looks(hands, seen[rows], lesson, rows, placed=bool(kind))
            found[f"{name}_colour"] = float(off * 127.5)
            plain = _plain(lesson, rows)
            found[f"{name}_colour_of_mean"] = float(plain * 127.5)
    return {name: round(value, 3) for name, value in found.items()}


def _plain(lesson: Lesson, rows: Tensor) -> Tensor:
    """The error of painting each cell in the mean colour of what is shown around the crosshair."""
    shown = ((lesson.face[rows] >= 0).float() * lesson.there[rows])[..., None]
    colour = lesson.colour[rows].float() / 127.5 - 1
    mean = (lesson.crop[rows].float() / 127.5 - 1).mean((2, 3))[:, None]
    return ((colour - mean).abs() * shown).sum() / shown.sum().clamp(min=1) / 3


COURSE = Course(
    name="hands", play=play, batch=_PART, teach=teach, examine=examine, exam_seed=2**40,
    make=lambda width, _: Hands(HandsConfig(width=width)),
)  # fmt: skip


def main(options: TrainOptions) -> Path:
    """Teach, examine and write; returns the folder. Raises as `parts.give` does."""
    return give(options, COURSE)
