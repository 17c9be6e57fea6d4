"""Moving the camera, from a slow drift to a flick of 45 degrees a tick, and not moving at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .body import Body
from .dice import Dice
from .policy import Vector

FASTEST = 45.0  # degrees a tick
Gaze = Iterator[tuple[float, float]]
"""Endless camera moves (pitch, yaw) in degrees a tick."""


def ease(total: float, ticks: int) -> list[float]:
    """Split a turn into `ticks` steps that start and end gently, more where FASTEST asks for it."""
    ticks = max(ticks, _fewest(total))
    curve = [t / ticks * (t / ticks) * (3.0 - 2.0 * t / ticks) * total for t in range(ticks + 1)]
    return [after - before for before, after in pairwise(curve)]


def _fewest(turn: float) -> int:
    return int(abs(turn) * 1.5 / FASTEST) + 1  # an eased turn is half as fast again in its middle


def even(total: float, ticks: int) -> list[float]:
    """Split a turn into `ticks` equal steps, more of them where FASTEST asks for it."""
    ticks = max(ticks, -int(-abs(total) // FASTEST))
    return [total / ticks] * ticks


def pitch_goal(dice: Dice) -> float:
    """Where to look: mostly about the horizon, sometimes the sky, sometimes the feet."""
    share = dice.random()
    if share < 0.74:
        return dice.between(-12.0, 24.0)
    return dice.between(-90.0, -20.0) if share < 0.86 else dice.between(30.0, 90.0)


def aim(
    me: Body, dice: Dice, pitch: float, yaw: float = 0.0, keys: tuple[str, ...] = (), *, swift: bool = False
) -> Iterator[Vector]:
    """Turn to an absolute pitch and by a relative yaw, at a hand's speed."""
    down = pitch - me.pitch
    speed = dice.between(22.0, 40.0) if swift else dice.between(5.0, 25.0)
    ticks = max(_fewest(down), _fewest(yaw), 1 + int(max(abs(down), abs(yaw)) / speed))
    for dp, dy in zip(ease(down, ticks), ease(yaw, ticks)):
        yield me.action(*keys, pitch=dp, yaw=dy)


def gaze(me: Body, dice: Dice) -> Gaze:
    """One manner of looking after the other, without end."""
    while True:
        manner = (_rest, _drift, _sweep, _flick, _wander)[dice.weighted((2.0, 3.0, 3.0, 1.5, 4.0))]
        yield from manner(me, dice)


def calm_gaze(me: Body, dice: Dice) -> Gaze:
    """Looking that keeps a heading: small moves, and the pitch comes back to the horizon."""
    while True:
        manner = (_rest, _drift, _wander)[dice.weighted((2.0, 2.0, 2.0))]
        for pitch, yaw in manner(me, dice):
            yield pitch, min(3.0, max(-3.0, yaw * 0.4))


def _rest(me: Body, dice: Dice) -> Gaze:
    for _ in range(dice.ticks(4, 25)):
        yield 0.0, 0.0


def _drift(me: Body, dice: Dice) -> Gaze:
    ticks = dice.ticks(10, 50)
    yaw = dice.sign() * dice.skewed(0.05, 3.0)
    pitch = _bounded((pitch_goal(dice) - me.pitch) / ticks, dice.skewed(0.05, 1.5))
    for _ in range(ticks):
        yield pitch, yaw


def _sweep(me: Body, dice: Dice) -> Gaze:
    turn = dice.sign() * dice.between(15.0, 200.0)
    tilt = pitch_goal(dice) - me.pitch
    ticks = max(_fewest(tilt), _fewest(turn), int(abs(turn) / dice.between(2.0, 14.0)))
    yield from zip(ease(tilt, ticks), ease(turn, ticks))


def _flick(me: Body, dice: Dice) -> Gaze:
    speed, ticks = dice.between(10.0, FASTEST), dice.ticks(1, 4)
    yaw = dice.sign() * dice.between(0.5, 1.0) * speed
    pitch = _bounded((pitch_goal(dice) - me.pitch) / ticks, speed)
    for _ in range(ticks):
        yield pitch, yaw
    for _ in range(dice.ticks(2, 16)):
        yield 0.0, 0.0


def _wander(me: Body, dice: Dice) -> Gaze:
    """A hand on a mouse: the speed is a slow random walk and the pitch is drawn to a goal."""
    scale, goal, yaw, pitch = dice.skewed(0.5, 12.0), pitch_goal(dice), 0.0, 0.0
    for _ in range(dice.ticks(15, 60)):
        yaw = 0.8 * yaw + scale * dice.between(-1.0, 1.0)
        pitch = 0.8 * pitch + 0.4 * scale * dice.between(-1.0, 1.0)
        yield pitch + _bounded(0.06 * (goal - me.pitch), 3.0), yaw


def _bounded(value: float, limit: float) -> float:
    return min(limit, max(-limit, value))


def level(me: Body, dice: Dice) -> Iterator[Vector]:
    """Back to the horizon."""
    yield from aim(me, dice, dice.between(-10.0, 20.0), dice.between(-30.0, 30.0))


def stand_still(me: Body, dice: Dice) -> Iterator[Vector]:
    """Do nothing at all."""
    for _ in range(dice.ticks(12, 70)):
        yield me.action()


def look_about(me: Body, dice: Dice) -> Iterator[Vector]:
    """Stand and look, in every manner."""
    moves = gaze(me, dice)
    for _ in range(dice.ticks(20, 90)):
        pitch, yaw = next(moves)
        yield me.action(pitch=pitch, yaw=yaw)


def look_up_and_down(me: Body, dice: Dice) -> Iterator[Vector]:
    """To the sky and to the feet, to the stops and a little beyond, and back to the horizon."""
    for goal in (-92.0, 92.0) if dice.chance(0.5) else (92.0, -92.0):
        yield from aim(me, dice, goal, dice.between(-40.0, 40.0))
        for _ in range(dice.ticks(2, 12)):
            yield me.action()
    yield from aim(me, dice, dice.between(-10.0, 20.0), dice.between(-30.0, 30.0))
