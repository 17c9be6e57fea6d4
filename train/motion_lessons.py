"""What the motion head learns from alone: steps of players who go to all sides, and what was around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldsim import registry
from worldsim.data.episode import SIGNALS, ClipBatch
from worldsim.signals import from_state

from .clips import ClipTensors
from .moments import Moment, build_moment

FIRST_WORLD = 3_000_000
"""Seeds of the worlds that are played in: above 1,000,000, where training goes, too."""
HISTORY = 8
"""Actions of a moment: as many as any world's head is told, or more."""
PLAYERS = (*["dancer"] * 5, *["explorer"] * 2, "tinker")
_LEAD, _TICKS, _FIRST = 60, 140, 6  # ticks before a clip, at most, of it, and before its first moment
_KEPT = 0.5  # of the ticks in which nothing happens
_RISES = 0.01
_CONTACT = SIGNALS.index("contact")


def play(engine: str, seed: int, *, width: int, height: int) -> Iterator[Moment]:
    """Moments without end, from one world after the other; `seed` decides which, and what is done there."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    usable = torch.from_numpy(~game.overlay_mask())
    rng = np.random.default_rng(seed)
    while True:
        yield from _moments(ClipTensors(_clip(game, rng), torch.device("cpu")), usable, rng)


def happens(moment: Moment) -> Tensor:
    """Bool `[B]`: ticks of rising and falling."""
    return moment.step[:, 1].abs() > _RISES


def _clip(game: Any, rng: np.random.Generator) -> ClipBatch:
    """One player's ticks in one world; of its pictures only the depth is looked at."""
    game.reset(int(FIRST_WORLD + rng.integers(1_000_000)))
    player = registry.resolve(registry.POLICIES, PLAYERS[rng.integers(len(PLAYERS))], "policy")(
        int(rng.integers(2**31))
    )
    lead = int(rng.integers(_LEAD))
    action, before, rows = np.zeros(25, np.float32), None, []
    for tick in range(lead + _TICKS):
        state = game.state()
        if tick >= lead:
            _frame, depth, _ids = game.render_buffers()
            rows.append((action, depth.astype(np.float16), state["pose"], from_state(state, before)))
        action, before = player.act(state), state
        game.step(action)
    columns = [np.stack(column)[None] for column in zip(*rows)]
    return ClipBatch(np.zeros((*columns[1].shape, 3), np.uint8), *columns, captions=("",))


def _moments(clips: ClipTensors, usable: Tensor, rng: np.random.Generator) -> Iterator[Moment]:
    rises = (clips.pose[0, 1:, 1] - clips.pose[0, :-1, 1]).abs() > _RISES
    happened = rises | (clips.signals[0, 1:, _CONTACT] > 0.5)
    kept = happened | torch.from_numpy(rng.random(len(happened)) < _KEPT)
    kept[: _FIRST - 1] = False
    ticks = 1 + kept.nonzero()[:, 0]
    if not len(ticks):
        return
    batch = build_moment(clips.repeated(len(ticks)), ticks, history=HISTORY, usable=usable)
    for k in rng.permutation(len(ticks)):
        row = {name: part[k] for name, part in vars(batch).items()}
        yield Moment(**{**row, "space": row["space"].half()})
