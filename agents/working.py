"""Breaking and placing blocks, and the hotbar."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .body import Body
from .dice import Dice
from .looking import aim, gaze
from .policy import Vector
from .returning import turn_away_and_back

_PATIENCE = 55  # ticks of holding attack before a block counts as too hard


def break_block(me: Body, dice: Dice) -> Iterator[Vector]:
    """Hold attack until the block in sight is gone; for a likely time where the world does not say."""
    if me.target == 0:
        return
    yield from take_tool(me)
    limit = _PATIENCE if me.target is not None else dice.ticks(15, 45)
    start = me.place
    for _ in range(limit):
        yield me.action("attack")
        if me.broken or me.target == 0 or me.place != start:
            return


def dig(me: Body, dice: Dice) -> Iterator[Vector]:
    """Break some blocks in sight: what is ahead if it is in reach, else the ground before the feet."""
    for _ in range(dice.ticks(2, 6)):
        if not me.target or dice.chance(0.5):
            yield from aim(me, dice, dice.between(25.0, 60.0), dice.between(-40.0, 40.0))
        yield from break_block(me, dice)
        for _ in range(dice.ticks(0, 6)):
            yield me.action()


def tunnel(me: Body, dice: Dice) -> Iterator[Vector]:
    """Dig forward two blocks high and walk in; out again at the end, or on."""
    steps = dice.ticks(1, 3)
    for _ in range(steps):
        for pitch in (dice.between(-5.0, 12.0), dice.between(35.0, 48.0)):
            yield from aim(me, dice, pitch)
            yield from break_block(me, dice)
        for _ in range(dice.ticks(4, 9)):
            yield me.action("forward", *(("jump",) if me.contact_ticks > 2 else ()))
    if dice.chance(0.6):
        yield from aim(me, dice, dice.between(-10.0, 10.0), 180.0 * dice.sign())
        for _ in range(6 * steps):
            yield me.action("forward", *(("jump",) if me.contact else ()))


def dig_down(me: Body, dice: Dice) -> Iterator[Vector]:
    """Dig a shaft of one to three blocks, look up out of it, and come out again."""
    yield from centre(me, dice)
    yield from aim(me, dice, 88.0)
    top, depth = me.y, dice.ticks(1, 3)
    for _ in range(depth):
        yield from break_block(me, dice)
        for _ in range(dice.ticks(6, 10)):  # fall to the new floor
            yield me.action()
    if dice.chance(0.5):
        yield from aim(me, dice, dice.between(-85.0, -20.0), dice.between(-90.0, 90.0))
        for _ in range(dice.ticks(3, 14)):
            yield me.action()
    yield from pillar(me, dice, top)


def take_slot(me: Body, dice: Dice) -> Iterator[Vector]:
    """Press the key of a slot with something in it; nothing when the hotbar is empty."""
    slot = me.stocked_slot(dice)
    if slot is not None:
        yield me.action(f"hotbar.{slot + 1}")
        yield me.action()


_FITTING: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("shovel", ("dirt", "sand", "gravel", "snow", "clay", "litter")),
    ("axe_", ("tree", "wood", "leaves", "chest", "fence", "cactus")),
    ("pick", ("",)),
)
"""Tools by a part of their names, and parts of the names of what they are for; the first that fits."""


def take_tool(me: Body) -> Iterator[Vector]:
    """Take the tool that fits the block in sight, in a world that has tools and says what is in sight."""
    if not me.tools or not me.target_name:
        return
    for part, materials in _FITTING:
        slots = [slot for name, slot in me.tools.items() if part in name]
        if slots and any(material in me.target_name for material in materials):
            if slots[0] != me.slot:
                yield me.action(f"hotbar.{slots[0] + 1}")
                yield me.action()
            return


def centre(me: Body, dice: Dice) -> Iterator[Vector]:
    """Creep to the middle of the block stood on: across two blocks, a shaft of one is too narrow."""
    x, z = math.floor(me.x) + 0.5, math.floor(me.z) + 0.5
    for _ in range(16 if me.land else 0):
        if me.distance(x, z) < 0.12:
            return
        right = me.bearing(x, z)
        ahead = ("forward",) if abs(right) < 67.5 else ("back",) if abs(right) > 112.5 else ()
        aside = ("right" if right > 0 else "left",) if 22.5 < abs(right) < 157.5 else ()
        yield me.action("sneak", *ahead, *aside)


def pillar(me: Body, dice: Dice, height: float) -> Iterator[Vector]:
    """Jump and place below the feet until the eye is at `height` or no longer gets higher."""
    yield from take_slot(me, dice)
    yield from aim(me, dice, 88.0, swift=me.cave_ticks > 0)
    best, since = me.y, 0
    while since < 26:
        yield me.action("jump", "use")
        if me.on_ground and me.y > height - 0.1:
            return
        since = 0 if me.on_ground and me.y > best + 0.5 else since + 1
        best = max(best, me.y) if me.on_ground else best


def tower(me: Body, dice: Dice) -> Iterator[Vector]:
    """Build a tower under oneself, creep to its edge, look down, step off and fall."""
    if me.stocked_slot(dice) is None:
        return
    yield from pillar(me, dice, me.y + dice.ticks(2, 5))
    if dice.chance(0.6):
        yield from aim(me, dice, dice.between(30.0, 70.0), dice.between(-180.0, 180.0), ("sneak",))
        for _ in range(dice.ticks(8, 25)):
            yield me.action("sneak", "forward")
    yield from aim(me, dice, dice.between(-10.0, 30.0), dice.between(-90.0, 90.0))
    for _ in range(dice.ticks(6, 20)):
        yield me.action("forward")


def place(me: Body, dice: Dice) -> Iterator[Vector]:
    """Place one to four blocks on what is in sight, then step back and look, or turn away and back."""
    if me.stocked_slot(dice) is None:
        return
    for _ in range(dice.ticks(1, 4)):
        yield from take_slot(me, dice)
        yield from aim(me, dice, dice.between(25.0, 60.0), dice.between(-50.0, 50.0))
        for _ in range(dice.ticks(1, 6)):
            yield me.action("use")
        for _ in range(dice.ticks(2, 8)):
            yield me.action()
    yield from _admire(me, dice)


def wall(me: Body, dice: Dice) -> Iterator[Vector]:
    """Build a wall one block at a time along a line, side-stepping, perhaps two high."""
    if me.stocked_slot(dice) is None:
        return
    yield from take_slot(me, dice)
    side = "left" if dice.chance(0.5) else "right"
    high = dice.chance(0.6)
    for _ in range(dice.ticks(2, 5)):
        for pitch in (dice.between(42.0, 55.0), 22.0) if high else (dice.between(42.0, 55.0),):
            yield from aim(me, dice, pitch)
            for _ in range(3):
                yield me.action("use")
        for _ in range(5):
            yield me.action(side)
    yield from _admire(me, dice)


def bridge(me: Body, dice: Dice) -> Iterator[Vector]:
    """Creep backwards and place at the edge behind."""
    if me.stocked_slot(dice) is None:
        return
    yield from take_slot(me, dice)
    yield from aim(me, dice, dice.between(74.0, 82.0), dice.between(-90.0, 90.0), ("sneak",))
    for _ in range(dice.ticks(20, 60)):
        yield me.action("sneak", "back", "use")
    yield from aim(me, dice, dice.between(-5.0, 20.0))


def _admire(me: Body, dice: Dice) -> Iterator[Vector]:
    """Step back from the work, or turn away from it and back: it has to be there still."""
    yield from aim(me, dice, dice.between(10.0, 35.0))
    for _ in range(dice.ticks(0, 16)):
        yield me.action("back")
    if dice.chance(0.5):
        yield from turn_away_and_back(me, dice)


def tour_hotbar(me: Body, dice: Dice) -> Iterator[Vector]:
    """Press the nine hotbar keys, in order or not, looking about or walking meanwhile."""
    slots = list(range(1, 10))
    if dice.chance(0.5):
        slots = [slots.pop(int(dice.random() * len(slots))) for _ in range(9)]
    moves, keys = gaze(me, dice), ("forward",) if dice.chance(0.3) else ()
    for slot in slots:
        for tick in range(dice.ticks(3, 9)):
            pitch, yaw = next(moves) if keys else (0.0, 0.0)
            yield me.action(*keys, *((f"hotbar.{slot}",) if tick == 0 else ()), pitch=pitch, yaw=yaw)
