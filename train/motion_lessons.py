"""What the motion head learns from alone: steps of players who go to all sides, and what was around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim import registry
from worldsim.data.episode import ClipBatch
from worldsim.signals import from_state

from .clips import ClipTensors
from .moments import RISES, Moment, build_moment, stirs

FIRST_WORLD = 3_000_000
"""Seeds of the worlds that are played in: above 1,000,000, where training goes, too."""
HISTORY = 8
"""Actions of a moment: as many as any world's head is told, or more."""
PLAYERS = (*["dancer"] * 5, *["explorer"] * 2, "tinker")
_LEAD, _TICKS, _FIRST = 60, 140, 6  # ticks before a clip, at most, of it, and before its first moment
_KEPT = 0.5  # of the ticks in which nothing happens


def play(engine: str, seed: int, *, width: int, height: int) -> Iterator[Moment]:
    """Moments without end, from one world after the other; `seed` decides which, and what is done there."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    usable = torch.from_numpy(~game.overlay_mask())
    rng = np.random.default_rng(seed)
    while True:
        yield from _moments(ClipTensors(_clip(game, rng), torch.device("cpu")), usable, rng)


def happens(moment: Moment) -> Tensor:
    """Bool `[B]`: ticks of rising and falling."""
    return moment.step[:, 1].abs() > RISES


def _clip(game: Any, rng: np.random.Generator) -> ClipBatch:
    """One player's ticks in one world."""
    game.reset(int(FIRST_WORLD + rng.integers(1_000_000)))
    player = registry.resolve(registry.POLICIES, PLAYERS[rng.integers(len(PLAYERS))], "policy")(
        int(rng.integers(2**31))
    )
    return together([watched(game, player, _TICKS, lead=int(rng.integers(_LEAD)))])


Watched = tuple[NDArray[Any], ...]
"""Frames, actions that led to them, depth, poses and signals of T ticks."""


def watched(game: Any, player: Any, ticks: int, *, lead: int = 0) -> Watched:
    """What a player does in a game, both reset, in `ticks` ticks after `lead` others."""
    action, before, rows = np.zeros(25, np.float32), None, []
    for tick in range(lead + ticks):
        state = game.state()
        if tick >= lead:
            frame, depth, _ids = game.render_buffers()
            rows.append((frame, action, depth.astype(np.float16), state["pose"], from_state(state, before)))
        action, before = player.act(state), state
        game.step(action)
    return tuple(np.stack(column) for column in zip(*rows))


def together(worlds: Sequence[Watched]) -> ClipBatch:
    """What was watched in several worlds as clips."""
    return ClipBatch(*(np.stack(column) for column in zip(*worlds)), captions=("",) * len(worlds))


def _moments(clips: ClipTensors, usable: Tensor, rng: np.random.Generator) -> Iterator[Moment]:
    rises, touches = stirs(clips)
    happened = (rises | touches)[0]
    kept = happened | torch.from_numpy(rng.random(len(happened)) < _KEPT)
    kept[: _FIRST - 1] = False
    ticks = 1 + kept.nonzero()[:, 0]
    if not len(ticks):
        return
    batch = build_moment(clips.repeated(len(ticks)), ticks, history=HISTORY, usable=usable)
    for k in rng.permutation(len(ticks)):
        row = {name: part[k] for name, part in vars(batch).items()}
        yield Moment(**{**row, "space": row["space"].half()})
