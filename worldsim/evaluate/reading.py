"""A dream and its twin, read by the motion probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.evaluate.probes.acting import turns_of
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.twin import overlay

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Moves, Probes

_LEAD = 3  # given frames shown to the probe first: keys are read off the step before as well


def read(r: Rollout, probes: Probes) -> tuple[Moves, Moves]:
    """What happened in each dreamt tick, in the dream and in the game, n ticks each.

    The dream is read with the depth that it believes in, or the game's if it believes none.
    """
    believed = r.twin.depth[r.twin.scenario.context :, ::2, ::2] if r.depth is None else r.depth
    dream = _read(r, r.frames, believed, probes)
    return dream, _read(r, r.truth, r.twin.depth[r.twin.scenario.context :, ::2, ::2], probes)


def cut(moves: Moves, first: int, stop: int | None = None) -> Moves:
    """Ticks `first` to `stop` of what was seen."""
    t = slice(first, stop)
    start, end, _ = t.indices(len(moves.turn))
    return type(moves)(
        moves.step[t], moves.turn[t], moves.keys[t], moves.slot[start : end + 1], moves.doubt[t]
    )


def _read(r: Rollout, frames: NDArray[np.uint8], depth: NDArray[Any], probes: Probes) -> Moves:
    twin, context = r.twin, r.twin.scenario.context
    lead = min(_LEAD, context)
    first = context - lead
    given = twin.depth[first:context, ::2, ::2]
    if given.shape[1:] != depth.shape[1:]:  # a dream of its own size
        depth = twin.depth[context:, ::2, ::2]
    ticks = slice(first, first + lead + len(frames) - 1)
    moves = probes.moves(
        np.concatenate([twin.frames[first:context], frames]),
        depth=np.concatenate([given, depth])[:-1],
        pitch=twin.pose[ticks, 4],
        expected=turns_of(twin.pose)[ticks],
        hud=overlay(frames.shape[2], frames.shape[1]),
    )
    return cut(moves, lead - 1)
