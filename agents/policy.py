"""What a scripted player is: two methods, no gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One action, float32 [25] in the order of `worldsim.actions.VECTOR_NAMES`."""


class Policy(Protocol):
    """A player that is a function of its seed and of the states it is shown."""

    def reset(self, seed: int) -> None:
        """Forget everything and start again from `seed`, 0 <= seed < 2**64."""

    def act(self, state: Mapping[str, Any]) -> Vector:
        """Choose the next action from `engine.state()`, `info["state"]` or `{}` (a world that tells nothing)."""
