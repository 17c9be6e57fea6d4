"""One short line about a moment, from a closed vocabulary: where, when, what is near."""

from __future__ import annotations

from .time_words import time_words
from .voxel_blocks import (
    ACACIA_LEAVES,
    BIRCH_LEAVES,
    BRICK,
    CACTUS,
    COBBLE,
    ICE,
    LEAVES,
    MOSSY,
    PLANKS,
    SPRUCE_LEAVES,
    WATER,
    WHITE_WOOL,
)  # fmt: skip
from .voxel_kernel import kernel
from .voxel_raycast import cell
from .voxel_terrain import HEIGHT, SIZE

_PLACES = (
    "grassy plains", "a forest", "a birch forest", "a sandy desert", "snowy land", "green mountains",
    "a dry savanna", "a lake",
)  # fmt: skip
_HIGH = "stone mountains"
WET, TREES, HOUSE, CACTI, FROZEN = 1, 2, 4, 8, 16
_MASK = SIZE - 1


@kernel
def survey(vox, tops, x, y, z):  # type: ignore[no-untyped-def]
    """What stands within nine blocks of a place, as a sum of WET, TREES, HOUSE, CACTI, FROZEN."""
    seen = 0
    for i in range(cell(x) - 9, cell(x) + 10):
        for k in range(cell(z) - 9, cell(z) + 10):
            top = int(tops[i & _MASK, k & _MASK]) - 1
            if top < 0 or abs(top - y) > 10:
                continue
            block = vox[i & _MASK, k & _MASK, min(top, HEIGHT - 1)]
            if block == WATER:
                seen |= WET
            elif block in (LEAVES, BIRCH_LEAVES, SPRUCE_LEAVES, ACACIA_LEAVES):
                seen |= TREES
            elif block in (PLANKS, BRICK, COBBLE, MOSSY, WHITE_WOOL):
                seen |= HOUSE
            elif block == CACTUS:
                seen |= CACTI
            elif block == ICE:
                seen |= FROZEN
    return seen


def caption(
    biome: int, time_of_day: float, *, seen: int, under_water: bool, covered: int, height: float
) -> str:
    """The line for a place: `seen` from `survey`, `covered` blocks of roof above the eye, its height y."""
    if under_water:
        return f"under water {time_words(time_of_day)}"
    if covered > 6:
        return f"in a dark cave {time_words(time_of_day)}"
    place = _HIGH if biome == 5 and height > 40 else _PLACES[biome]
    words = [place, time_words(time_of_day)]
    near = [
        name
        for bit, name in (
            (HOUSE, "a building"),
            (WET, "water"),
            (FROZEN, "ice"),
            (CACTI, "a cactus"),
            (TREES, "trees"),
        )
        if seen & bit and not (bit == TREES and biome in (1, 2)) and not (bit == WET and biome == 7)
    ][:2]
    if near:
        words.append("near " + " and ".join(near))
    return " ".join(words)
