"""A vector env that an agent learns in seconds: told is the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

ACTIONS = ("a", "b", "c")


class Quiz(VectorEnv[Any, Any, Any]):
    """Pays 1 for the action that the frame's brightness names; episodes of `length`, cut off or ended by turns."""

    def __init__(
        self, num_envs: int = 4, length: int = 8, mode: AutoresetMode = AutoresetMode.SAME_STEP
    ) -> None:
        self.num_envs, self.length, self.render_mode = num_envs, length, None
        self.metadata = {"autoreset_mode": mode}
        self.single_observation_space = spaces.Dict(
            frame=spaces.Box(0, 255, (16, 16, 3), np.uint8), told=spaces.Box(-1, 1, (2,), np.float32)
        )
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.seeds: Any = None

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.seeds = seed
        self.rng = np.random.default_rng(seed)
        self.time, self.episodes = np.zeros(self.num_envs, int), 0
        return self._ask(), {}

    def step(self, actions: Any) -> Any:
        rewards = (np.asarray(actions) == self.answers).astype(float)
        self.time += 1
        obs, done = self._ask(), self.time >= self.length
        info: dict[str, Any] = {}
        if done.any():
            self.episodes += 1
            info = {
                "final_obs": np.array(
                    [{k: v[i] for k, v in obs.items()} for i in range(self.num_envs)], object
                ),
                "_final_obs": done,
            }
            self.time[:] = 0
            obs = self._ask()
        ended = done & (self.episodes % 2 == 0)
        return obs, rewards, ended, done & ~ended, info

    def _ask(self) -> Any:
        self.answers = self.rng.integers(len(ACTIONS), size=self.num_envs)
        frame = np.broadcast_to(
            (self.answers * 100).astype(np.uint8)[:, None, None, None], (self.num_envs, 16, 16, 3)
        )
        return {"frame": frame.copy(), "told": np.zeros((self.num_envs, 2), np.float32)}
