"""Learning-rate multipliers as pure functions of how much of a run is done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from worldsim.errors import ConfigError

Decay = Literal["constant", "cosine", "linear"]


@dataclass(frozen=True)
class Budget:
    """How long a run lasts: minutes of training, steps, or whichever ends first."""

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ConfigError("budget: got no end, expected minutes or steps; pass --minutes or --steps")
        for name, value in (("minutes", self.minutes), ("steps", self.steps)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"{name}: got {value!r}, expected a positive number")

    def progress(self, step: int, seconds: float) -> float:
        """The share of the run that is done, in [0, 1], after `step` steps and `seconds` of training.

        With `steps` alone it does not depend on the clock, which bit-exact resuming needs.
        """
        shares = []
        if self.minutes is not None:
            shares.append(seconds / (60.0 * self.minutes))
        if self.steps is not None:
            shares.append(step / self.steps)
        return min(1.0, max(shares))


def warmup(step: int, warmup_steps: int) -> float:
    """Rise linearly over the first `warmup_steps` steps; step 0 already gives a little more than 0."""
    return 1.0 if warmup_steps <= 0 else min(1.0, (step + 1) / warmup_steps)


def decay(progress: float, kind: Decay = "cosine", *, start: float = 0.0, floor: float = 0.0) -> float:
    """Fall from 1 at `progress = start` to `floor` at `progress = 1`."""
    if kind == "constant":
        return 1.0
    done = min(1.0, max(0.0, (progress - start) / max(1e-9, 1.0 - start)))
    left = 1.0 - done if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return floor + (1.0 - floor) * left


def warmup_decay(
    progress: float,
    *,
    step: int | None = None,
    warmup_steps: int = 100,
    kind: Decay = "cosine",
    start: float = 0.0,
    floor: float = 0.0,
) -> float:
    """The usual multiplier: warm up by steps, decay by progress in [0, 1] (of time or of steps).

    Args:
        progress: share of the run that is done, from `Budget.progress`.
        step: step number from 0; None skips the warm-up.
    """
    rise = 1.0 if step is None else warmup(step, warmup_steps)
    return rise * decay(progress, kind, start=start, floor=floor)


def ema_decay(updates: int, limit: float = 0.999) -> float:
    """A decay that starts short, so that the average forgets the random start: (1 + n) / (10 + n)."""
    return min(limit, (1.0 + updates) / (10.0 + updates))
