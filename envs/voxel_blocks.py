"""The blocks of the game: ids, names, hardness, what they drop and how light meets them."""

from __future__ import annotations

import numpy as np

AIR = 0
# name, ticks to break (0: never), what it drops
_TABLE: tuple[tuple[str, int, str], ...] = (
    ("air", 0, "air"),
    ("grass", 14, "dirt"),
    ("dirt", 12, "dirt"),
    ("stone", 30, "cobblestone"),
    ("cobblestone", 30, "cobblestone"),
    ("sand", 12, "sand"),
    ("water", 0, "air"),
    ("log", 24, "log"),
    ("leaves", 6, "leaves"),
    ("planks", 22, "planks"),
    ("brick", 32, "brick"),
    ("glass", 6, "glass"),
    ("snow", 12, "snow"),
    ("birch log", 24, "birch log"),
    ("birch leaves", 6, "birch leaves"),
    ("spruce log", 24, "spruce log"),
    ("spruce leaves", 6, "spruce leaves"),
    ("cactus", 10, "cactus"),
    ("sandstone", 24, "sandstone"),
    ("coal ore", 40, "coal ore"),
    ("iron ore", 40, "iron ore"),
    ("gold ore", 45, "gold ore"),
    ("diamond ore", 50, "diamond ore"),
    ("gravel", 13, "gravel"),
    ("bedrock", 0, "air"),
    ("dry grass", 14, "dirt"),
    ("acacia log", 24, "acacia log"),
    ("acacia leaves", 6, "acacia leaves"),
    ("flowers", 14, "dirt"),
    ("ice", 14, "ice"),
    ("lamp", 8, "lamp"),
    ("mossy stone", 30, "mossy stone"),
    ("red wool", 14, "red wool"),
    ("blue wool", 14, "blue wool"),
    ("white wool", 14, "white wool"),
    ("pumpkin", 16, "pumpkin"),
)
NAMES: tuple[str, ...] = tuple(row[0] for row in _TABLE)
"""Block names by id."""
NUM_BLOCKS = len(NAMES)
(
    _, GRASS, DIRT, STONE, COBBLE, SAND, WATER, LOG, LEAVES, PLANKS, BRICK, GLASS, SNOW, BIRCH_LOG,
    BIRCH_LEAVES, SPRUCE_LOG, SPRUCE_LEAVES, CACTUS, SANDSTONE, COAL, IRON, GOLD, DIAMOND, GRAVEL,
    BEDROCK, DRY_GRASS, ACACIA_LOG, ACACIA_LEAVES, FLOWERS, ICE, LAMP, MOSSY, RED_WOOL, BLUE_WOOL,
    WHITE_WOOL, PUMPKIN,
) = range(NUM_BLOCKS)  # fmt: skip

BREAK_TICKS = np.array([row[1] for row in _TABLE], np.int64)
"""Ticks of holding attack that break a block; 0 for what can't be broken."""
DROPS = np.array([NAMES.index(row[2]) for row in _TABLE], np.uint8)
"""The item that breaking a block gives, by block id; air for nothing."""
SOLID = np.array([name not in ("air", "water") for name in NAMES])
"""Blocks that stop a body."""
ROOF = np.array([name not in ("air", "water", "glass", "ice") for name in NAMES])
"""Blocks that keep the sky's light from what is below."""

ANIMAL_ID = 200
"""Block ids of animals in the id buffer: ANIMAL_ID + kind."""
SKY_DEPTH = 512.0
"""The depth, in blocks, of what has none."""
