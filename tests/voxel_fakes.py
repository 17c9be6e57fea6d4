"""A flat world of the built-in game, and a player in it."""

from __future__ import annotations

import numpy as np
from worldsim.envs import voxel_blocks as blocks
from worldsim.envs import voxel_player as p
from worldsim.envs.voxel_engine import VoxelEngine
from worldsim.envs.voxel_terrain import all_tops

from worldsim.actions import INDEX

FLOOR = 30


def keys(*names: str, pitch: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    vector = np.zeros(25, np.float32)
    for name in names:
        vector[INDEX[name]] = 1.0
    vector[INDEX["camera_pitch"]], vector[INDEX["camera_yaw"]] = pitch, yaw
    return vector


def arena(*, floor: int = FLOOR) -> VoxelEngine:
    """A flat world of stone below `floor`, the player in its middle looking to +z."""
    engine = VoxelEngine(width=64, height=48)
    engine.reset(0)
    engine._vox[:] = 0
    engine._vox[:, :, :floor] = blocks.STONE
    engine._animals[:] = 0.0
    refresh(engine)
    stand(engine, 64.5, floor, 64.5)
    return engine


def refresh(engine: VoxelEngine) -> None:
    all_tops(engine._vox, engine._tops, engine._roofs)


def stand(engine: VoxelEngine, x: float, y: float, z: float, *, yaw: float = 0.0, pitch: float = 0.0) -> None:
    s = engine._player
    s[p.X], s[p.Y], s[p.Z], s[p.YAW], s[p.PITCH] = x, y, z, yaw, pitch
    s[p.VX] = s[p.VY] = s[p.VZ] = s[p.FALL] = 0.0
    engine.step(keys())


def run(engine: VoxelEngine, ticks: int, action: np.ndarray) -> dict:
    for _ in range(ticks):
        engine.step(action)
    return engine.state()
