"""The random player: the smallest example of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT

from .dice import Dice
from .policy import Vector


class Uniform:
    """Draws every key and the camera evenly from the action space, each tick anew; ignores the state."""

    def __init__(self, seed: int) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start again. Raises UsageError unless 0 <= seed < 2**64."""
        Dice(seed)  # one place says what a seed is
        self._generator = np.random.Generator(np.random.PCG64(int(seed)))

    def act(self, state: Mapping[str, Any]) -> Vector:
        """A random action, float32 [25]: keys 0 or 1, camera within ±180 degrees."""
        draws = self._generator.random(ACTION_SIZE, np.float32)
        action = (draws < 0.5).astype(np.float32)
        action[CAMERA] = (draws[CAMERA] * 2.0 - 1.0) * CAMERA_LIMIT
        return action
