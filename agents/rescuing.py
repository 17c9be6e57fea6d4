"""Getting out of where a player gets stuck: water, caves and holes."""

from __future__ import annotations

from collections.abc import Iterator

from .body import Body
from .dice import Dice
from .looking import aim, calm_gaze
from .moving import go, turn_aside
from .policy import Vector
from .working import break_block, centre, pillar


def swim(me: Body, dice: Dice) -> Iterator[Vector]:
    """Swim about at the surface, or dive and come up again; then mostly back to land and on from there."""
    dives, moves = dice.chance(0.35), calm_gaze(me, dice)
    for tick in range(dice.ticks(20, 70) if dice.chance(0.5) else 0):
        pitch, yaw = next(moves)
        down = dives and 8 < tick < 40
        pull = min(4.0, max(-4.0, 0.2 * ((45.0 if down else 0.0) - me.pitch)))
        yield me.action("forward", *(() if down else ("jump",)), pitch=0.3 * pitch + pull, yaw=yaw)
        if me.contact_ticks > 25:
            yield from turn_aside(me, dice, ("forward", "jump"))
        if me.on_ground and not me.in_water:
            break
    if me.in_water and me.land is not None and dice.chance(0.55):
        yield from go_to(me, dice, me.land[0], me.land[2], 200)
    elif me.in_water:
        yield from _cross(me, dice)
    if me.contact and not me.in_water and dice.chance(0.6):  # a cliff behind the beach
        yield from pillar(me, dice, me.y + 3.0)
    yield from go(me, dice, ("forward",), calm_gaze(me, dice), dice.ticks(10, 50))


def _cross(me: Body, dice: Dice) -> Iterator[Vector]:
    """Straight across the water to another shore."""
    yield from aim(me, dice, dice.between(-8.0, 12.0), dice.between(-90.0, 90.0), ("forward", "jump"))
    for _ in range(250):
        yield me.action("forward", "jump")
        if me.contact_ticks > 25 or (me.on_ground and not me.in_water):
            return


def leave_cave(me: Body, dice: Dice) -> Iterator[Vector]:
    """Back to where the cave began, up from there, and away."""
    if me.open is not None:
        yield from go_to(me, dice, me.open[0], me.open[2], 120)
    yield from ascend(me, dice, 9)
    yield from go(me, dice, ("forward", "sprint"), calm_gaze(me, dice), dice.ticks(30, 80))


def escape(me: Body, dice: Dice) -> Iterator[Vector]:
    """Up and away from a place that has been everything for 15 seconds."""
    yield from ascend(me, dice, 3)
    yield from go(me, dice, ("forward", "sprint"), calm_gaze(me, dice), dice.ticks(40, 100))
    me.forget_trail()


def find_view(me: Body, dice: Dice) -> Iterator[Vector]:
    """Turn from the wall before the eyes to where one can see and walk; out of the pit if all sides are walls."""
    side = dice.sign()
    for _ in range(5):
        yield from aim(me, dice, dice.between(-4.0, 10.0), side * dice.between(50.0, 90.0))
        if not me.target:
            break
    if me.walled():
        yield from ascend(me, dice, 2)
    yield from go(me, dice, ("forward",), calm_gaze(me, dice), dice.ticks(15, 50))


def ascend(me: Body, dice: Dice, rounds: int) -> Iterator[Vector]:
    """Straight up, four blocks a round, until the way ahead is free: break what is overhead, place below."""
    yield from centre(me, dice)
    for _ in range(rounds):
        yield from aim(me, dice, -88.0, swift=True)
        for _ in range(4):
            if me.target:
                yield from break_block(me, dice)
        yield from pillar(me, dice, me.y + 4.0)
        if not me.cave_ticks:
            yield from aim(me, dice, dice.between(-2.0, 6.0), dice.between(-120.0, 120.0))
            if not me.target:
                return


def go_to(me: Body, dice: Dice, x: float, z: float, limit: int) -> Iterator[Vector]:
    """Walk or swim straight to a place within `limit` ticks, through what can be broken."""
    for _ in range(limit):
        if me.distance(x, z) < 0.8:
            return
        turn = min(18.0, max(-18.0, 0.35 * me.bearing(x, z)))
        level = min(5.0, max(-5.0, 0.2 * (5.0 - me.pitch)))
        jumps = me.in_water or me.contact or dice.chance(0.02)
        yield me.action("forward", *(("jump",) if jumps else ()), pitch=level, yaw=turn)
        if me.contact_ticks > 16 and not me.in_water:
            for pitch in (0.0, 40.0):
                yield from aim(me, dice, pitch)
                yield from break_block(me, dice)
