"""What the game's scalar and vector envs share: sizes, reset options, observations, the first tick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.errors import ConfigError, UsageError, brief

from . import voxel_player
from .voxel_engine import VoxelEngine

FAR = 512.0
"""The depth, in blocks, of sky and of what is beyond view."""
RESET_OPTIONS = ("time_of_day",)


class View:
    """What is seen of an engine: its frame, and the buffers that were asked for."""

    def __init__(self, width: int, height: int, *, depth: bool, block_ids: bool) -> None:
        self.size = (height, width)
        self.buffers = tuple(n for n, wanted in (("depth", depth), ("block_ids", block_ids)) if wanted)

    @property
    def space(self) -> spaces.Space[Any]:
        """`Box uint8 [H, W, 3]`, or a dict of it and the buffers."""
        frame = spaces.Box(0, 255, (*self.size, 3), np.uint8)
        kinds: dict[str, spaces.Space[Any]] = {
            "depth": spaces.Box(0.0, FAR, self.size, np.float32),
            "block_ids": spaces.Box(0, 255, self.size, np.uint8),
        }
        chosen = {name: kinds[name] for name in self.buffers}
        return spaces.Dict({"frame": frame, **chosen}) if chosen else frame

    def observe(self, engine: VoxelEngine) -> Any:
        """A fresh observation."""
        if not self.buffers:
            return engine.render()
        frame, depth, block_ids = engine.render_buffers()
        buffers: dict[str, NDArray[Any]] = {"depth": depth, "block_ids": block_ids}
        return {"frame": frame, **{name: buffers[name] for name in self.buffers}}

    def stack(self, observations: list[Any]) -> Any:
        """Observations of several worlds as one batch."""
        if not self.buffers:
            return np.stack(observations)
        return {name: np.stack([obs[name] for obs in observations]) for name in ("frame", *self.buffers)}


def new_engine(width: Any, height: Any) -> VoxelEngine:
    """An engine of a size.

    Raises:
        ConfigError: a size that is no integer or does not fit.
    """
    for name, value in (("width", width), ("height", height)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ConfigError(f"{name}: got {brief(value)}, expected an integer, a multiple of 16")
    return VoxelEngine(width=int(width), height=int(height))


def read_options(options: Any) -> Mapping[str, float]:
    """Check reset options.

    Raises:
        UsageError: an unknown option or a bad value.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise UsageError(
            f"options: got {type(options).__name__}, expected a dict with {', '.join(RESET_OPTIONS)}"
        )
    unknown = sorted(str(key) for key in options if key not in RESET_OPTIONS)
    if unknown:
        known = ", ".join(RESET_OPTIONS)
        raise UsageError(f"options: unknown {', '.join(unknown)}; known options are {known}")
    for key, value in options.items():
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise UsageError(f"options[{key!r}]: got {brief(value)}, expected a number from 0 to 1")
    return {key: float(value) for key, value in options.items()}


def begin(engine: VoxelEngine, seed: int, options: Mapping[str, float]) -> None:
    """Make the world of a seed under options that `read_options` gave."""
    engine.reset(seed)
    if "time_of_day" in options:
        snapshot = engine.clone()
        snapshot.player[voxel_player.TIME] = options["time_of_day"]
        engine.restore(snapshot)
