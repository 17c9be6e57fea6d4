"""Getting about: walking, sprinting, strafing, jumping, bumping and sneaking."""

from __future__ import annotations

from collections.abc import Iterator

from worldsim.actions import KEYS

from .body import Body
from .dice import Dice
from .looking import Gaze, aim, calm_gaze, ease, gaze
from .policy import Vector

_GAITS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("forward",), 8.0), (("forward", "sprint"), 4.0),
    (("forward", "left"), 1.0), (("forward", "right"), 1.0), (("back",), 1.5),
    (("left",), 1.0), (("right",), 1.0), (("back", "left"), 0.4), (("back", "right"), 0.4),
)  # fmt: skip


def walk(me: Body, dice: Dice) -> Iterator[Vector]:
    """Walk some way and look about meanwhile."""
    keys = _GAITS[dice.weighted([weight for _, weight in _GAITS])][0]
    yield from go(me, dice, keys, gaze(me, dice), dice.ticks(15, 80))


def journey(me: Body, dice: Dice) -> Iterator[Vector]:
    """Keep a heading for a while, over and round what is in the way: other places, other biomes."""
    keys = ("forward", "sprint") if dice.chance(0.7) else ("forward",)
    yield from aim(me, dice, dice.between(-5.0, 15.0), dice.sign() * dice.skewed(0.0, 120.0))
    yield from go(me, dice, keys, calm_gaze(me, dice), dice.ticks(40, 130))


def strafe(me: Body, dice: Dice) -> Iterator[Vector]:
    """Side-step to and fro, looking ahead or round a point."""
    side = "left" if dice.chance(0.5) else "right"
    for _ in range(dice.ticks(1, 4)):
        orbit = dice.between(0.0, 4.0) * (1.0 if side == "left" else -1.0) if dice.chance(0.5) else 0.0
        for _ in range(dice.ticks(8, 24)):
            yield me.action(side, yaw=orbit)
        side = "right" if side == "left" else "left"


def go(me: Body, dice: Dice, keys: tuple[str, ...], moves: Gaze, ticks: int) -> Iterator[Vector]:
    """Hold the keys; hop over what is low, turn away from what is high, come up in water."""
    hops, turns = dice.chance(0.93), 0
    for _ in range(ticks):
        pitch, yaw = next(moves)
        jumps = me.in_water or (hops and me.contact) or dice.chance(0.01)
        yield me.action(*keys, *(("jump",) if jumps else ()), pitch=pitch, yaw=yaw)
        if me.contact_ticks > 10:
            yield from turn_aside(me, dice, keys)
            turns += 1
            if turns > 2:
                return


def turn_aside(me: Body, dice: Dice, keys: tuple[str, ...] = ()) -> Iterator[Vector]:
    """Turn away from what is in front."""
    for yaw in ease(dice.sign() * dice.between(50.0, 180.0), dice.ticks(3, 14)):
        yield me.action(*keys, yaw=yaw)


def hop(me: Body, dice: Dice) -> Iterator[Vector]:
    """Jump again and again, on the spot or on the way."""
    keys = dice.pick(((), (), ("forward",), ("forward", "sprint"), ("back",), ("left",)))
    moves, held = gaze(me, dice), dice.chance(0.5)
    for tick in range(dice.ticks(20, 70)):
        pitch, yaw = next(moves)
        jumps = held or tick % 14 < 2
        yield me.action(*keys, *(("jump",) if jumps else ()), pitch=pitch, yaw=yaw)


def bump(me: Body, dice: Dice) -> Iterator[Vector]:
    """Run straight on until something stands in the way, and push on."""
    yield from aim(me, dice, dice.between(-15.0, 20.0))
    keys = ("forward", "sprint") if dice.chance(0.5) else ("forward",)
    for _ in range(60):
        yield me.action(*keys)
        if me.contact:
            break
    else:
        return
    slide = dice.sign() * dice.skewed(0.0, 2.0) if dice.chance(0.5) else 0.0
    for _ in range(dice.ticks(10, 35)):
        yield me.action(*keys, yaw=slide)
    yield from turn_aside(me, dice)


def leap(me: Body, dice: Dice) -> Iterator[Vector]:
    """Run and jump straight on without care, so that ledges are fallen off; look down while falling."""
    yield from aim(me, dice, dice.between(5.0, 30.0), dice.between(-60.0, 60.0))
    for tick in range(dice.ticks(25, 70)):
        falls = not me.on_ground and dice.chance(0.5)
        yield me.action(
            "forward", "sprint", *(("jump",) if tick % 3 == 0 else ()),
            pitch=min(3.0, max(0.0, 60.0 - me.pitch)) if falls else 0.0,
        )  # fmt: skip
        if me.contact_ticks > 14:
            yield from turn_aside(me, dice)
    yield from aim(me, dice, dice.between(-5.0, 15.0))


def sneak(me: Body, dice: Dice) -> Iterator[Vector]:
    """Creep, often with the eyes on an edge, to and fro."""
    yield from aim(me, dice, dice.between(0.0, 70.0), dice.between(-60.0, 60.0), ("sneak",))
    for key in ("forward", dice.pick(("back", "left", "right", "forward"))):
        moves = calm_gaze(me, dice)
        for _ in range(dice.ticks(8, 40)):
            pitch, yaw = next(moves)
            yield me.action("sneak", key, pitch=0.3 * pitch, yaw=yaw)


def combine(me: Body, dice: Dice) -> Iterator[Vector]:
    """Rare combinations: any keys at all, held for some ticks, with any camera move."""
    moves = gaze(me, dice)
    for _ in range(dice.ticks(3, 8)):
        share = dice.between(0.05, 0.3)
        keys = [key for key in KEYS if key != "drop" and dice.chance(share)]
        thrown = ["drop"] if dice.chance(0.1) else []
        for tick in range(dice.ticks(1, 9)):
            pitch, yaw = next(moves)
            yield me.action(*keys, *(thrown if tick == 0 else ()), pitch=pitch, yaw=yaw)
