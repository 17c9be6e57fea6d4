"""Beliefs: what a dream holds to be so of its player, as signals and under the names of the game's state."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from worldsim.signals import HANDMADE, PLACE, TABLE, to_state
from worldsim.sim.state import WorldState

_HAPPENINGS = [i for i, s in enumerate(TABLE) if s.kind in ("event", "joint") or s.name == "damage"]


def noted(world: WorldState, signals: Tensor, *, hands: bool, day: int) -> Tensor:
    """Signals `[S]` of a world's next tick with what needs no picture.

    That is the slot that was chosen, the time, if it is known at what time of a `day` of so many ticks the dream began,
    and, with `hands`, what they did.
    """
    if not math.isnan(world.daytime):
        signals[PLACE["time_of_day"]] = (world.daytime + (world.tick + 1) / day) % 1.0
    if world.grip.slot >= 0:
        signals[PLACE["slot"]] = world.grip.slot
    if hands:
        wood = 0.0 if world.signals is None else float(world.signals[PLACE["wood"]])
        done = {"broke": world.grip.broke, "placed": world.grip.placed, "broke_log": wood * world.grip.broke}
        for name in HANDMADE:
            signals[PLACE[name]] = float(done[name])
    return signals


def unseen(world: WorldState, step: Tensor) -> Tensor:
    """Signals `[S]` of a tick that is not drawn: nothing happens, and what was believed holds on.

    Args:
        step: `[3]` the eye's. Who neither rises nor falls stands; but at the top of a jump that is so for a tick.
    """
    assert world.signals is not None
    calm = world.signals.clone()
    calm[[i for i in _HAPPENINGS if i < len(calm)]] = 0.0
    calm[PLACE["on_ground"]] = float(step[1] == 0 and world.past[0, 1] == 0)
    return calm


def believed(world: WorldState) -> dict[str, Any]:
    """What a dream knows of its player, under the names of the game's state; right after `begin` the pose alone."""
    told = {} if world.signals is None else to_state(world.signals.numpy())
    return {"pose": world.pose.numpy().copy(), **told}
