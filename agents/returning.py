"""Turning away and back, and walking out and back: what a world has to remember."""

from __future__ import annotations

from collections.abc import Iterator

from .body import Body
from .dice import Dice
from .looking import calm_gaze, ease, even
from .policy import Vector

_UNDO = {"forward": "back", "back": "forward", "left": "right", "right": "left"}


def _pause(me: Body, dice: Dice, longest: int = 24) -> Iterator[Vector]:
    for _ in range(dice.ticks(0, longest)):
        yield me.action()


def turn_away_and_back(me: Body, dice: Dice) -> Iterator[Vector]:
    """Turn by some angle, wait, and undo every single turn in reverse."""
    split = ease if dice.chance(0.6) else even
    yaw = dice.sign() * dice.between(25.0, 220.0)
    pitch = me.room(dice.sign() * dice.skewed(0.0, 70.0))
    ticks = 1 + int(abs(yaw) / dice.skewed(3.0, 40.0))
    yaws = split(yaw, ticks)
    moves = list(zip(even(pitch, len(yaws)), yaws))
    yield from _pause(me, dice, 8)
    for dp, dy in moves:
        yield me.action(pitch=dp, yaw=dy)
    yield from _pause(me, dice)
    for dp, dy in reversed(moves):
        yield me.action(pitch=-dp, yaw=-dy)
    yield from _pause(me, dice, 8)


def full_circle(me: Body, dice: Dice) -> Iterator[Vector]:
    """Turn once round, to the same view."""
    turn = 360.0 * dice.sign()
    for dy in even(turn, 8 + int(dice.between(0.0, 72.0))):
        yield me.action(yaw=dy)
    yield from _pause(me, dice, 10)


def out_and_back(me: Body, dice: Dice) -> Iterator[Vector]:
    """Walk out and undo it: opposite keys, inverse camera, last step first."""
    height, shift = me.y, ("sneak",) if dice.chance(0.15) else ()
    key = dice.pick(("forward", "forward", "forward", "back", "left", "right"))
    moves = calm_gaze(me, dice) if dice.chance(0.5) else iter(lambda: (0.0, 0.0), None)
    done: list[tuple[float, float]] = []
    for _ in range(dice.ticks(6, 50)):
        dp, dy = next(moves)
        dp = me.room(dp)
        done.append((dp, dy))
        yield me.action(key, *shift, pitch=dp, yaw=dy)
        if me.y < height - 0.4 or me.in_water:
            return  # fallen: there is no way back up
        if me.contact:  # beyond a bump the way back is no longer the way out
            break
    yield from _pause(me, dice)
    # The camera turns before the feet move, so the way back undoes the step first and the turn a tick later.
    dp = dy = 0.0
    for before in reversed(done):
        yield me.action(_UNDO[key], *shift, pitch=-dp, yaw=-dy)
        dp, dy = before
    yield me.action(pitch=-dp, yaw=-dy)
    yield from _pause(me, dice, 8)


def there_and_home(me: Body, dice: Dice) -> Iterator[Vector]:
    """Walk straight out, turn round, walk home, turn round: the same place from the other side."""
    ticks, gait = dice.ticks(10, 45), ("forward", "sprint") if dice.chance(0.4) else ("forward",)
    for way in ("out", "home"):
        for tick in range(ticks):
            yield me.action(*gait)
            if me.contact and way == "out":
                ticks = tick + 1
                break
        for dy in ease(180.0 * dice.sign(), dice.ticks(6, 30)):
            yield me.action(yaw=dy)
        yield from _pause(me, dice, 6)
