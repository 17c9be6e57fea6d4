"""`worldsim train hands`: teaches a world when blocks break and are placed, and how they look.

A game is played for that alone, by a player who does little else. The rest of the world stays as it is. The
folder gets a copy of the world with the hands' weights in it; what they reached in game worlds that nobody
learns from is printed and kept in hands.json.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm

from worldsim import registry
from worldsim.atomic import write_file
from worldsim.errors import NumericalError
from worldsim.model.hands import Hands, HandsConfig
from worldsim.sim.world import load_world

from .hand_lessons import Lesson, play, together
from .lesson_pool import Pool
from .parts import check_target, with_part

HANDS_FILE = "hands.json"
_RATE, _BATCH, _PART, _POOL = 1.5e-3, 64, 16, 16_000
_EXAM_SEED = 2**40


@dataclass(frozen=True)
class TrainOptions:
    """Which world gets hands, from what game, and where the result goes."""

    world: str = "voxel"
    """World to teach: a shipped name or a folder; it is not changed. Hands that it has are where training begins."""
    env: str = registry.GAME
    """Game that is played, of the size of the world's frames."""
    minutes: float = 20.0
    """Time of training, besides the exam."""
    steps: int | None = None
    """Optimiser steps, in place of minutes; needed, with --workers 0, for runs that repeat."""
    out: str = "runs/hands"
    """Folder of the world with hands."""
    width: int = 192
    """Units of the hidden layers of new hands."""
    workers: int = 1
    """Processes that play; 0: this one."""
    exam: int = 600
    """Ticks of unseen worlds that it is examined with."""
    seed: int = 0
    """Decides first weights and the worlds that are played in."""


class Lessons(IterableDataset[Lesson]):
    """Lessons without end, for workers that play beside training."""

    def __init__(self, engine: str, seed: int, width: int, height: int) -> None:
        self.engine, self.seed, self.width, self.height = engine, seed, width, height

    def __iter__(self) -> Iterator[Lesson]:
        worker = get_worker_info()
        torch.set_num_threads(1)
        seed = self.seed + (worker.id if worker else 0)
        return play(self.engine, seed, width=self.width, height=self.height)


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
    slow = (
        F.smooth_l1_loss(needed[known].log(), lesson.needed[known].log(), beta=0.1)
        if known.any()
        else 0 * act
    )
    colour, solid = [], []
    for kind in (0, 1):
        rows = (lesson.happened[:, kind] > 0).nonzero()[:, 0]
        if len(rows):
            off, wrong = _looks(hands, seen[rows], lesson, rows, placed=bool(kind))
            colour.append(off)
            if not kind:
                solid.append(wrong)
    zero = act.new_zeros(())
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
    hands: Hands, lessons: Iterator[Lesson], *, minutes: float = math.inf, steps: int | None = None, seed: int = 0,
    reuse: int = 2,
) -> int:  # fmt: skip
    """Train until the time or the steps are over; returns the steps.

    Args:
        lessons: batches, from a `DataLoader`.
        reuse: steps a batch that comes in.
    """
    optimiser = torch.optim.AdamW(
        hands.train().requires_grad_(True).parameters(), lr=_RATE, weight_decay=0.01
    )
    pool, generator = Pool[Lesson](_POOL), torch.Generator().manual_seed(seed)
    average = torch.optim.swa_utils.AveragedModel(
        hands, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    begin, done = time.monotonic(), 0
    with tqdm(desc="hands", unit=" steps", disable=None) as shown:
        for batch in lessons:
            pool.add(batch, batch.happened.any(1))
            for _ in range(reuse):
                share = max((time.monotonic() - begin) / 60 / minutes, done / steps if steps else 0.0)
                if share >= 1:
                    hands.load_state_dict(average.module.state_dict())
                    return done
                for group in optimiser.param_groups:
                    group["lr"] = _RATE * min(1.0, (done + 1) / 100) * min(1.0, 2.5 * (1 - share) + 0.01)
                loss = losses(hands, *pool.draw(_BATCH, generator))
                if not bool(loss.total.isfinite()):
                    raise NumericalError(
                        f"hands: the loss is {float(loss.total.detach())} after {done} steps"
                    )
                optimiser.zero_grad()
                loss.total.backward()
                nn.utils.clip_grad_norm_(hands.parameters(), 1.0)
                optimiser.step()
                average.update_parameters(hands)
                done += 1
            shown.update(reuse)
            if done % 50 < reuse:
                shown.set_postfix(
                    {name: f"{float(value.detach()):.3f}" for name, value in vars(loss).items()}
                )
    return done


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


def exam(engine: str, *, count: int, width: int, height: int) -> Lesson:
    """Lessons of worlds that nobody learns from, always the same."""
    return together(list(islice(play(engine, _EXAM_SEED, width=width, height=height), count)))


def main(options: TrainOptions) -> Path:
    """Teach, examine and write; returns the folder.

    Raises:
        UsageError: no such world or game, or a number out of range.
        NumericalError: the weights are no longer finite.
    """
    home, out = check_target(options, ("minutes", "steps", "width", "exam"))
    d = load_world(home).model.config.denoiser
    size = {"width": d.width, "height": d.height}
    torch.manual_seed(options.seed)
    hands = load_world(home).model.hands or Hands(HandsConfig(width=options.width))
    loader = DataLoader(
        Lessons(options.env, options.seed, **size), _PART, num_workers=options.workers, collate_fn=together
    )
    minutes = math.inf if options.steps is not None else options.minutes
    steps = teach(hands, iter(loader), minutes=minutes, steps=options.steps, seed=options.seed)
    found = {"steps": steps, **examine(hands, exam(options.env, count=options.exam, **size))}
    with_part(home, out, "hands", hands)
    write_file(out / HANDS_FILE, (json.dumps(found, indent=1) + "\n").encode())
    for name, value in found.items():
        print(f"{name:>24} {value:g}")
    print(f"{out}: the world with hands; try it with  worldsim play --world {out}")
    return out
