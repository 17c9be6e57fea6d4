"""A vector env whose info is plain numbers, for libraries that make tensors of everything in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

_KEPT = ("final_obs", "_final_obs")


class PlainInfo(VectorWrapper):
    """Leaves of `info` the last observations of episodes that have ended, and "tick" int64 [N], their age.

    torchrl 0.14 makes specs of what a vector env says at reset: it has to be arrays, not dicts, and the same at
    every step. `GymWrapper(PlainInfo(envs))`.
    """

    def __init__(self, env: VectorEnv) -> None:
        super().__init__(env)
        self.autoreset_mode = env.metadata.get("autoreset_mode")
        self._tick = np.zeros(env.num_envs, np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """As the env inside."""
        obs, _ = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        self._tick[... if mask is None else mask] = 0
        return obs, {"tick": self._tick.copy()}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """As the env inside; "final_obs" and its mask where episodes have ended."""
        obs, rewards, terminated, truncated, info = self.env.step(actions)
        self._tick = np.where(terminated | truncated, 0, self._tick + 1)
        kept = {name: info[name] for name in _KEPT if name in info}
        return obs, rewards, terminated, truncated, {"tick": self._tick.copy(), **kept}
