"""Stable-Baselines3 on our vector envs: `PPO("MultiInputPolicy", SB3VecEnv(make_arena(...)))`.

    envs = gymnasium.make_vec("worldsim/Voxel-v0", num_envs=8, action_space="discrete", max_episode_steps=500)
    PPO("CnnPolicy", SB3VecEnv(envs), seed=0).learn(100_000)

SB3 has vector envs of its own kind, and its maintainers want no adapter to Gymnasium's upstream. Needs the
extra `rl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from worldsim.errors import ConfigError, MissingDependency
from worldsim.task_vector import scatter

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise MissingDependency(
        f"{error.name}: not installed; run  pip install 'worldsim[rl]'  or  pip install stable-baselines3"
    ) from error


class SB3VecEnv(VecEnv):  # type: ignore[misc, unused-ignore]
    """A Gymnasium vector env as SB3 sees it.

    The last observation of an episode is `info["terminal_observation"]`, and `info["TimeLimit.truncated"]` says
    whether it was cut off rather than ended, so that SB3 goes on to count what would have come.

    Args:
        envs: any vector env that resets in the same step (SAME_STEP), with actions that SB3 takes: Discrete,
            MultiDiscrete, MultiBinary or Box.

    Raises:
        ConfigError: another autoreset mode.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"autoreset_mode: the vector env has {mode}, SB3 needs SAME_STEP; make it with "
                "autoreset_mode='SameStep'"
            )
        self.envs = envs
        self._actions: Any = None
        self.render_mode = envs.render_mode
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Begin all episodes; with the seeds that `seed` was given, the first time after it."""
        seeds: Any = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        obs, info = self.envs.reset(seed=seeds)
        self.reset_infos = scatter(info, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember the actions [N, ...] for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, dones and infos, one a world."""
        obs, rewards, terminated, truncated, info = self.envs.step(self._actions)
        dones = terminated | truncated
        infos = scatter(info, self.num_envs)
        for world in np.flatnonzero(dones):
            final = infos[world].pop("final_obs")
            last = infos[world].pop("final_info", {})
            infos[world] = {**infos[world], **last, "terminal_observation": final}
        for one, cut in zip(infos, truncated & ~terminated):
            one["TimeLimit.truncated"] = bool(cut)
        return obs, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Close the worlds."""
        self.envs.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A frame of each world, if the envs have a render mode."""
        frames: Any = self.envs.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The vector env's attribute, once a world: there is one object for all."""
        return [getattr(self.envs, attr_name)] * len(self._places(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector env; it is the same for all worlds."""
        if len(self._places(indices)) != self.num_envs:
            raise NotImplementedError("set_attr: the worlds share one object; set it for all of them")
        setattr(self.envs, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Not possible for one world of a vector env."""
        raise NotImplementedError(f"{method_name}: the worlds share one object; call it on .envs instead")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """No wrapper stands around a single world."""
        return [False] * len(self._places(indices))

    def _places(self, indices: Any) -> list[int]:
        return list(self._get_indices(indices))
