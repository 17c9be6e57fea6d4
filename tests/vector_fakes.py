"""Small vector envs of both kinds, and how their states are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import worldsim  # noqa: F401 - registers the ids

IDS = {"game": "worldsim/Voxel-v0", "dream": "worldsim/Dream-v0"}


def small(kind: str, world: Path) -> dict[str, Any]:
    """What `gymnasium.make` needs for a small env."""
    if kind == "game":
        return {"id": IDS[kind], "width": 64, "height": 48}
    return {"id": IDS[kind], "world": str(world), "precision": "float32"}


def make(kind: str, world: Path, num_envs: int = 3, **arguments: Any) -> Any:
    """The native vector env, with numbered actions unless told otherwise."""
    arguments = {"action_space": "discrete", **arguments}
    return gymnasium.make_vec(num_envs=num_envs, **small(kind, world), **arguments)


def scalar(kind: str, world: Path, **arguments: Any) -> Any:
    """The scalar env, without wrappers."""
    return gymnasium.make(**small(kind, world), **{"action_space": "discrete", **arguments}).unwrapped


def script(num_envs: int, ticks: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Numbered actions [ticks, num_envs]."""
    return np.random.default_rng(seed).integers(34, size=(ticks, num_envs))
