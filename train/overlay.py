"""`worldsim train overlay`: teaches a world its hotbar, health and item in hand, apart from the picture behind them.

A game is played for that alone that can say what lies over its picture (`engine.overlay()`). The rest of the
world stays as it is. The folder gets a copy of the world with the overlay's weights in it; how far it is off in
game worlds that nobody learns from is printed and kept in overlay.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim import registry
from worldsim.errors import UsageError
from worldsim.model.hands import ATTACK, HOTBAR, STRIP
from worldsim.model.overlay import PHASES, Overlay, OverlayConfig, swung, tell
from worldsim.signals import SLOTS

from .hand_lessons import FIRST_WORLD, slot_after
from .lesson_pool import Pool
from .parts import Course, PartOptions, fit, give

_RATE, _BATCH, _PART, _POOL = 2e-3, 32, 32, 12_000
_TICKS = 300
_UNTOLD = 0.2
_FIRST = 640  # examples that tell where the bar is
_MOVED = 0.2  # share of ticks of a swing


@dataclass(frozen=True)
class TrainOptions(PartOptions):
    """Which world gets an overlay, from what game, and where the result goes."""

    minutes: float = 15.0
    """Time of training, besides the exam."""
    out: str = "runs/overlay"
    """Folder of the world with its overlay."""
    exam: int = 400
    """Ticks of unseen worlds that it is examined with."""


@dataclass(frozen=True)
class Example:
    """One tick, or a batch of them with a leading axis."""

    strip: Tensor
    """uint8 `[3, 32, W]` the lower edge before it."""
    told: Tensor
    """`[n]` of `overlay.tell`."""
    before: Tensor
    """uint8 `[4, 32, W]` the overlay before it."""
    after: Tensor
    """uint8 `[4, 32, W]` and after it."""


def play(engine: str, seed: int, *, width: int, height: int) -> Iterator[Example]:
    """Examples without end; `seed` decides the worlds and what is done there."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    if not hasattr(game, "overlay"):
        raise UsageError(
            f"--env {engine}: can't say what lies over its picture, expected a game with overlay()"
        )
    rng = np.random.default_rng(seed)
    while True:
        game.reset(int(FIRST_WORLD + rng.integers(100_000)))
        player, phase = registry.resolve(registry.POLICIES, "tinker", "policy")(int(rng.integers(2**31))), 0
        frame, state, overlay = game.render(), game.state(), game.overlay()
        for _ in range(_TICKS):
            action = player.act(state)
            game.step(action)
            slot = slot_after(int(state["slot"]), torch.from_numpy(action))
            strip, before = frame[-STRIP:], overlay[-STRIP:]
            frame, state, overlay = game.render(), game.state(), game.overlay()
            broke, placed = (bool(state["events"][name]) for name in ("broken", "placed"))
            phase = swung(phase, bool(action[ATTACK] > 0.5), placed)
            if rng.random() < 0.5 or (before != overlay[-STRIP:]).any():
                told = tell(
                    -1 if rng.random() < _UNTOLD and not action[HOTBAR : HOTBAR + SLOTS].any() else slot,
                    phase,
                    broke,
                    placed,
                )
                yield Example(_first(strip), told, _first(before), _first(overlay[-STRIP:]))


def _first(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def bar_of(examples: Example) -> Tensor:
    """`[1, 32, W]`, 1 where the overlay is always opaque, and stays as it is while the arm swings."""
    opaque = (examples.before[:, 3] == 255).all(0)
    swings = examples.told[:, SLOTS + 1 : SLOTS + PHASES].any(1) & ~examples.told[:, -2:].any(1)
    moved = (examples.before[swings] != examples.after[swings]).any(1).float().mean(0)
    return (opaque & (moved < _MOVED)).float()[None]


def loss_of(overlay: Overlay, example: Example) -> Tensor:
    """What is wrong with the arm's layer, with where the bar changes, and with its colours there."""
    drawn = overlay(example.strip.float() / 127.5 - 1, example.told)
    bar, after = overlay.fixed, example.after.float() / 255
    differs = (example.before != example.after).any(1, keepdim=True).float()
    true, beside = after[..., -overlay.reach :], 1 - bar[..., -overlay.reach :]
    opacity = (drawn.arm[:, 3:] - true[:, 3:]).abs()
    colours = ((drawn.arm[:, :3] - true[:, :3]).abs() * true[:, 3:]).mean(1, keepdim=True)
    arm = ((opacity + 2 * colours) * beside).sum() / (len(after) * beside.sum()).clamp(min=1)
    gate = F.binary_cross_entropy(drawn.changed.clamp(1e-4, 1 - 1e-4), differs, reduction="none")
    where = (gate * bar).sum() / (len(after) * bar.sum()).clamp(min=1)
    changed = differs * bar
    off = ((drawn.bar - after[:, :3]).abs().mean(1, keepdim=True) * changed).sum() / changed.sum().clamp(
        min=1
    )
    return arm + 4 * where + off


def error(overlay: Overlay, example: Example) -> Tensor:
    """How far each pixel of the overlay is off after the tick `[B, 32, W]`: colours by their opacity, and opacity."""
    strip = example.strip.float() / 127.5 - 1
    return _off(overlay.after(overlay(strip, example.told), strip), example.after.float() / 255)


def _off(drawn: Tensor, true: Tensor) -> Tensor:
    colours = (drawn[:, :3] * drawn[:, 3:] - true[:, :3] * true[:, 3:]).abs().mean(1)
    return colours + 0.5 * (drawn[:, 3] - true[:, 3]).abs()


def teach(
    overlay: Overlay,
    batches: Iterator[Example],
    *,
    minutes: float = math.inf,
    steps: int | None = None,
    seed: int = 0,
) -> int:
    """Train until the time or the steps are over; returns the steps. Where the bar is, the first examples tell."""
    pool, generator = Pool[Example](_POOL), torch.Generator().manual_seed(seed)

    def take(batch: Example) -> bool:
        found = bool(overlay.fixed.any())
        differs = (batch.before != batch.after).any(1) & (overlay.fixed[0] > 0 if found else True)
        pool.add(batch, differs.flatten(1).any(1))
        if not found and pool.count >= _FIRST:
            overlay.fixed.copy_(bar_of(pool.held()))
        return found or pool.count >= _FIRST

    def loss() -> Tensor:
        return loss_of(overlay, pool.draw(_BATCH, generator)[0])

    return fit(
        overlay, batches, take, loss, name="overlay", rate=_RATE, weight_decay=0.0, minutes=minutes, steps=steps,
        reuse=2,
    )  # fmt: skip


@torch.no_grad()
def examine(overlay: Overlay, example: Example) -> dict[str, float]:
    """Errors on examples it has not seen, in grey levels, where the overlay changes; beside leaving it as it was."""
    changed = (example.before != example.after).any(1)
    off = error(overlay, example)
    same = _off(example.before.float() / 255, example.after.float() / 255)
    return {
        "ticks": len(off), "changed": round(float(255 * off[changed].mean()), 2),
        "changed_by_copying": round(float(255 * same[changed].mean()), 2),
        "all": round(float(255 * off.mean()), 2), "all_by_copying": round(float(255 * same.mean()), 2),
    }  # fmt: skip


COURSE = Course(
    name="overlay", play=play, batch=_PART, teach=teach, examine=examine, exam_seed=2**41,
    make=lambda width, d: Overlay(OverlayConfig(width=width), d.width),
)  # fmt: skip


def main(options: TrainOptions) -> Path:
    """Teach, examine and write; returns the folder. Raises as `parts.give` does."""
    return give(options, COURSE)
