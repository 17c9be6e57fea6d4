"""The state of a game at one tick: a few kilobytes, picklable, and as bytes without a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from worldsim.errors import UsageError
from worldsim.packed import check_generator, need_array, need_integer, pack, unpack

from . import voxel_animals as herd
from . import voxel_player as p
from .voxel_blocks import NUM_BLOCKS
from .voxel_engine import VoxelSnapshot
from .voxel_terrain import HEIGHT, SIZE

_FAR = 1e9  # a player further out than this would lose the fractions of its place
_PARTS = ("player", "items", "counts", "animals", "journal")


@dataclass(frozen=True)
class VoxelState:
    """Everything a `VoxelEnv` is at one tick; made by `clone_state`."""

    kind: ClassVar[str] = "worldsim.voxel"
    engine: VoxelSnapshot
    ended: bool
    rng: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """All of it."""
        arrays = {name: getattr(self.engine, name) for name in _PARTS}
        facts = {"seed": self.engine.seed, "ended": int(self.ended), "rng": dict(self.rng)}
        return pack(self.kind, arrays, facts)

    @classmethod
    def from_bytes(cls, data: bytes) -> VoxelState:
        """Read what `to_bytes` wrote, in any process.

        Raises:
            UsageError: damaged bytes, another kind of state, or numbers that no game has.
            UnsupportedVersion: a newer format.
        """
        _, arrays, facts = unpack(data, cls.kind)
        empty = {"journal": np.zeros((0, 3), np.int32), **arrays}
        snapshot = VoxelSnapshot(
            need_integer(facts, "seed", 0, 2**64 - 1),
            need_array(arrays, "player", np.float64, (p.SIZE,)),
            need_array(arrays, "items", np.uint8, (9,)),
            need_array(arrays, "counts", np.int32, (9,)),
            need_array(arrays, "animals", np.float64, (herd.COUNT, herd.COLUMNS)),
            need_array(empty, "journal", np.int32, (None, 3)),
        )
        _check(snapshot)
        return cls(snapshot, bool(need_integer(facts, "ended", 0, 1)), check_generator(facts.get("rng")))


def _check(snapshot: VoxelSnapshot) -> None:
    """Refuse numbers that compiled code would use as places outside of its arrays."""
    s, journal = snapshot.player, snapshot.journal
    at, blocks = journal[:, 0], journal[:, 1:]
    fine = {
        "player": _within(s, -_FAR, _FAR)
        and _within(s[[p.SLOT, p.SWING]], 0, np.array([8, 5]))
        and _within(s[[p.OFF_ITEM, p.AIM_BLOCK]], -1, NUM_BLOCKS - 1)
        and _within(s[[p.AIM_Y, p.PREV_Y, p.BREAK_Y]], -1, HEIGHT)
        and _within(s[[p.PROGRESS]], 0, 1)
        and _within(s[[p.OFF_ITEM, p.OFF_COUNT, p.TICK, p.TIME]], 0, _FAR),
        "items": _within(snapshot.items, 0, NUM_BLOCKS - 1),
        "counts": _within(snapshot.counts, 0, 2**20),
        "animals": _within(snapshot.animals, -_FAR, _FAR)
        and _within(snapshot.animals[:, herd.KIND], 0, len(herd.KINDS) - 1),
        "journal": _within(at, 0, SIZE * SIZE * HEIGHT - 1) and _within(blocks, 0, NUM_BLOCKS - 1),
    }
    for name, good in fine.items():
        if not good:
            raise UsageError(f"state: {name}: holds numbers that no game has; save it again with to_bytes()")


def _within(values: Any, low: Any, high: Any) -> bool:
    return bool(((values >= low) & (values <= high)).all())
